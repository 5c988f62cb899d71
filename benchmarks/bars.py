"""What this project promises of its speed and size. A bar is judged by the run that prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import logout, memory
from .figures import Figures
from .measures import Comparison

REDIS = "redis 8.2"


@dataclass(frozen=True)
class Bar:
    """On a row of a setting: its own figure, or how many times another row's it is.

    ``only_on`` names the server that it was promised for, where others differ.
    """

    text: str
    setting: str
    row: str
    against: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    only_on: str = ""

    def reached(self, measured: float) -> bool:
        enough = self.at_least is None or measured >= self.at_least
        return enough and (self.at_most is None or measured <= self.at_most)


@dataclass(frozen=True)
class Judged:
    bar: Bar
    measured: float

    @property
    def reached(self) -> bool:
        return self.bar.reached(self.measured)

    def __str__(self) -> str:
        word = "reached" if self.reached else "NOT reached"
        return f"{self.bar.text} ({self.bar.setting}): {self.measured:.2f} {word}"


BARS = (
    Bar(
        text="strict >= 2 x flask-jwt-extended with blocklist",
        setting="in process",
        row="strict",
        against="extended",
        at_least=2,
    ),
    Bar(
        text="10,000 live tokens <= 1.3 x the bare pipeline",
        setting=logout.BLACKLIST,
        row="ours",
        against="bare",
        at_most=1.3,
    ),
    Bar(
        text="100,000 tokens <= 1.5 x 10 tokens",
        setting=logout.VERSION,
        row="100000",
        against="10",
        at_most=1.5,
    ),
    Bar(
        text="a revoked token <= 135 bytes",
        setting=memory.MEMORY,
        row="revoked",
        at_most=135,
        only_on=REDIS,
    ),
    Bar(
        text="an indexed token, judged at 6 tokens a subject, <= 55 bytes",
        setting=memory.MEMORY,
        row="indexed 6",
        at_most=55,
        only_on=REDIS,
    ),
    Bar(
        text="a session with all its keys, judged at 3 sessions a subject, <= 400 bytes",
        setting=memory.MEMORY,
        row="session 3",
        at_most=400,
        only_on=REDIS,
    ),
)


def judge(settings: Iterable[Comparison | Figures], server: str) -> Iterator[Judged]:
    for setting in settings:
        for bar in BARS:
            if bar.setting == setting.setting and server.startswith(bar.only_on):
                yield Judged(bar, setting.measured(bar.row, bar.against))
