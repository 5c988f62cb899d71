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
_READABLE = 8  # characters
_BETWEEN = 3  # characters, with which rich parts two columns


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
    # A terminal is narrow: what is empty in all rows takes no room in it.
    filled = [
        place for place in range(len(columns)) if not cells or any(row[place] for row in cells)
    ]
    columns, cells = _at(filled, columns), [_at(filled, row) for row in cells]
    screen = console.Console(emoji=False, highlight=False)
    if not _fits(screen.width, columns, cells):
        _by_lines(columns, cells)
        return True
    shown = table.Table(box=box.SIMPLE_HEAD)
    for name, longest in zip(columns, _longest(columns, cells), strict=True):
        # An id is there to be copied, a uuid in one piece too.
        whole = min(longest, _UUID) if name == "id" else None
        shown.add_column(name, overflow="fold", width=whole)
    for row in cells:
        # As Text, in which rich looks for no markup.
        shown.add_row(*map(text.Text, row))
    screen.print(shown)
    return True


def _at(places: Sequence[int], row: Sequence[str]) -> list[str]:
    return [row[place] for place in places]


def _longest(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(columns, *cells, strict=True)]


def _fits(width: int, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> bool:
    """Whether each column has room to be read; rich would cut off the last ones."""
    least = (
        min(longest, _UUID if name == "id" else _READABLE)
        for name, longest in zip(columns, _longest(columns, cells), strict=True)
    )
    return sum(least) + _BETWEEN * len(columns) + 1 <= width


def _by_lines(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Each cell that is not empty on a line of its own, and a free line after each row."""
    width = max(map(len, columns))
    for row in cells:
        for name, cell in zip(columns, row, strict=True):
            if cell:
                say(f"{name.ljust(width)}  {cell}")
        say("")


def _plain_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    widths = _longest(columns, cells)
    for line in (columns, *cells):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        say("  ".join(padded).rstrip())


def fields(value: object, *names: str) -> dict[str, Any]:
    """Attributes of an object, for JSON."""
    return {name: getattr(value, name) for name in names}
