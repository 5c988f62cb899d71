"""What a command prints: JSON for programs; tables, with rich in a terminal, for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from .words import neutral

_UUID = 36  # characters


def say(line: str) -> None:
    """One line of text that may come from outside."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(neutral(line).encode(encoding, "backslashreplace").decode(encoding))


def say_json(value: object) -> None:
    """One document on one line, in ASCII."""
    click.echo(json.dumps(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Cells that are None are left empty."""
    cells = [["" if cell is None else neutral(cell) for cell in row] for row in rows]
    if not (sys.stdout.isatty() and _rich_table(columns, cells)):
        _plain_table(columns, cells)


@contextmanager
def progress(label: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal; yields what moves it on."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=max(1, size), label=label, file=sys.stderr) as bar:
        yield bar.update


def _rich_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> bool:
    """Answers whether rich is there."""
    try:
        from rich import box, console, table, text  # noqa: PLC0415 - an optional dependency
    except ImportError:
        return False
    shown = table.Table(box=box.SIMPLE_HEAD)
    # A terminal is narrow: what is empty in all rows takes no room in it.
    filled = [
        place for place in range(len(columns)) if not cells or any(row[place] for row in cells)
    ]
    for place in filled:
        longest = max((len(row[place]) for row in cells), default=0)
        # An id is there to be copied, a uuid in one piece too.
        whole = min(longest, _UUID) if columns[place] == "id" else None
        shown.add_column(columns[place], overflow="fold", min_width=whole)
    for row in cells:
        # As Text, in which rich looks for no markup.
        shown.add_row(*(text.Text(row[place]) for place in filled))
    console.Console(emoji=False, highlight=False).print(shown)
    return True


def _plain_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    lines = [columns, *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(padded).rstrip())


def fields(value: object, *names: str) -> dict[str, Any]:
    """Attributes of an object, for JSON."""
    return {name: getattr(value, name) for name in names}
