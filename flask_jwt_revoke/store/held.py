"""Connections held for reads: the pool's bookkeeping costs as much as the round trip.

A connection that was interrupted in any way is closed and never asked again, so that no
caller ever reads another one's reply.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from typing import Any

import redis


class Held:
    """Asks over its own free list of a pool's connections. Safe for threads, greenlets, fork."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        self._free: deque[Any] = deque()
        self._pid = os.getpid()

    def ask(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """Send all, then read each reply; an error reply stands in its place.

        :raises redis.RedisError: the connection failed, and is closed.
        """
        connection = None
        try:
            connection = self._checked_out()
            connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            answers = [_reply(connection) for _ in commands]
        except BaseException:
            if connection is not None:
                connection.disconnect()
                self._pool.release(connection)
            # The server may have gone, and with it what waits here; and one that was
            # interrupted while it connected would be half-built for ever.
            self.close()
            self._pool.disconnect(inuse_connections=False)
            raise
        self._free.append(connection)
        return answers

    def close(self) -> None:
        while self._free:
            try:
                connection = self._free.pop()
            except IndexError:
                return
            connection.disconnect()
            self._pool.release(connection)

    def _checked_out(self) -> Any:
        if self._pid != os.getpid():
            # A child must not speak on its parent's sockets.
            self._free, self._pid = deque(), os.getpid()
        try:
            return self._free.pop()
        except IndexError:
            return self._pool.get_connection()


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error
