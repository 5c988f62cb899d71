"""One run: its parts, and how much is measured in each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from flask import Flask
from rich.progress import Progress

from tests.servers import Server, free_ports

from . import fairness, in_process, logout, memory, through_gunicorn
from .apps import CONTENDERS
from .cores import Cores
from .figures import Figures
from .generators import Load
from .measures import Comparison

CONNECTIONS = 4
PARTS = ("in-process", "gunicorn", "logout", "memory")


@dataclass(frozen=True)
class Effort:
    """``seconds`` is one contender's turn behind gunicorn; ``entries`` are those of memory."""

    rounds: int
    requests: int
    gunicorn_rounds: int
    seconds: float
    logout_rounds: int
    entries: int


THOROUGH = Effort(
    rounds=40, requests=800, gunicorn_rounds=8, seconds=1.2, logout_rounds=25, entries=120_000
)
# Fewer entries, of which the hash tables of Redis are as full: an eighth.
QUICK = Effort(
    rounds=12, requests=300, gunicorn_rounds=2, seconds=0.8, logout_rounds=5, entries=15_000
)


class Run:
    """``binary`` is the Redis that is measured; ``port`` is where one is for requests."""

    def __init__(
        self, effort: Effort, binary: str, port: int, cores: Cores, progress: Progress
    ) -> None:
        self._effort = effort
        self._binary = binary
        self._port = port
        self._cores = cores
        self._progress = progress

    def requests(self, parts: Collection[str]) -> list[Comparison]:
        if not {"in-process", "gunicorn"}.intersection(parts):
            return []
        # The apps of this process make the tokens for gunicorn's too.
        apps = {one.key: one.make(self._port) for one in CONTENDERS}
        tokens = fairness.sign_in(apps)
        comparisons = []
        if "in-process" in parts:
            comparisons.append(self._in_process(apps, tokens))
        if "gunicorn" in parts:
            runnable, _ = through_gunicorn.worker_classes()
            comparisons += [self._through_gunicorn(name, tokens) for name in runnable]
        return comparisons

    def figures(self, parts: Collection[str]) -> list[Figures]:
        found = []
        if "logout" in parts:
            found += self._logout()
        if "memory" in parts:
            found.append(self._memory())
        return found

    def _in_process(
        self, apps: Mapping[str, Flask], tokens: Mapping[str, fairness.Tokens]
    ) -> Comparison:
        return in_process.compare(
            apps,
            tokens,
            rounds=self._effort.rounds,
            requests=self._effort.requests,
            advance=self._advance("in process", self._effort.rounds + in_process.WARM_UP),
        )

    def _through_gunicorn(
        self, worker_class: str, tokens: Mapping[str, fairness.Tokens]
    ) -> Comparison:
        rounds = self._effort.gunicorn_rounds
        return through_gunicorn.compare(
            worker_class,
            self._port,
            tokens,
            rounds=rounds,
            load=Load(CONNECTIONS, self._effort.seconds, self._cores),
            advance=self._advance(f"gunicorn {worker_class}", rounds),
        )

    def _logout(self) -> list[Figures]:
        rounds = self._effort.logout_rounds
        elsewhere = self._cores.redis_options
        with ExitStack() as stack:
            server = stack.enter_context(closing(self._server(*elsewhere)))
            crowded = stack.enter_context(closing(self._server())) if elsewhere else None
            return [
                logout.beside_bare_pipeline(
                    server,
                    rounds=rounds,
                    advance=self._advance(logout.BLACKLIST, rounds + logout.WARM_UP),
                ),
                logout.by_size(
                    server,
                    crowded,
                    rounds=rounds,
                    advance=self._advance(logout.VERSION, rounds + logout.WARM_UP),
                ),
            ]

    def _memory(self) -> Figures:
        advance = self._advance(memory.MEMORY, len(memory.ENTRIES))
        return memory.measure(self._binary, self._effort.entries, advance)

    def _server(self, *options: str) -> Server:
        (port,) = free_ports(1)
        return Server(self._binary, "--save", "", *options, port=port)

    def _advance(self, setting: str, rounds: int) -> Callable[[], None]:
        task = self._progress.add_task(setting, total=rounds)
        self._progress.refresh()

        def advance() -> None:
            self._progress.advance(task)
            self._progress.refresh()

        return advance
