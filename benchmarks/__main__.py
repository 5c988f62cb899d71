from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.servers import BINARIES, Server, free_ports

from . import fairness, in_process, machine, plot, results, through_gunicorn
from .apps import CONTENDERS
from .bars import judge
from .cores import Cores
from .generators import Load
from .measures import Comparison
from .table import table

CONNECTIONS = 4


@dataclass(frozen=True)
class Effort:
    """How much is measured; ``seconds`` is one contender's turn behind gunicorn."""

    rounds: int
    requests: int
    gunicorn_rounds: int
    seconds: float


THOROUGH = Effort(rounds=40, requests=800, gunicorn_rounds=8, seconds=1.2)
QUICK = Effort(rounds=12, requests=300, gunicorn_rounds=2, seconds=0.8)


def main() -> None:
    options = arguments()
    effort = effort_of(options)
    # A log file has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    cores = Cores(pinned=not options.unpinned)
    (port,) = free_ports(1)
    with ExitStack() as stack:
        server = stack.enter_context(closing(Server(BINARIES[options.server], port=port)))
        with server.client() as client:
            about = machine.described(client)
        about |= circumstances(cores, options.only)
        introduce(console, about)
        progress = stack.enter_context(progress_on(console))
        run = Run(effort, port, cores, progress)
        comparisons = run.compare(options.only)
    report(console, about, comparisons)


class Run:
    """One server for all; the apps of this process make the tokens for gunicorn's too."""

    def __init__(self, effort: Effort, port: int, cores: Cores, progress: Progress) -> None:
        self._effort = effort
        self._port = port
        self._cores = cores
        self._progress = progress
        self._apps = {one.key: one.make(port) for one in CONTENDERS}
        self._tokens = fairness.sign_in(self._apps)

    def compare(self, only: str | None) -> list[Comparison]:
        comparisons = []
        if only != "gunicorn":
            comparisons.append(self._in_process())
        if only != "in-process":
            runnable, _ = through_gunicorn.worker_classes()
            comparisons += [self._through_gunicorn(name) for name in runnable]
        return comparisons

    def _in_process(self) -> Comparison:
        return in_process.compare(
            self._apps,
            self._tokens,
            rounds=self._effort.rounds,
            requests=self._effort.requests,
            advance=self._advance("in process", self._effort.rounds + in_process.WARM_UP),
        )

    def _through_gunicorn(self, worker_class: str) -> Comparison:
        rounds = self._effort.gunicorn_rounds
        return through_gunicorn.compare(
            worker_class,
            self._port,
            self._tokens,
            rounds=rounds,
            load=Load(CONNECTIONS, self._effort.seconds, self._cores),
            advance=self._advance(f"gunicorn {worker_class}", rounds),
        )

    def _advance(self, setting: str, rounds: int) -> Callable[[], None]:
        task = self._progress.add_task(setting, total=rounds)
        self._progress.refresh()

        def advance() -> None:
            self._progress.advance(task)
            self._progress.refresh()

        return advance


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare one JSON view, guarded in different ways, in one run.",
    )
    parser.add_argument("--quick", action="store_true", help="about 30 s, for a first look")
    parser.add_argument("--rounds", type=positive, metavar="N", help="rounds in each setting")
    parser.add_argument("--only", choices=("in-process", "gunicorn"), help="one part of the run")
    parser.add_argument("--unpinned", action="store_true", help="let the scheduler choose cores")
    parser.add_argument(
        "--server",
        choices=[name for name, binary in BINARIES.items() if binary],
        default="redis",
        help="which server is asked (default: %(default)s)",
    )
    return parser.parse_args()


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("takes a number from 1")
    return number


def effort_of(options: argparse.Namespace) -> Effort:
    effort = QUICK if options.quick else THOROUGH
    if options.rounds is None:
        return effort
    return replace(effort, rounds=options.rounds, gunicorn_rounds=options.rounds)


def circumstances(cores: Cores, only: str | None) -> dict[str, object]:
    _, skipped = through_gunicorn.worker_classes()
    parts = {"in-process": "gunicorn", "gunicorn": "in process"}
    if only is not None:
        skipped = {**(skipped if only == "gunicorn" else {}), parts[only]: f"--only {only}"}
    return {
        "redis_over": "TCP on 127.0.0.1, one server for every row",
        "placement": cores.described,
        "skipped": skipped,
    }


def introduce(console: Console, about: Mapping[str, Any]) -> None:
    console.print(f"{about['cpu']}, {about['cores']} cores, {about['python']}, {about['os']}")
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    console.print(f"{about['server']} over {about['redis_over']}; {packages}")
    console.print(f"Placement: {about['placement']}.")
    for name, why in about["skipped"].items():
        console.print(f"Skipped: {name} ({why}).")


def progress_on(console: Console) -> Progress:
    # Drawn between rounds alone: a thread that draws would run beside what is timed.
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rounds"),
        TimeElapsedColumn(),
        console=console,
        auto_refresh=False,
    )


def report(console: Console, about: Mapping[str, Any], comparisons: Sequence[Comparison]) -> None:
    for comparison in comparisons:
        console.print(table(comparison))
    console.print("x: throughput, as a multiple of that row's in the same round; the median.")
    judged = list(judge(comparisons))
    for one in judged:
        console.print(str(one), style="green" if one.reached else "red")
    results.write(results.FOLDER / "latest.json", about, comparisons, judged)
    plot.draw(results.FOLDER / "latest.png", comparisons, about)
    console.print("Written: benchmarks/results/latest.json and latest.png")


if __name__ == "__main__":
    # Leaves through the same doors as Ctrl-C, so that no server is left behind.
    for ended in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ended, lambda number, _: sys.exit(128 + number))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except fairness.Unfair as unfair:
        sys.exit(f"Not comparable: {unfair}")
