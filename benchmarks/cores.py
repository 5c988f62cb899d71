"""Which core runs what: what is measured shares one with Redis, the load comes from another.

Left to the scheduler, Redis wakes now on the same core and now on another one, which moves
a round trip of 20 us by 60 us.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class Cores:
    """Keeps this process and its children on one core, where the platform can."""

    def __init__(self, *, pinned: bool = True) -> None:
        self.pinned = pinned and hasattr(os, "sched_setaffinity")
        if self.pinned:
            usable = sorted(os.sched_getaffinity(0))
            self._first, self._others = {usable[0]}, set(usable[1:])
            os.sched_setaffinity(0, self._first)

    @property
    def described(self) -> str:
        if not self.pinned:
            return "no process is pinned to a core"
        beside = "another one" if self._others else "the same one, the only one here"
        return f"what is measured shares one core with Redis; load comes from {beside}"

    @property
    def redis_options(self) -> tuple[str, ...]:
        """They take what Redis frees in the background to another core."""
        if not self.pinned or not self._others:
            return ()
        return ("--bio_cpulist", ",".join(str(core) for core in sorted(self._others)))

    @contextmanager
    def on_another(self) -> Iterator[None]:
        """Start a process in here, and it runs beside what is measured."""
        if not self.pinned or not self._others:
            yield
            return
        os.sched_setaffinity(0, self._others)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self._first)
