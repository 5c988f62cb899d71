"""The model as a picture: primaries by users, memory, the near cache, the feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.plot import CAPTION, OTHERS, OURS, PLAIN
from flask_jwt_revoke.config import STRATEGIES

from .assumptions import LEASE, Assumptions
from .measured import Measured
from .model import Model
from .tables import number


def draw(path: Path, a: Assumptions, m: Measured, about: Mapping[str, object]) -> None:
    with mpl.rc_context({"font.size": 10, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(11, 8), layout="constrained")
        panels = figure.subplots(2, 2)
        _primaries(panels[0, 0], a, m)
        _memory(panels[0, 1], a, m)
        _near_cache(panels[1, 0], a, m)
        _feed(panels[1, 1], a, m)
        for axes in panels.flat:
            axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(f"Redis for {number(a.users)} users: a model", fontweight="bold")
        caption = "measured on {cpu}, {cores} cores, {server}, commit {commit}, {at}"
        figure.text(0.5, -0.01, caption.format_map(about), **CAPTION)
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=130, bbox_inches="tight", pad_inches=0.15)


def logarithmic(low: float, high: float, count: int = 60) -> list[float]:
    return [low * (high / low) ** (step / (count - 1)) for step in range(count)]


def _primaries(axes: Axes, a: Assumptions, m: Measured) -> None:
    users = logarithmic(1e5, 1e9)
    models = [Model(replace(a, users=one), m) for one in users]
    axes.plot(users, [one.primaries_by_memory() for one in models], color=OURS, label="for memory")
    axes.plot(
        users,
        [one.primaries_by_cpu() for one in models],
        color=OTHERS,
        label="for processor time",
    )
    axes.axvline(a.users, color=PLAIN, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="users", ylabel="primaries")
    axes.set_title(f"primaries, {a.strategy}, strict", loc="left", fontsize=10)
    axes.legend(frameon=False)


def _memory(axes: Axes, a: Assumptions, m: Measured) -> None:
    found = {name: Model(replace(a, strategy=name), m).memory() for name in STRATEGIES}
    left = [0.0] * len(found)
    kinds = zip(("subjects", "sessions", "revoked"), (PLAIN, OURS, OTHERS), strict=True)
    for kind, colour in kinds:
        values = [one[kind] / 1e9 for one in found.values()]
        axes.barh(list(found), values, left=left, color=colour, label=kind, height=0.6)
        left = [sum(pair) for pair in zip(left, values, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="GB of all primaries")
    axes.set_title("memory by what is kept", loc="left", fontsize=10)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)


def _near_cache(axes: Axes, a: Assumptions, m: Measured) -> None:
    spreads = logarithmic(1, max(a.processes, 2))
    single = replace(a, topology="single")
    several = replace(a, topology="cluster")
    lines = (
        (single, f"single server, lease of {LEASE:g} s", OURS),
        (several, f"cluster or Sentinel, {a.staleness:g} s", OTHERS),
    )
    for assumed, label, colour in lines:
        models = (Model(replace(assumed, spread=one), m, near=True) for one in spreads)
        axes.plot(spreads, [one.hit_share() for one in models], color=colour, label=label)
    axes.set(xscale="log", ylim=(0, 1), xlabel="processes that one user's requests reach")
    axes.set_ylabel("share of checks without Redis")
    axes.set_title(
        f"near cache, {a.requests:g} requests a second of a user", loc="left", fontsize=10
    )
    axes.legend(frameon=False)


def _feed(axes: Axes, a: Assumptions, m: Measured) -> None:
    processes = logarithmic(10, 1e5)
    models = [Model(replace(a, processes=one), m, near=True) for one in processes]
    strict = Model(a, m)
    feed = [one.cores()["feed"] for one in models]
    axes.plot(processes, feed, color=OTHERS, label="the feed")
    axes.axhline(sum(strict.cores().values()), color=OURS, label="all else, strict")
    axes.set(xscale="log", yscale="log", xlabel="processes, one listener each", ylabel="cores")
    axes.set_title("what the listeners cost Redis", loc="left", fontsize=10)
    axes.legend(frameon=False)
