"""Rows of a setting that are no requests: what each takes, in milliseconds or bytes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from .measures import percentile, quartiles


@dataclass(frozen=True)
class Row:
    """``ours`` is false of what ours is compared with; ``rounds`` has a figure for each.

    ``percent`` of them are at most the row's value: 50 is the median, 100 the worst.
    """

    key: str
    label: str
    ours: bool = True
    percent: float = 50
    rounds: list[float] = field(default_factory=list)

    @property
    def value(self) -> float:
        return percentile(self.rounds, self.percent)

    @property
    def quartiles(self) -> tuple[float, float] | None:
        """Around a median."""
        return quartiles(self.rounds) if self.percent == 50 else None


@dataclass(frozen=True)
class Figures:
    """``against`` is the key of the row that the others are compared with."""

    setting: str
    how: str
    unit: str
    rows: Sequence[Row]
    against: str | None = None

    def add(self, key: str, value: float) -> None:
        self.row(key).rounds.append(value)

    def row(self, key: str) -> Row:
        return next(row for row in self.rows if row.key == key)

    def times(self, key: str, against: str) -> float:
        """How many times as much as ``against``, compared round by round."""
        pairs = zip(self.row(key).rounds, self.row(against).rounds, strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def measured(self, key: str, against: str | None, _of: str = "") -> float:
        return self.row(key).value if against is None else self.times(key, against)
