"""What this project promises of its speed. A bar is judged by the run that prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .measures import Comparison


@dataclass(frozen=True)
class Bar:
    """At least ``times`` the throughput of another row, in one setting."""

    text: str
    setting: str
    row: str
    against: str
    times: float


@dataclass(frozen=True)
class Judged:
    bar: Bar
    times: float

    @property
    def reached(self) -> bool:
        return self.times >= self.bar.times

    def __str__(self) -> str:
        word = "reached" if self.reached else "NOT reached"
        return f"{self.bar.text} ({self.bar.setting}): {self.times:.2f} {word}"


BARS = (
    Bar(
        text="strict >= 2 x flask-jwt-extended with blocklist",
        setting="in process",
        row="strict",
        against="extended",
        times=2,
    ),
)


def judge(comparisons: Iterable[Comparison]) -> Iterator[Judged]:
    for comparison in comparisons:
        for bar in BARS:
            if bar.setting == comparison.setting:
                yield Judged(bar, comparison.throughput(bar.row, bar.against))
