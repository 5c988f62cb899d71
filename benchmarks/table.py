"""The comparisons on the console."""

from __future__ import annotations

from rich import box
from rich.table import Table

from .apps import CONTENDERS, Contender
from .measures import Comparison

#: Rows that the others are compared with.
AGAINST = {"bare": "no\nauth", "extended": "ext-\nended", "raw": "raw\nMGET"}


def table(comparison: Comparison) -> Table:
    made = Table(
        title=f"{comparison.setting}: {comparison.how}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),  # it fits into 80 columns
    )
    made.add_column("", no_wrap=True)
    for heading in ("µs/req", "quartiles", "req/s"):
        made.add_column(heading, justify="right", no_wrap=True)
    with_latency = comparison.latency(CONTENDERS[0].key, "p50") is not None
    if with_latency:
        made.add_column("p50\nms", justify="right", no_wrap=True)
        made.add_column("p99\nms", justify="right", no_wrap=True)
    for name in AGAINST.values():
        made.add_column(f"x {name}", justify="right", no_wrap=True)
    for contender in CONTENDERS:
        made.add_row(*_row(comparison, contender, with_latency))
    return made


def _row(comparison: Comparison, contender: Contender, with_latency: bool) -> list[str]:
    key = contender.key
    us = comparison.us(key)
    low, high = comparison.quartiles(key)
    latencies = (
        [f"{(comparison.latency(key, name) or 0) / 1000:.2f}" for name in ("p50", "p99")]
        if with_latency
        else []
    )
    ratios = [f"{comparison.throughput(key, against):.2f}" for against in AGAINST]
    return [
        contender.short,
        f"{us:.1f}",
        f"{low:.0f}-{high:.0f}",
        f"{1e6 / us:,.0f}",
        *latencies,
        *ratios,
    ]
