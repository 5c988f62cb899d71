"""A connection on which messages are heard as they come, apart from those that ask."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import hiredis
import redis

from .client import Client, no_retry
from .question import packed
from .sockets import is_late, limit

_AT_ONCE = 65_536


class Line:
    """Connected and signed in by redis-py, with the client's own options, in RESP2.

    :raises redis.RedisError: it does not come about.
    """

    def __init__(self, client: Client) -> None:
        self._connection = _connection_like_those_of(client)
        self._connection.connect()
        self._socket = self._connection._sock
        self._reader = hiredis.Reader(protocolError=redis.InvalidResponse)

    def send(self, *command: str) -> None:
        self._socket.sendall(packed(command))

    def wait_for(self, seconds: float) -> None:
        """How long ``receive`` waits from now on."""
        limit(self._socket, seconds)

    def receive(self) -> list[Any]:
        """The messages that have come; none after ``wait_for``.

        :raises OSError: the connection has gone.
        """
        try:
            data = self._socket.recv(_AT_ONCE)
        except OSError as error:
            if is_late(error):
                return []
            raise
        if not data:
            raise redis.ConnectionError("the server closed the connection")
        self._reader.feed(data)
        found = []
        while (message := self._reader.gets()) is not False:
            found.append(message)
        return found

    def interrupt(self) -> None:
        """Have another thread's ``receive`` fail."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.disconnect()


def _connection_like_those_of(client: Client) -> Any:
    if isinstance(client, redis.RedisCluster):
        client = client.get_redis_connection(client.get_random_node())
    pool = client.connection_pool
    options = {
        name: value
        for name, value in pool.connection_kwargs.items()
        # They would have the connection speak RESP3.
        if not name.startswith(("maint_", "oss_cluster_maint_"))
    }
    options |= {"protocol": 2, "retry": no_retry(), "health_check_interval": 0}
    return pool.connection_class(**options)
