"""Throughput by worker kind and mode, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from .apps import CONTENDERS
from .measures import Comparison
from .plot import CAPTION, colour

WIDTH = 0.16  # of the room between two worker kinds


def draw(path: Path, comparisons: Sequence[Comparison], about: Mapping[str, object]) -> None:
    with mpl.rc_context({"font.size": 10, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(10, 5), layout="constrained")
        axes = figure.subplots()
        for number, contender in enumerate(CONTENDERS):
            shift = (number - (len(CONTENDERS) - 1) / 2) * WIDTH
            bars = axes.bar(
                [place + shift for place in range(len(comparisons))],
                [1e6 / one.us(contender.key) for one in comparisons],
                WIDTH * 0.92,
                label=contender.label,
                color=colour(contender),
            )
            axes.bar_label(bars, [_p99(one, contender.key) for one in comparisons], fontsize=7)
        axes.set_xticks(range(len(comparisons)), [one.setting for one in comparisons])
        axes.set_ylabel("requests per second, median of the rounds; above: p99")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle("Throughput by worker kind and mode", fontweight="bold")
        caption = "{cpu}, {cores} cores, {python}, {server} over TCP, load by {load}"
        figure.text(0.5, -0.01, caption.format_map(about), **CAPTION)
        figure.savefig(path, dpi=130, bbox_inches="tight", pad_inches=0.15)


def _p99(comparison: Comparison, key: str) -> str:
    return f"{(comparison.latency(key, 'p99') or 0) / 1000:.1f} ms"
