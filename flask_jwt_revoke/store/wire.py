"""One connection of redis-py's, spoken on directly: its own layers cost as much as the answer."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import hiredis
import redis

from .sockets import limit

_AT_ONCE = 65_536


class Wire:
    """Connected and signed in by redis-py, until the moment ``until`` (``time.monotonic``).

    ``timeout`` (seconds) is what an answer may take afterwards.

    :raises redis.RedisError: it does not come about.
    :raises OSError: nor so.
    """

    __slots__ = ("_reader", "_timeout", "connection")

    def __init__(self, pool: redis.ConnectionPool, timeout: float, until: float) -> None:
        left = _left(until)
        limits = {"socket_timeout": left, "socket_connect_timeout": left}
        self._timeout = timeout
        self._reader = hiredis.Reader(
            protocolError=redis.InvalidResponse, replyError=redis.ResponseError
        )
        self.connection = pool.connection_class(**{**pool.connection_kwargs, **limits})
        try:
            self._connect(left)
            limit(self.connection._sock, timeout)
        except BaseException as error:
            self.close()
            if isinstance(error, redis.ConnectionError) and time.monotonic() >= until:
                raise redis.TimeoutError("the server did not let us in in time") from error
            raise

    def _connect(self, seconds: float) -> None:
        # Signing in and TLS take several reads, each of which would get its own time-out.
        timer = threading.Timer(seconds, _cut, (self.connection,))
        timer.daemon = True
        try:
            timer.start()
            self.connection.connect()
        finally:
            timer.cancel()

    def close(self) -> None:
        self.connection.disconnect()

    def __del__(self) -> None:
        # It is in nobody's list while it is in use, and its user may be interrupted.
        with suppress(AttributeError):
            self.close()

    def is_quiet(self) -> bool:
        """Whether it is there and nothing has come on it, such as its end."""
        if self.connection._sock is None:
            return False
        try:
            return not self.connection.can_read(timeout=0)
        except (redis.RedisError, OSError):
            return False

    def ask(self, packed: bytes, count: int, until: float) -> list[Any]:
        """Send commands, then read a reply to each; an error reply stands in its place.

        :raises redis.RedisError: the connection cannot be used any more.
        :raises OSError: neither can it.
        """
        sock, reader = self.connection._sock, self._reader
        sock.sendall(packed)
        reader.feed(sock.recv(_AT_ONCE) or _gone())
        answer = reader.gets()
        if count == 1 and answer is not False:
            return [answer]
        return self._rest(answer, count, until)

    def _rest(self, answer: Any, count: int, until: float) -> list[Any]:
        """A server that answers in drops does not get its time-out for each of them."""
        answers: list[Any] = []
        while True:
            if answer is False:
                self._receive(until)
            else:
                answers.append(answer)
            if len(answers) == count:
                return answers
            answer = self._reader.gets()

    def _receive(self, until: float) -> None:
        sock = self.connection._sock
        limit(sock, _left(until))
        self._reader.feed(sock.recv(_AT_ONCE) or _gone())
        limit(sock, self._timeout)


def _cut(connection: Any) -> None:
    with suppress(OSError, AttributeError):
        connection._sock.shutdown(socket.SHUT_RDWR)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise redis.TimeoutError("the answer did not come in time")
    return left


def _gone() -> bytes:
    raise redis.ConnectionError("the server closed the connection")
