"""The model, what it stands on, and the load, on the console."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace

from rich import box
from rich.table import Table

from flask_jwt_revoke.config import STRATEGIES

from .assumptions import Assumptions
from .crowded import CONNECTIONS
from .load import Deployment, Found
from .measured import CHECK, VERBS, Measured
from .model import Model

Row = tuple[str, str]  # label and value


def table(title: str, headings: Iterable[str]) -> Table:
    made = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    made.add_column("", no_wrap=True)
    for heading in headings:
        made.add_column(heading, justify="right", no_wrap=True)
    return made


def measured_table(m: Measured, strategy: str, source: str) -> Table:
    made = table(
        f"one call, {strategy}: {source}",
        ("commands", "round\ntrips", "µs\nexecuting", "µs\nof a core", "bytes\nin", "bytes\nout",
         "bytes to\na replica"),
    )  # fmt: skip
    for verb in VERBS:
        one = m.costs[strategy][verb]
        made.add_row(
            verb,
            f"{one.commands:.0f}",
            f"{one.round_trips:.0f}",
            f"{one.execution_us:.1f}",
            f"{one.cpu_us:.0f}",
            f"{one.bytes_in:,.0f}",
            f"{one.bytes_out:,.0f}",
            f"{one.replicated:,.0f}",
        )
    return made


def measured_lines(m: Measured, strategy: str) -> str:
    kept, feed = m.kept[strategy], m.feed
    return (
        f"A check among {CONNECTIONS} at once: {m.crowded_us:.1f} µs of a core."
        f" Memory: {kept.subject:.0f} bytes a subject, {kept.session:.0f} a session,"
        f" {kept.revoked:.0f} a revoked id.\n"
        f"A message: {feed.publish_us:.0f} µs to publish, {feed.delivery_us:.1f} for each listener,"
        f" {feed.bus_us:.0f} and {feed.bus_bytes:,.0f} bytes from node to node."
    )


def assumptions_lines(a: Assumptions) -> str:
    given = ((one.name, getattr(a, one.name)) for one in fields(a))
    written = (f"{name} {'all' if value is None else number(value)}" for name, value in given)
    return "Assumed: " + ", ".join(written) + "."


def number(value: float | str) -> str:
    """Short for people: 3.2k, 90M."""
    if isinstance(value, str):
        return value
    if math.isinf(value):
        return "none is enough"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def model_table(a: Assumptions, m: Measured) -> Table:
    """Strict and near cache under the strategy that was chosen; the others strict."""
    models = compared(a, m)
    made = table(f"{number(a.users)} users at peak", models)
    columns = [rows(model) for model in models.values()]
    for cells in zip(*columns, strict=True):
        made.add_row(cells[0][0], *(text for _, text in cells))
    return made


def compared(a: Assumptions, m: Measured) -> dict[str, Model]:
    others = [name for name in STRATEGIES if name != a.strategy]
    return {
        f"{a.strategy}\nstrict": Model(a, m),
        f"{a.strategy}\nnear cache": Model(a, m, near=True),
        f"{a.strategy}\nspread 1": Model(replace(a, spread=1.0), m),
        f"{a.strategy}\nnear, spread 1": Model(replace(a, spread=1.0), m, near=True),
        **{f"{name}\nstrict": Model(replace(a, strategy=name), m) for name in others},
    }


def rows(model: Model) -> list[Row]:
    return [*memory_rows(model), *call_rows(model), *node_rows(model), *feed_rows(model)]


def memory_rows(model: Model) -> list[Row]:
    kinds = model.memory()
    each = [(f"memory, {kind}", f"{number(size)}B") for kind, size in kinds.items()]
    return [*each, ("memory of all primaries", f"{number(sum(kinds.values()))}B")]


def call_rows(model: Model) -> list[Row]:
    return [
        ("checks that a process answers itself", f"{model.hit_share():.1%}"),
        *((f"{verb} / s", number(rate)) for verb, rate in model.rates().items()),
        ("Redis commands / s", number(sum(model.commands().values()))),
        ("µs of a core for a check", f"{model.busy_us(CHECK):.0f}"),
        ("cores busy, as fast as this one", number(sum(model.cores().values()))),
    ]


def node_rows(model: Model) -> list[Row]:
    primaries = model.primaries()
    return [
        ("primaries for memory", number(model.primaries_by_memory())),
        ("primaries for processor time", number(model.primaries_by_cpu())),
        ("nodes, with replicas", number(model.nodes())),
        ("Redis commands / s, a primary", number(sum(model.commands().values()) / primaries)),
        ("in, a primary", f"{number(model.bytes_in() / primaries)}B/s"),
        ("out, a primary", f"{number(model.bytes_out() / primaries)}B/s"),
        ("to replicas, a primary", f"{number(model.replicated() / primaries)}B/s"),
    ]


def feed_rows(model: Model) -> list[Row]:
    messages = model.messages()
    handed = messages * model.a.processes / model.primaries()
    return [
        ("messages / s, to each listener", number(messages)),
        ("bytes / s, to each listener", number(messages * model.a.message)),
        ("messages handed to listeners / s, a primary", number(handed)),
        ("bus, into each node", f"{number(model.bus_bytes())}B/s"),
    ]


def load_table(found: Found) -> Table:
    made = table(
        "the same load, interleaved rounds: 94% checks, 3% exchanges, 1.5% sign-ins, 1.5% log-outs",
        ("calls\n/ s", "check\np50 µs", "clients'\nµs / call", "servers'\nµs / call",
         "of which\nexecuting", "trips\n/ check", "commands\nby node", "keys\nby node",
         "MOVED,\ncross-slot"),
    )  # fmt: skip
    for one in found.deployments:
        made.add_row(*_load_row(one, found))
    return made


def _load_row(one: Deployment, found: Found) -> Sequence[str]:
    checks = found.checks[one.label].cost

    def median(value: Callable[..., float]) -> float:
        return statistics.median(value(each) for each in one.rounds)

    commands = [sum(each.nodes[n].commands for each in one.rounds) for n in range(len(one.servers))]
    return (
        one.label,
        f"{median(lambda each: each.each_second):,.0f}",
        f"{median(lambda each: each.p50_us):,.0f}",
        f"{median(lambda each: each.client_us):,.0f}",
        f"{median(lambda each: each.cost.cpu_us):.0f}",
        f"{median(lambda each: each.cost.execution_us):.1f}",
        f"{checks.round_trips:.2f}",
        _by_node(commands),
        _by_node(found.keys[one.label]),
        f"{sum(each.whole.moved for each in one.rounds):.0f},"
        f" {sum(each.whole.cross_slot for each in one.rounds):.0f}",
    )


def _by_node(values: Sequence[float]) -> str:
    return " ".join(map(number, values))


def migration_lines(found: Found) -> str:
    moving, after = found.moving, found.after
    whole = moving.whole
    return (
        f"{found.slots} slots with keys moved to another primary under this load:"
        f" {moving.calls:,} calls met {whole.moved:.0f} MOVED, {whole.ask:.0f} ASK and"
        f" {whole.try_again:.0f} TRYAGAIN; {moving.done['outage']} ended as an outage,"
        f" {moving.done['refused']} were refused.\n"
        f"The same load afterwards: {after.calls:,} calls, {after.whole.moved:.0f} MOVED,"
        f" {after.done['outage']} outages, {after.done['refused']} refused."
    )
