"""The latency of a check against data size, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from .figures import Figures
from .plot import CAPTION, OTHERS, OURS
from .plot_figures import errors

COLOURS = {"p50": OURS, "p99": OTHERS}


def draw(path: Path, figures: Figures, about: Mapping[str, object]) -> None:
    with mpl.rc_context({"font.size": 10, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        axes = figure.subplots()
        for name, colour in COLOURS.items():
            rows = [row for row in figures.rows if row.key.endswith(name)]
            values = [row.value for row in rows]
            sizes = [row.label.partition(":")[0].replace(", ", "\n") for row in rows]
            axes.errorbar(
                sizes, values, errors(rows), label=name, color=colour, marker="o", capsize=3
            )
            for place, value in enumerate(values):
                beside = {"xytext": (8, 6), "textcoords": "offset points", "fontsize": 9}
                axes.annotate(f"{value:,.0f}", (place, value), **beside)
        axes.set_yscale("log")
        axes.set_ylim(10, axes.get_ylim()[1] * 2)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylabel("µs per check, median and quartiles of the rounds")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle("A strict check, by what Redis holds", fontweight="bold")
        caption = "{cpu}, {cores} cores, {python}, {server} over TCP, commit {commit}"
        figure.text(0.5, -0.01, caption.format_map(about), **CAPTION)
        figure.savefig(path, dpi=130, bbox_inches="tight", pad_inches=0.15)
