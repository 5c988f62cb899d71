"""The comparisons as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .apps import CONTENDERS, Contender
from .measures import Comparison

AXIS = "µs per request, median and quartiles of the rounds; in brackets: throughput compared"
CAPTION = {"ha": "center", "va": "top", "fontsize": 8, "color": "#555555"}
OURS, NEAR, OTHERS = "#1f6f8b", "#5aa9a3", "#c8553d"
PLAIN, RAW = "#b8bec4", "#8f979e"


def draw(path: Path, comparisons: Sequence[Comparison], about: Mapping[str, object]) -> None:
    with mpl.rc_context({"font.size": 10, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(10, 1.0 + 2.1 * len(comparisons)), layout="constrained")
        panels = figure.subplots(len(comparisons), 1, squeeze=False)[:, 0]
        for axes, comparison in zip(panels, comparisons, strict=True):
            _panel(axes, comparison)
        panels[-1].set_xlabel(AXIS)
        figure.suptitle("One JSON view, guarded in different ways", fontweight="bold")
        caption = "{cpu}, {cores} cores, {python}, {server} over TCP, commit {commit}"
        figure.text(0.5, -0.01, caption.format_map(about), **CAPTION)
        figure.savefig(path, dpi=130, bbox_inches="tight", pad_inches=0.15)


def _panel(axes: Axes, comparison: Comparison) -> None:
    keys = [one.key for one in CONTENDERS]
    medians = [comparison.us(key) for key in keys]
    spread = [comparison.quartiles(key) for key in keys]
    errors = [
        [us - low for us, (low, _) in zip(medians, spread, strict=True)],
        [high - us for us, (_, high) in zip(medians, spread, strict=True)],
    ]
    bars = axes.barh(
        [one.label for one in CONTENDERS],
        medians,
        xerr=errors,
        error_kw={"ecolor": "#333333", "elinewidth": 1, "capsize": 3},
        color=[colour(one) for one in CONTENDERS],
        height=0.68,
    )
    axes.bar_label(bars, [_label(comparison, key) for key in keys], padding=8, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max(high for _, high in spread) * 1.7)
    axes.set_title(f"{comparison.setting} ({comparison.how})", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def colour(contender: Contender) -> str:
    if not contender.revocable:
        return RAW if contender.key == "raw" else PLAIN
    if contender.key == "extended":
        return OTHERS
    return NEAR if contender.key == "near" else OURS


def _label(comparison: Comparison, key: str) -> str:
    us = comparison.us(key)
    written = f"{us:.0f} µs, {1e6 / us:,.0f}/s"
    if key in ("bare", "raw", "extended"):
        return f"{written}  ({comparison.throughput(key, 'bare'):.2f} x no auth)"
    return (
        f"{written}  ({comparison.throughput(key, 'bare'):.2f} x no auth,"
        f" {comparison.throughput(key, 'extended'):.2f} x flask-jwt-extended)"
    )
