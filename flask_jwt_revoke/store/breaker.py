"""Circuit breakers: requests do not queue for a Redis that does not answer.

pybreaker holds its lock during the call that it guards, so that requests would go one by
one; circuitbreaker lets all callers through at once when it is half open.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable

import redis

from ..errors import Outage
from .client import Client
from .slots import primaries, primary

log = logging.getLogger("flask_jwt_revoke")

LOG_INTERVAL = 60.0  # seconds


class Breaker:
    """Opens after ``most`` failures in a row; then one caller a ``pause`` (seconds) may ask.

    Says so in the log at the first failure, once a minute, and when Redis answers again, if
    that had been said since.
    ``changed`` is called with whether it is open when it opens or closes.
    """

    def __init__(self, most: int, pause: float) -> None:
        self._most = most
        self._pause = pause
        self.changed: Callable[[bool], object] = bool
        self._begin()

    def _begin(self) -> None:
        self._failures = 0  # since the last success
        self._refused = 0
        self._ask_at = self._log_at = float("-inf")
        self._is_told = False
        self._lock, self._pid = threading.Lock(), os.getpid()

    @property
    def is_open(self) -> bool:
        return self._failures >= self._most

    def admit(self) -> None:
        """:raises Outage: the breaker is open, and this caller is not the one to ask."""
        if not self.is_open or self._has_begun_in_child():
            return
        with self._lock:
            now = time.monotonic()
            if now < self._ask_at:
                self._refused += 1
                raise Outage()
            # Should this caller never come back, another one asks after a pause.
            self._ask_at = now + self._pause

    def succeeded(self) -> None:
        if self._failures and not self._has_begun_in_child():
            self._close()

    def failed(self, error: Exception) -> None:
        self._has_begun_in_child()
        with self._lock:
            now = time.monotonic()
            self._failures += 1
            if self._failures == self._most:
                self.changed(True)
            self._ask_at = now + self._pause * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
            if now < self._log_at:
                return
            self._log_at, self._is_told = now + LOG_INTERVAL, True
            failures, refused = self._failures, self._refused
        log.warning(
            "Redis cannot be asked: %s: %s (%d failures, %d requests not tried)",
            type(error).__name__, error, failures, refused,
        )  # fmt: skip

    def _has_begun_in_child(self) -> bool:
        """A child has asked nothing yet, and a lock that another thread held at the fork is
        never released there.
        """
        if self._pid == os.getpid():
            return False
        was_open = self.is_open
        self._begin()
        if was_open:
            self.changed(False)
        return True

    def _close(self) -> None:
        with self._lock:
            failures, refused = self._failures, self._refused
            was_open = failures >= self._most
            self._failures = self._refused = 0
        if was_open:
            self.changed(False)
        if was_open and self._is_told:
            self._is_told = False
            log.warning(
                "Redis answers again, after %d failures and %d requests that were not tried",
                failures, refused,
            )  # fmt: skip


class Breakers:
    """One for each primary of a cluster; for any other Redis, one.

    ``changed`` is called with whether any is open when one opens or closes.
    """

    def __init__(self, most: int, pause: float) -> None:
        self.changed: Callable[[bool], object] = bool
        self._most, self._pause = most, pause
        self._single = self._begun()
        self._by_primary: dict[str, Breaker] = {}

    @property
    def is_open(self) -> bool:
        return any(one.is_open for one in (self._single, *self._by_primary.copy().values()))

    def of(self, client: Client, key: str) -> Breaker:
        """That of the primary that has the key. A client that is None has yet to be made."""
        if not isinstance(client, redis.RedisCluster):
            return self._single
        name = primary(client, key)
        if self.is_open or name not in self._by_primary:
            self._forget_all_but(primaries(client))
        return self._by_primary.get(name) or self._by_primary.setdefault(name, self._begun())

    def _begun(self) -> Breaker:
        made = Breaker(self._most, self._pause)
        made.changed = lambda _: self.changed(self.is_open)
        return made

    def _forget_all_but(self, names: set[str]) -> None:
        """Nobody asks a primary that has been replaced, and so it would stay open."""
        gone = [name for name in self._by_primary.copy() if name not in names]
        for name in gone:
            self._by_primary.pop(name, None)
        if gone:
            self.changed(self.is_open)
