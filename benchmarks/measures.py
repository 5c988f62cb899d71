"""Rounds of timings, and what is read from them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Timing:
    """One contender in one round, in microseconds.

    ``us`` is what one request took of the whole; ``p50`` and ``p99`` are latencies that a
    client saw, with others waiting beside it.
    """

    us: float
    p50: float | None = None
    p99: float | None = None


@dataclass
class Comparison:
    """The contenders in one setting: by key, a timing for each round."""

    setting: str
    how: str
    rounds: dict[str, list[Timing]] = field(default_factory=dict)

    def add(self, key: str, timing: Timing) -> None:
        self.rounds.setdefault(key, []).append(timing)

    def us(self, key: str) -> float:
        return statistics.median(one.us for one in self.rounds[key])

    def quartiles(self, key: str) -> tuple[float, float]:
        return quartiles([one.us for one in self.rounds[key]])

    def latency(self, key: str, percentile: str) -> float | None:
        found = [getattr(one, percentile) for one in self.rounds[key]]
        return None if None in found else statistics.median(found)

    def throughput(self, key: str, against: str) -> float:
        """How many times the throughput of ``against``.

        Compared round by round, so that a machine that slows down slows both sides.
        """
        return 1 / self.times(key, against, "us")

    def times(self, key: str, against: str, name: str) -> float:
        """How many times the ``us``, ``p50`` or ``p99`` of ``against``, round by round."""
        pairs = zip(self.rounds[key], self.rounds[against], strict=True)
        return statistics.median(
            getattr(ours, name) / getattr(theirs, name) for ours, theirs in pairs
        )

    def measured(self, key: str, against: str, of: str) -> float:
        """What a bar is set on: the throughput, or a time by its name."""
        return self.throughput(key, against) if not of else self.times(key, against, of)


def percentile(values: Sequence[float], percent: float) -> float:
    """The median, or the least value that ``percent`` of them do not exceed."""
    if percent == 50:
        return statistics.median(values)
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


def quartiles(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
