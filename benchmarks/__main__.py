from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import fields, replace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.servers import BINARIES, Server, free_ports

from . import (
    data_size,
    fairness,
    generators,
    machine,
    plot,
    plot_data_size,
    plot_figures,
    plot_workers,
    results,
    through_gunicorn,
)
from .bars import Judged, judge
from .cores import Cores
from .figures import Figures
from .figures_table import figures_table
from .measures import Comparison
from .run import PARTS, QUICK, THOROUGH, Effort, Run
from .table import table

CONNECTIONS = 16  # more than a worker has threads, so that requests wait for each other
WRITTEN = ("latest.json", "latest.png", "workers.png", "data-size.png", "figures.png")


def main() -> None:
    options = arguments()
    effort = effort_of(options)
    # A log file has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    cores = Cores(pinned=not options.unpinned)
    parts = PARTS if options.only is None else (options.only,)
    binary = BINARIES[options.server]
    (port,) = free_ports(1)
    with ExitStack() as stack:
        server = stack.enter_context(closing(Server(binary, port=port)))
        with server.client() as client:
            about = machine.described(client)
        about |= circumstances(cores, parts)
        introduce(console, about)
        progress = stack.enter_context(progress_on(console))
        run = Run(
            effort,
            binary,
            port,
            connections=options.connections,
            cores=cores,
            progress=progress,
        )
        comparisons = run.requests(parts)
        figures = run.figures(parts)
    judged = list(judge([*comparisons, *figures], about["server"]))
    report(console, comparisons, figures, judged)
    keep(console, about, comparisons, figures, judged)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare one JSON view, guarded in different ways; time logging out"
        " everywhere; count the bytes in Redis; see what its data size, the near cache,"
        " metrics and the import cost. All in one run.",
    )
    parser.add_argument("--quick", action="store_true", help="two minutes, for a first look")
    parser.add_argument("--rounds", type=positive, metavar="N", help="rounds in each setting")
    parser.add_argument("--only", choices=PARTS, help="one part of the run")
    parser.add_argument(
        "--connections",
        type=positive,
        default=CONNECTIONS,
        metavar="N",
        help="to each gunicorn (default: %(default)s)",
    )
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
    counted = [one.name for one in fields(effort) if one.name.endswith("rounds")]
    return replace(effort, **dict.fromkeys(counted, options.rounds))


def circumstances(cores: Cores, parts: Collection[str]) -> dict[str, object]:
    _, skipped = through_gunicorn.worker_classes() if "gunicorn" in parts else ((), {})
    if "gunicorn" in parts and not shutil.which("wrk"):
        skipped["wrk"] = "it is not installed; our own loop sends the load"
    left_out = [part for part in PARTS if part not in parts]
    if left_out:
        skipped[", ".join(left_out)] = f"--only {parts[0]}"
    return {
        "load": generators.generator(),
        "redis_over": "TCP on 127.0.0.1, one server for all requests",
        "placement": cores.described,
        "skipped": skipped,
    }


def introduce(console: Console, about: Mapping[str, Any]) -> None:
    console.print(f"{about['cpu']}, {about['cores']} cores, {about['python']}, {about['os']}")
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    console.print(f"{about['server']} over {about['redis_over']}; {packages}; {about['load']}")
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


def report(
    console: Console,
    comparisons: Sequence[Comparison],
    figures: Sequence[Figures],
    judged: Sequence[Judged],
) -> None:
    for comparison in comparisons:
        console.print(table(comparison))
    if comparisons:
        console.print("x: throughput, as a multiple of that row's in the same round; the median.")
    for one in figures:
        console.print(figures_table(one))
    for one in judged:
        console.print(str(one), style="green" if one.reached else "red")


def keep(
    console: Console,
    about: Mapping[str, Any],
    comparisons: Sequence[Comparison],
    figures: Sequence[Figures],
    judged: Sequence[Judged],
) -> None:
    """All of this run, and nothing of the one before."""
    latest = {name: results.FOLDER / name for name in WRITTEN}
    for path in latest.values():
        path.unlink(missing_ok=True)
    results.write(latest["latest.json"], about, comparisons, figures, judged)
    if comparisons:
        plot.draw(latest["latest.png"], comparisons, about)
    by_worker = [one for one in comparisons if one.setting.startswith("gunicorn")]
    if by_worker:
        plot_workers.draw(latest["workers.png"], by_worker, about)
    if figures:
        plot_figures.draw(latest["figures.png"], figures, judged, about)
    for one in figures:
        if one.setting == data_size.DATA_SIZE:
            plot_data_size.draw(latest["data-size.png"], one, about)
    written = ", ".join(name for name, path in latest.items() if path.exists())
    console.print(f"Written into benchmarks/results: {written}")


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
