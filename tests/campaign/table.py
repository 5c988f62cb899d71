"""The rows of a campaign on the console, as wide as a terminal of 120 columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .run import Row

Column = tuple[str, Callable[[Row], object]]


def _ms(kind: str) -> Callable[[Row], object]:
    return lambda row: f"{row.slowest.get(kind, 0) * 1000:.0f}"


def _count(name: str) -> Callable[[Row], object]:
    return lambda row: row.counts[name]


COLUMNS: tuple[Column, ...] = (
    ("fault", lambda row: row.fault),
    ("strikes", lambda row: row.strikes),
    ("tries", _count("tries")),
    ("outages", _count("outages")),
    ("acknowledged", _count("acknowledged")),
    ("lost", _count("lost")),
    ("signed out", _count("signed out")),
    ("wrong", _count("wrong")),
    ("crashed", _count("crashed")),
    ("slowest check", _ms("check")),
    ("late", _count("late checks")),
    ("slowest other", _ms("write")),
    ("late", _count("late writes")),
    ("leaks", lambda row: len(row.leaks)),
)


def table(rows: Sequence[Row]) -> str:
    cells = [[str(cell(row)) for _, cell in COLUMNS] for row in rows if not row.skipped]
    heads = [name.split(" ") for name, _ in COLUMNS]
    lines = [[head[0] for head in heads], [" ".join(head[1:]) for head in heads], *cells]
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS))]
    return "\n".join(_line(line, widths) for line in lines)


def is_sound(row: Row) -> bool:
    """What is lost where a fault may lose it is told, and no fault of ours."""
    return not (row.counts["wrong"] or row.counts["late checks"] or row.leaks or row.failed)


def details(row: Row) -> list[str]:
    """What the numbers do not say."""
    if row.skipped:
        return [f"{row.fault}: not tried, {row.skipped}"]
    leaks = [f"left over: {each}" for each in row.leaks]
    return [f"{row.fault} (seed {row.seed}): {each}" for each in (*row.findings, *leaks)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others])
