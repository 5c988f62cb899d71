from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks import machine
from benchmarks.__main__ import progress_on
from benchmarks.fairness import Unfair
from benchmarks.results import FOLDER
from tests.servers import BINARIES, Server

from . import load, measure, plot, tables
from .assumptions import Assumptions, add_options, of_options
from .measured import Measured

LAST, PICTURE = FOLDER / "scale.json", FOLDER / "scale.png"


def main() -> None:
    options, a = arguments()
    console = Console() if sys.stdout.isatty() else Console(width=120)
    if options.last:
        about, measured = read(LAST)
        source = f"measured {about['at']}, the last run"
        found = None
    else:
        about, measured, found = run(console, options)
        write(LAST, about, measured)
        console.print(f"Written into benchmarks/results: {LAST.name}")
        source = "measured in this run"
    report(console, about, a, measured, source)
    if found is not None:
        report_load(console, found)
    plot.draw(PICTURE, a, measured, about)
    console.print(f"Written into benchmarks/results: {PICTURE.name}")


def arguments() -> tuple[argparse.Namespace, Assumptions]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description="What so many users ask of Redis: memory, commands, nodes, messages; from"
        " bytes and microseconds that are measured first. Then the same load against one and"
        " three primaries.",
    )
    parser.add_argument("--last", action="store_true", help="measure nothing: as the last run did")
    parser.add_argument("--no-load", action="store_true", help="the model alone")
    parser.add_argument(
        "--server",
        choices=[name for name, binary in BINARIES.items() if binary],
        default="redis",
        help="which server is measured (default: %(default)s)",
    )
    add_options(parser)
    options = parser.parse_args()
    try:
        return options, of_options(options)
    except ValueError as error:
        parser.error(str(error))


def run(
    console: Console, options: argparse.Namespace
) -> tuple[dict[str, Any], Measured, load.Found | None]:
    binary = BINARIES[options.server]
    assert binary is not None
    with closing(Server(binary)) as server, server.client() as client:
        about = machine.described(client)
    with progress_on(console) as progress:
        measured = measure.measure(binary, steps(progress, "bytes and µs", measure.STEPS))
        if options.no_load:
            return about, measured, None
        found = load.load(binary, steps(progress, "1 and 3 primaries", load.STEPS))
    return about, measured, found


def steps(progress: Progress, name: str, total: int) -> Any:
    task = progress.add_task(name, total=total)
    progress.refresh()

    def advance() -> None:
        progress.advance(task)
        progress.refresh()

    return advance


def read(path: Path) -> tuple[dict[str, Any], Measured]:
    if not path.exists():
        raise SystemExit("There is no last run: leave out --last.")
    found = json.loads(path.read_text())
    return found, Measured.from_dict(found["measured"])


def write(path: Path, about: dict[str, Any], measured: Measured) -> None:
    path.parent.mkdir(exist_ok=True)
    found = {**about, "measured": measured.to_dict()}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def report(
    console: Console, about: dict[str, Any], a: Assumptions, measured: Measured, source: str
) -> None:
    console.print(
        f"{about['cpu']}, {about['cores']} cores, {about['server']}, {about['python']};"
        f" load average before: {about['load_average_before']:.1f}",
        highlight=False,
    )
    console.print(tables.measured_table(measured, a.strategy, source))
    console.print(tables.measured_lines(measured, a.strategy), highlight=False)
    console.print(tables.assumptions_lines(a), highlight=False)
    console.print()
    console.print(tables.model_table(a, measured))
    for name, model in tables.compared(a, measured).items():
        if not model.fits():
            label = name.replace("\n", ", ")
            console.print(f"Too much for one primary ({label}): {a.topology} is not enough.")


def report_load(console: Console, found: load.Found) -> None:
    console.print(tables.load_table(found))
    console.print(tables.migration_lines(found), highlight=False)
    console.print(
        f"{load.CLIENTS} clients and all servers share {os.cpu_count()} cores here, so three"
        " primaries do not answer three times as much: what the model scales by is µs of a core.",
        highlight=False,
    )


if __name__ == "__main__":
    # Leaves through the same doors as Ctrl-C, so that no server is left behind.
    for ended in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ended, lambda number, _: sys.exit(128 + number))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Unfair as unfair:
        sys.exit(f"Cannot be measured: {unfair}")
