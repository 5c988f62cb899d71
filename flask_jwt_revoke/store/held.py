"""Connections that are held: the pool's bookkeeping costs as much as the round trip.

A connection that was interrupted in any way is closed and never asked again, so that no
caller ever reads another one's reply.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from ..errors import SignInRefused, TokenRefused
from .question import Question
from .wire import Lent, Wire, failure


class Held:
    """A free list of connections like a pool's. Safe for threads, greenlets and fork.

    ``timeout`` is in seconds.
    """

    def __init__(self, pool: redis.ConnectionPool, timeout: float) -> None:
        self._pool = pool
        self._timeout = timeout
        self._start()

    def _start(self) -> None:
        self._free: deque[Wire] = deque()
        self._pid = os.getpid()
        weakref.finalize(self, _close, self._free)

    def ask(self, question: Question, until: float) -> list[Any]:
        """Send all, then read each reply; an error reply stands in its place.

        :raises redis.RedisError: the connection failed, and is closed.
        """
        wire = None
        try:
            wire = self._taken(until)
            answers = wire.ask(question.packed, len(question.commands), until)
            if wire.has_more or not question.is_answered_by(answers):
                raise redis.InvalidResponse("the server answers another question")
        except BaseException as error:
            self._drop(wire)
            if isinstance(error, OSError):
                raise failure(error) from error
            raise
        self._free.append(wire)
        return answers

    @contextmanager
    def lend(self, until: float) -> Iterator[Any]:
        """A connection for what is written, all of it by ``until``."""
        wire = None
        try:
            wire = self._taken(until)
            # What is written is not tried again when the server has hung up meanwhile.
            while not wire.is_quiet():
                wire.close()
                wire = self._taken(until)
            yield Lent(wire, until)
        except (TokenRefused, SignInRefused):
            # By what was read here, whose WATCH ends so; the others are as they were.
            if wire is not None:
                wire.close()
            raise
        except BaseException:
            self._drop(wire)
            raise
        if wire.is_open:
            self._free.append(wire)

    def close(self) -> None:
        _close(self._free)

    def _drop(self, wire: Wire | None) -> None:
        if wire is not None:
            wire.close()
        # The server may have gone, and with it what waits here.
        self.close()

    def _taken(self, until: float) -> Wire:
        if self._pid != os.getpid():
            # A child must not speak on its parent's sockets.
            self._start()
        try:
            return self._free.pop()
        except IndexError:
            return Wire(self._pool, self._timeout, until)


def _close(wires: deque[Wire]) -> None:
    while wires:
        try:
            wires.pop().close()
        except IndexError:  # another thread was quicker
            return
