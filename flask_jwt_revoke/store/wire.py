"""One connection of redis-py's, spoken on directly: its own layers cost as much as the answer."""

from __future__ import annotations

import time
from typing import Any

import hiredis
import redis

_AT_ONCE = 65_536


class Wire:
    """Connected and signed in by redis-py, which also closes it."""

    __slots__ = ("_reader", "_timeout", "connection")

    def __init__(self, connection: Any, timeout: float) -> None:
        self.connection = connection
        self._timeout = timeout
        self._reader = hiredis.Reader(
            protocolError=redis.InvalidResponse, replyError=redis.ResponseError
        )

    def ask(self, packed: bytes, count: int) -> list[Any]:
        """Send commands, then read a reply to each; an error reply stands in its place.

        :raises redis.RedisError: the connection cannot be used any more.
        :raises OSError: neither can it.
        """
        socket, reader = self.connection._sock, self._reader
        socket.sendall(packed)
        reader.feed(socket.recv(_AT_ONCE) or _gone())
        answer = reader.gets()
        if count == 1 and answer is not False:
            return [answer]
        return self._rest(answer, count)

    def _rest(self, answer: Any, count: int) -> list[Any]:
        """A server that answers in drops does not get its time-out for each of them."""
        until = time.monotonic() + self._timeout
        answers: list[Any] = []
        while True:
            if answer is False:
                self._receive(until)
            else:
                answers.append(answer)
            if len(answers) == count:
                self.connection._sock.settimeout(self._timeout)
                return answers
            answer = self._reader.gets()

    def _receive(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise redis.TimeoutError("the answer did not come in time")
        socket = self.connection._sock
        socket.settimeout(left)
        self._reader.feed(socket.recv(_AT_ONCE) or _gone())


def _gone() -> bytes:
    raise redis.ConnectionError("the server closed the connection")
