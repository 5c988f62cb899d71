"""When this process itself stood still: a busy machine must not look like a late answer."""

from __future__ import annotations

import threading
import time
from collections import deque

_BEAT = 0.004
_STALL = 0.004


class Stalls:
    """A thread that sleeps, and remembers each time that it woke up late."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=4096)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def within(self, started: float, ended: float) -> float:
        """The longest stall, in seconds, of the time between two ``perf_counter`` values."""
        lengths = (
            min(until, ended) - max(since, started)
            for since, until in list(self._seen)
            if until > started and since < ended
        )
        return max(lengths, default=0.0)

    def _beat(self) -> None:
        while not self._over.is_set():
            due = time.perf_counter() + _BEAT
            time.sleep(_BEAT)
            woken = time.perf_counter()
            if woken - due > _STALL:
                self._seen.append((due, woken))
