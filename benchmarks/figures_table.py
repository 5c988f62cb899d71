"""Figures on the console."""

from __future__ import annotations

from rich import box
from rich.table import Table

from .figures import Figures, Row


def figures_table(figures: Figures) -> Table:
    made = Table(
        title=f"{figures.setting}: {figures.how}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    made.add_column("", no_wrap=True)
    for heading in _headings(figures):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in figures.rows:
        made.add_row(row.label, *_cells(figures, row))
    return made


def _headings(figures: Figures) -> list[str]:
    spread = ["quartiles"] if _repeated(figures) else []
    compared = [f"x {figures.row(figures.against).label}"] if figures.against else []
    return [figures.unit, *spread, *compared]


def _cells(figures: Figures, row: Row) -> list[str]:
    around = "{:,.1f}-{:,.1f}".format(*row.quartiles) if row.quartiles else ""
    spread = [around] if _repeated(figures) else []
    compared = [f"{figures.times(row.key, figures.against):.2f}"] if figures.against else []
    return [f"{row.value:,.1f}", *spread, *compared]


def _repeated(figures: Figures) -> bool:
    return any(len(row.rounds) > 1 for row in figures.rows)
