"""The last hour as columns: where to draw them, in the units of the SVG's viewBox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from flask_jwt_revoke.audit import Entry

MINUTES = 5
COLUMNS = 12
_STEP = MINUTES * 60

WIDTH, HEIGHT = 480, 200
LEFT, TOP, BOTTOM = 44, 12, 172
_ROOM = (WIDTH - LEFT) / COLUMNS
_BAR = 13
_LEAST = 2  # what is not nothing can be seen

_LIFTED = "subject-unblocked"


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Column:
    """``MINUTES`` from ``at``, a Unix time in seconds: what began and what was revoked."""

    at: int
    began: int
    revoked: int


@dataclass(frozen=True)
class Chart:
    columns: list[Column]

    @property
    def most(self) -> int:
        """The end of the scale; half of it is a whole number too."""
        highest = max(max(one.began, one.revoked) for one in self.columns)
        return next(end for end in _ends() if end >= highest)

    @property
    def began(self) -> list[Bar]:
        return self._bars([one.began for one in self.columns], 0)

    @property
    def revoked(self) -> list[Bar]:
        return self._bars([one.revoked for one in self.columns], _BAR + 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """The height and the value of each line across."""
        return [(self._height(value), _short(value)) for value in (0, self.most // 2, self.most)]

    @property
    def times(self) -> list[tuple[float, int]]:
        """Where a time is written, and which: each quarter of an hour."""
        return [
            (_place(number), one.at) for number, one in enumerate(self.columns) if not number % 3
        ]

    def _bars(self, values: list[int], aside: float) -> list[Bar]:
        found = []
        for number, value in enumerate(values):
            height = max(_LEAST, BOTTOM - self._height(value)) if value else 0
            found.append(Bar(_place(number) + aside, BOTTOM - height, height))
        return found

    def _height(self, value: int) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * value / self.most, 1)


def first(now: float) -> int:
    """When the chart begins: the last of its columns is the one that ``now`` is in."""
    return (int(now) // _STEP - COLUMNS + 1) * _STEP


def drawn(now: float, began: Mapping[int, int], revoked: Iterable[Entry]) -> Chart:
    """``began`` counts by the minute (Unix time // 60)."""
    starts, ends = [0] * COLUMNS, [0] * COLUMNS
    begin = first(now)
    for minute, number in began.items():
        _add(starts, minute * 60 - begin, number)
    for one in revoked:
        _add(ends, one.at - begin, one.event != _LIFTED)
    return Chart([Column(begin + i * _STEP, starts[i], ends[i]) for i in range(COLUMNS)])


def _add(counts: list[int], after: float, number: int) -> None:
    place = int(after // _STEP)
    if 0 <= place < COLUMNS:
        counts[place] += number


def _place(number: int) -> float:
    return round(LEFT + number * _ROOM + (_ROOM - 2 * _BAR) / 2, 1)


def _short(value: int) -> str:
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if value >= unit:
            return f"{value // unit}{name}"
    return str(value)


def _ends() -> Iterator[int]:
    return (step * 10**zeros for zeros in count() for step in (2, 4, 10))
