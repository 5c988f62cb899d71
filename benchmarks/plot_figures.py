"""The figures as a picture, a panel for each setting, with the bars that are set on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .bars import Judged
from .figures import Figures, Row
from .plot import CAPTION, OTHERS, OURS


def draw(
    path: Path,
    figures: Sequence[Figures],
    judged: Sequence[Judged],
    about: Mapping[str, object],
) -> None:
    heights = [0.9 + len(one.rows) * 0.42 for one in figures]
    with mpl.rc_context({"font.size": 10, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(10, 0.6 + sum(heights)), layout="constrained")
        panels = figure.subplots(
            len(figures), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
        )[:, 0]
        for axes, one in zip(panels, figures, strict=True):
            _panel(axes, one, [each for each in judged if each.bar.setting == one.setting])
        figure.suptitle(
            "Data size, logging out, bytes, the near cache, importing", fontweight="bold"
        )
        caption = "{cpu}, {cores} cores, {python}, {server}, commit {commit}"
        figure.text(0.5, -0.01, caption.format_map(about), **CAPTION)
        figure.savefig(path, dpi=130, bbox_inches="tight", pad_inches=0.15)


def _panel(axes: Axes, figures: Figures, judged: Sequence[Judged]) -> None:
    rows = figures.rows
    values = [row.value for row in rows]
    bars = axes.barh(
        [row.label for row in rows],
        values,
        xerr=errors(rows) if len(rows[0].rounds) > 1 else None,
        error_kw={"ecolor": "#333333", "elinewidth": 1, "capsize": 3},
        color=[OURS if row.ours else OTHERS for row in rows],
        height=0.68,
    )
    labels = [_label(figures, row, judged) for row in rows]
    axes.bar_label(bars, labels, padding=8, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max(values) * 1.9)
    axes.set_title(f"{figures.setting} ({figures.how})", loc="left", fontsize=10)
    axes.set_xlabel(figures.unit)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def errors(rows: Sequence[Row]) -> list[list[float]]:
    spread = [(row.value, *(row.quartiles or (row.value, row.value))) for row in rows]
    return [
        [value - low for value, low, _ in spread],
        [high - value for value, _, high in spread],
    ]


def _label(figures: Figures, row: Row, judged: Sequence[Judged]) -> str:
    written = f"{row.value:,.1f} {figures.unit}"
    for one in judged:
        if one.bar.row == row.key:
            against = figures.row(one.bar.against).label if one.bar.against else figures.unit
            times = f"{one.measured:.2f} x {against}; " if one.bar.against else ""
            written += f"  ({times}promised: at most {one.bar.at_most:g}{' x' if times else ''})"
    return written
