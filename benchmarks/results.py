"""The run as JSON, each round of it, so that other questions can be asked later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from .apps import CONTENDERS
from .bars import Judged
from .figures import Figures
from .measures import Comparison
from .table import AGAINST

FOLDER = Path(__file__).parent / "results"


def write(
    path: Path,
    about: Mapping[str, object],
    comparisons: Iterable[Comparison],
    figures: Iterable[Figures],
    judged: Iterable[Judged],
) -> None:
    found = {
        **about,
        "bars": [
            {**asdict(one.bar), "measured": round(one.measured, 3), "reached": one.reached}
            for one in judged
        ],
        "settings": [*map(_setting, comparisons), *map(_figures, figures)],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _setting(comparison: Comparison) -> dict[str, object]:
    return {
        "setting": comparison.setting,
        "how": comparison.how,
        "rows": {one.key: {"label": one.label, **_row(comparison, one.key)} for one in CONTENDERS},
    }


def _row(comparison: Comparison, key: str) -> dict[str, object]:
    rounds = comparison.rounds[key]
    latencies = {
        name: [round(getattr(one, name), 1) for one in rounds]
        for name in ("p50", "p99")
        if comparison.latency(key, name) is not None
    }
    return {
        "us_per_request": round(comparison.us(key), 2),
        "quartiles_us": [round(one, 2) for one in comparison.quartiles(key)],
        "throughput_against": {
            against: round(comparison.throughput(key, against), 3) for against in AGAINST
        },
        "rounds_us": [round(one.us, 2) for one in rounds],
        **{f"rounds_{name}_us": values for name, values in latencies.items()},
    }


def _figures(figures: Figures) -> dict[str, object]:
    return {
        "setting": figures.setting,
        "how": figures.how,
        "unit": figures.unit,
        "rows": {
            row.key: {
                "label": row.label,
                "value": round(row.value, 2),
                "percentile": row.percent,
                "quartiles": [round(one, 2) for one in row.quartiles or ()],
                "rounds": [round(one, 2) for one in row.rounds],
            }
            for row in figures.rows
        },
    }
