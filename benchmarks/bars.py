"""What this project promises of its speed and size. A bar is judged by the run that prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import data_size, imports, logout, meanwhile, memory, metering, near
from .apps import MODES, STALENESS
from .figures import Figures
from .measures import Comparison
from .through_gunicorn import WORKER_CLASSES, setting_of

REDIS = "redis 8.2"


@dataclass(frozen=True)
class Bar:
    """On a row of a setting: its own figure, or how many times another row's it is.

    ``of`` names the time of a comparison that is meant (us, p50 or p99), where it is not the
    throughput. ``only_on`` names the server that it was promised for, where others differ.
    """

    text: str
    setting: str
    row: str
    against: str | None = None
    of: str = ""
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


IN_PROCESS = (
    Bar(
        text="near cache >= 0.95 x no authentication",
        setting="in process",
        row="near",
        against="bare",
        at_least=0.95,
    ),
    Bar(
        text="strict >= 3 x flask-jwt-extended with blocklist",
        setting="in process",
        row="strict",
        against="extended",
        at_least=3,
    ),
    Bar(
        text="strict <= 1.25 x the time of no authentication + raw MGET",
        setting="in process",
        row="strict",
        against="raw",
        of="us",
        at_most=1.25,
    ),
)
GUNICORN = tuple(
    bar
    for worker_class in WORKER_CLASSES
    for mode in MODES
    for bar in (
        Bar(
            text=f"{mode}: throughput >= flask-jwt-extended's",
            setting=setting_of(worker_class),
            row=mode,
            against="extended",
            at_least=1,
        ),
        Bar(
            text=f"{mode}: p99 <= flask-jwt-extended's",
            setting=setting_of(worker_class),
            row=mode,
            against="extended",
            of="p99",
            at_most=1,
        ),
    )
)
DATA_SIZE = tuple(
    Bar(
        text=f"{what}: p50 within 10 % of the smallest data's",
        setting=data_size.DATA_SIZE,
        row=f"{key} p50",
        against=f"{data_size.SMALLEST} p50",
        at_least=0.9,
        at_most=1.1,
    )
    for key, what in data_size.LARGER.items()
)
LOGOUT = (
    Bar(
        text="10,000 live tokens <= 1.3 x the bare pipeline",
        setting=logout.BLACKLIST,
        row="ours",
        against="bare",
        at_most=1.3,
    ),
    *(
        Bar(
            text=f"p99 of {label} <= 3 x idle",
            setting=meanwhile.MEANWHILE,
            row=f"{pace} meanwhile p99",
            against=f"{pace} idle p99",
            at_most=3,
        )
        for pace, label in meanwhile.LABELS.items()
    ),
    Bar(
        text="100,000 tokens <= 1.5 x 10 tokens",
        setting=logout.VERSION,
        row="100000",
        against="10",
        at_most=1.5,
    ),
)
MEMORY = (
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
NEAR = (
    Bar(text="p99 <= 10 ms", setting=near.HEARD, row="p99", at_most=10),
    Bar(
        text=f"never later than {STALENESS * 1000:g} ms",
        setting=near.HEARD,
        row="max",
        at_most=STALENESS * 1000,
    ),
    Bar(text="listening <= 0.5 % of a core", setting=near.LISTENER, row="near", at_most=0.5),
)
IMPORT = (Bar(text="flask_jwt_revoke <= 10 ms", setting=imports.IMPORTS, row="ours", at_most=10),)
METRICS = (
    Bar(
        text="metrics off <= 1.05 x the check itself",
        setting=metering.METERING,
        row="off",
        against="plain",
        at_most=1.05,
    ),
)
BARS = (*METRICS, *IN_PROCESS, *GUNICORN, *DATA_SIZE, *LOGOUT, *MEMORY, *NEAR, *IMPORT)


def judge(settings: Iterable[Comparison | Figures], server: str) -> Iterator[Judged]:
    for setting in settings:
        for bar in BARS:
            if bar.setting == setting.setting and server.startswith(bar.only_on):
                yield Judged(bar, setting.measured(bar.row, bar.against, bar.of))
