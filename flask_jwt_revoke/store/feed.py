"""Hearing of revocations: one listener a process, and the proof that it has heard them all.

Redis answers a PING on a subscribed connection in order: its PONG proves that whatever was
published before the PING was sent has been received.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from redis.sentinel import SentinelConnectionPool

from .client import Client, is_in_process
from .line import Line

log = logging.getLogger("flask_jwt_revoke")

#: Seconds of a clock that nobody sets, and that goes on while the machine sleeps.
steady: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)

_LONGEST_PAUSE = 2.0  # seconds
_LONGEST_BEAT = 0.5


class Subscription:
    """``proved`` is when the last PING that was answered on it had been sent (``steady``)."""

    __slots__ = ("proved",)

    def __init__(self) -> None:
        self.proved = float("-inf")


#: Stands for the time in which nobody listened: it proves nothing.
NONE = Subscription()


class Feed:
    """The feed of one app, heard by one thread of each process that asks for it.

    ``heard`` is called in that thread with the subject of each revocation and what was said of
    it, ``answered`` after each PING that was answered; neither may hold this object, since
    the thread ends with it. ``staleness`` (seconds) is how old a proof may become.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        channel: str,
        staleness: float,
        heard: Callable[[str, bytes], None],
        answered: Callable[[], None],
    ) -> None:
        self._make = partial(_Listener, connect, channel, staleness, heard, answered)
        self._listener: _Listener | None = None
        self._lock, self._pid = threading.Lock(), os.getpid()

    def subscription(self) -> Subscription:
        """What this process listens on now; it begins to listen where it did not."""
        listener = self._listener
        if listener is None or listener.pid != os.getpid():
            listener = self._listen()
        return listener.subscription

    def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def _listen(self) -> _Listener:
        if self._pid != os.getpid():
            # A lock that another thread held at the fork is never released here.
            self._lock, self._pid = threading.Lock(), os.getpid()
        with self._lock:
            listener = self._listener
            if listener is None or listener.pid != os.getpid():
                listener = self._make()
                try:
                    listener.start()
                except RuntimeError as error:  # the system has no thread left
                    log.debug("revocations are not heard: %s", error)
                    return listener
                weakref.finalize(self, listener.stop)
                self._listener = listener
            return listener


class _Listener(threading.Thread):
    def __init__(
        self,
        connect: Callable[[], Client],
        channel: str,
        staleness: float,
        heard: Callable[[str, bytes], None],
        answered: Callable[[], None],
    ) -> None:
        super().__init__(name="flask_jwt_revoke feed", daemon=True)
        self.pid = os.getpid()
        self.subscription = NONE
        self._stopped = threading.Event()
        self._line: Line | None = None
        self._connect = connect
        self._channel = channel
        self._staleness = staleness
        self._heard = heard
        self._answered = answered

    def stop(self) -> None:
        self._stopped.set()
        if self._line is not None and self.pid == os.getpid():
            self._line.interrupt()

    def run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - the thread must outlive any failure
                # A subscription that came about ends the series of failures.
                failures = 1 if self.subscription is not NONE else failures + 1
                self._log(error, failures)
            self.subscription = NONE
            longest = min(_LONGEST_PAUSE, 0.05 * 2**failures)
            self._stopped.wait(longest * random.random())  # noqa: S311 - jitter

    def _log(self, error: Exception, failures: int) -> None:
        if not self._stopped.is_set():
            level = logging.WARNING if failures == 1 else logging.DEBUG
            log.log(level, "revocations are not heard: %s: %s", type(error).__name__, error)

    def _listen(self) -> None:
        client = self._connect()
        if is_in_process(client):
            self._stopped.set()
            return
        is_ordered = _is_ordered(client)
        line = self._line = Line(client)
        try:
            heartbeat = _Heartbeat(line, self._staleness)
            line.send("SUBSCRIBE", self._channel)
            while not self._stopped.is_set():
                heartbeat.beat()
                for message in line.receive():
                    self._take(message, heartbeat, is_ordered)
        finally:
            line.close()

    def _take(self, message: Any, heartbeat: _Heartbeat, is_ordered: bool) -> None:
        match message:
            case [b"message", _, data]:
                self._hear(data)
            case [b"subscribe", *_]:
                self.subscription = Subscription()
            case [b"pong", payload] if heartbeat.is_answer(payload):
                if is_ordered:
                    # It was sent behind the SUBSCRIBE, so it is answered behind it.
                    self.subscription.proved = heartbeat.sent
                self._answered()
            case Exception():
                raise message

    def _hear(self, data: Any) -> None:
        try:
            subject = json.loads(data)[0]
        except (ValueError, LookupError, TypeError, RecursionError):
            return  # whoever may publish can say anything
        if isinstance(subject, str):
            self._heard(subject, data)


class _Heartbeat:
    """PINGs, one at a time."""

    def __init__(self, line: Line, staleness: float) -> None:
        self.sent = float("-inf")
        self._line = line
        self._patience = staleness
        self._every = min(staleness / 4, _LONGEST_BEAT)
        self._is_answered = True
        line.wait_for(self._every)

    def beat(self) -> None:
        """:raises redis.TimeoutError: the last PING was not answered."""
        now = steady()
        if not self._is_answered:
            if now - self.sent > self._patience:
                raise redis.TimeoutError("a PING was not answered")
        elif now - self.sent >= self._every:
            self.sent, self._is_answered = now, False
            self._line.send("PING", repr(now))

    def is_answer(self, payload: bytes) -> bool:
        self._is_answered = payload == repr(self.sent).encode()
        return self._is_answered


def _is_ordered(client: Client) -> bool:
    """Whether what the connection's server answers proves anything of what others publish.

    In a cluster messages also come from other nodes, and after a fail-over from another server.
    """
    pool = getattr(client, "connection_pool", None)
    return pool is not None and not isinstance(pool, SentinelConnectionPool)
