"""One run: its parts, and how much is measured in each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from flask import Flask
from rich.progress import Progress

from tests.servers import Server, free_ports

from . import (
    data_size,
    fairness,
    imports,
    in_process,
    logout,
    meanwhile,
    memory,
    metering,
    near,
    through_gunicorn,
)
from .apps import made
from .cores import Cores
from .figures import Figures
from .generators import Load
from .measures import Comparison


@dataclass(frozen=True)
class Effort:
    """``seconds`` is one contender's turn behind gunicorn, ``idle_seconds`` one look at an
    idle listener; ``entries`` are those of memory, ``many`` those of data-size.
    """

    rounds: int
    requests: int
    gunicorn_rounds: int
    seconds: float
    sizes_rounds: int
    many: int
    logout_rounds: int
    meanwhile_rounds: int
    entries: int
    revocations: int
    idle_rounds: int
    idle_seconds: float
    import_rounds: int
    metrics_rounds: int
    checks: int


THOROUGH = Effort(
    rounds=40,
    requests=800,
    gunicorn_rounds=7,
    seconds=1.2,
    sizes_rounds=40,
    many=data_size.MANY,
    logout_rounds=12,
    meanwhile_rounds=5,
    entries=120_000,
    revocations=300,
    idle_rounds=3,
    idle_seconds=5,
    import_rounds=12,
    metrics_rounds=40,
    checks=2000,
)
# Fewer entries, of which the hash tables of Redis are as full: an eighth.
QUICK = Effort(
    rounds=10,
    requests=300,
    gunicorn_rounds=2,
    seconds=0.8,
    sizes_rounds=10,
    many=data_size.MANY // 10,
    logout_rounds=3,
    meanwhile_rounds=1,
    entries=15_000,
    revocations=100,
    idle_rounds=1,
    idle_seconds=3,
    import_rounds=3,
    metrics_rounds=10,
    checks=1000,
)


class Run:
    """``binary`` is the Redis that is measured; ``port`` is where one is for requests, which
    come over ``connections`` where they come by HTTP.
    """

    def __init__(
        self,
        effort: Effort,
        binary: str,
        port: int,
        *,
        connections: int,
        cores: Cores,
        progress: Progress,
    ) -> None:
        self._effort = effort
        self._connections = connections
        self._binary = binary
        self._port = port
        self._cores = cores
        self._progress = progress

    def requests(self, parts: Collection[str]) -> list[Comparison]:
        if not {"in-process", "gunicorn"}.intersection(parts):
            return []
        # The apps of this process make the tokens for gunicorn's too.
        with made(self._port) as apps:
            tokens = fairness.sign_in(apps)
            comparisons = []
            if "in-process" in parts:
                comparisons.append(self._in_process(apps, tokens))
            if "gunicorn" in parts:
                runnable, _ = through_gunicorn.worker_classes()
                comparisons += [self._through_gunicorn(name, tokens) for name in runnable]
            return comparisons

    def figures(self, parts: Collection[str]) -> list[Figures]:
        return [one for part, measure in FIGURES.items() if part in parts for one in measure(self)]

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
            load=Load(self._connections, self._effort.seconds, self._cores),
            advance=self._advance(f"gunicorn {worker_class}", rounds),
        )

    def _data_size(self) -> list[Figures]:
        rounds = self._effort.sizes_rounds
        servers = 1 + len(data_size.LARGER)
        advance = self._advance(data_size.DATA_SIZE, servers + data_size.WARM_UP + rounds)
        return [
            data_size.compare(
                self._server, self._effort.many, rounds=rounds, cores=self._cores, advance=advance
            )
        ]

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
                self._meanwhile(stack.enter_context(closing(self._server(*elsewhere)))),
            ]

    def _meanwhile(self, server: Server) -> Figures:
        rounds = self._effort.meanwhile_rounds
        advance = self._advance(meanwhile.MEANWHILE, rounds + meanwhile.WARM_UP)
        return meanwhile.compare(server, rounds=rounds, cores=self._cores, advance=advance)

    def _memory(self) -> list[Figures]:
        advance = self._advance(memory.MEMORY, len(memory.ENTRIES))
        return [memory.measure(self._binary, self._effort.entries, advance)]

    def _near(self) -> list[Figures]:
        effort = self._effort
        return [
            near.heard(
                self._port,
                revocations=effort.revocations,
                cores=self._cores,
                advance=self._advance(near.HEARD, effort.revocations + near.WARM_UP),
            ),
            near.listener(
                self._port,
                rounds=effort.idle_rounds,
                seconds=effort.idle_seconds,
                cores=self._cores,
                advance=self._advance(near.LISTENER, effort.idle_rounds),
            ),
        ]

    def _import(self) -> list[Figures]:
        rounds = self._effort.import_rounds
        advance = self._advance(imports.IMPORTS, rounds + imports.WARM_UP)
        return [imports.measure(rounds=rounds, advance=advance)]

    def _metrics(self) -> list[Figures]:
        rounds = self._effort.metrics_rounds
        advance = self._advance(metering.METERING, rounds + metering.WARM_UP)
        checks = self._effort.checks
        return [metering.compare(self._port, rounds=rounds, checks=checks, advance=advance)]

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


FIGURES: dict[str, Callable[[Run], list[Figures]]] = {
    "data-size": Run._data_size,
    "logout": Run._logout,
    "memory": Run._memory,
    "near": Run._near,
    "import": Run._import,
    "metrics": Run._metrics,
}
PARTS = ("in-process", "gunicorn", *FIGURES)
