"""Connections held for reads: the pool's bookkeeping costs as much as the round trip.

A connection that was interrupted in any way is closed and never asked again, so that no
caller ever reads another one's reply.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

import redis

from .question import Question
from .wire import Wire


class Held:
    """Asks over its own free list of a pool's connections. Safe for threads, greenlets, fork.

    ``timeout`` is in seconds.
    """

    def __init__(self, pool: redis.ConnectionPool, timeout: float) -> None:
        self._pool = pool
        self._timeout = timeout
        self._free: deque[Wire] = deque()
        self._pid = os.getpid()

    def ask(self, question: Question) -> list[Any]:
        """Send all, then read each reply; an error reply stands in its place.

        :raises redis.RedisError: the connection failed, and is closed.
        """
        wire = None
        try:
            wire = self._checked_out()
            answers = wire.ask(question.packed, len(question.commands))
        except BaseException as error:
            self._abandon(wire)
            if isinstance(error, TimeoutError):
                raise redis.TimeoutError("the server did not answer in time") from error
            if isinstance(error, OSError):
                raise redis.ConnectionError(str(error)) from error
            raise
        self._free.append(wire)
        return answers

    def close(self) -> None:
        while self._free:
            try:
                self._give_back(self._free.pop())
            except IndexError:
                return

    def _abandon(self, wire: Wire | None) -> None:
        if wire is not None:
            self._give_back(wire)
        # The server may have gone, and with it what waits here; and one that was
        # interrupted while it connected would be half-built for ever.
        self.close()
        self._pool.disconnect(inuse_connections=False)

    def _give_back(self, wire: Wire) -> None:
        wire.connection.disconnect()
        self._pool.release(wire.connection)

    def _checked_out(self) -> Wire:
        if self._pid != os.getpid():
            # A child must not speak on its parent's sockets.
            self._free, self._pid = deque(), os.getpid()
        try:
            return self._free.pop()
        except IndexError:
            return Wire(self._pool.get_connection(), self._timeout)
