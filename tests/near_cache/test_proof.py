"""Promise 10, held against real workers and a real server while both are broken on purpose.

``python -m tests.near_cache`` prints the same as a table, for as many checks as you like.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from .faults import FAULTS
from .judge import Row, table, total
from .stage import PAST, Plan, Stage, staged

CHECKS = 40_000
#: Under each fault at least, however short its time is.
EACH = 500
STALENESS = 0.3
#: Seconds. Faults take the time that they take; more checks in it would show no more.
REST = 0.12

#: After these no listener's connection is the one that it was.
ENDS_CONNECTIONS = (
    "listener cut", "listener half-open", "everything cut", "output buffer overflowed",
    "CLIENT KILL", "Redis restarted",
)  # fmt: skip


def run(stage: Stage, *names: str, checks: int) -> list[Row]:
    rows = [stage.run(name, FAULTS[name], checks // len(names)) for name in names]
    sys.stdout.write(table(rows) + "\n")
    return rows


def plan(*, rest: float = REST, **options: Any) -> Plan:
    return Plan(staleness=STALENESS, rest=rest, **options)


def liar(lie: str) -> Plan:
    """One process, with one checker, is enough to lie."""
    return plan(lie=lie, kinds=("sync",), rest=REST / 4)


@pytest.mark.timeout(400)
def test_promise_10_no_acceptance_past_the_bound_under_any_fault() -> None:
    with staged(plan()) as stage:
        rows = run(stage, *FAULTS, checks=EACH * len(FAULTS))
        # A busy machine has more left to look at.
        rows += run(stage, "none", checks=max(EACH, CHECKS - total(rows).checks))
    assert total(rows).violations == []
    assert total(rows).checks >= CHECKS
    # A cache that is never used, before or after the faults, would prove nothing.
    assert all(row.cached > row.checks / 4 for row in (rows[0], rows[-1]))
    assert all(row.past >= PAST and row.ended > 0 for row in rows)
    assert all(row.subscribed > 0 for row in rows if row.fault in ENDS_CONNECTIONS)


def test_promise_1_without_a_near_cache_the_bound_is_zero() -> None:
    with staged(plan(near=False, kinds=("gthread", "gevent"))) as stage:
        rows = run(stage, "none", "everything cut", "Redis restarted", checks=1_500)
    assert total(rows).violations == []
    assert total(rows).cached < total(rows).checks / 100


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        ("hoarder", "none"),
        ("truster", "listener half-open, from Redis"),
        ("late", "listener too slow"),
    ],
)
def test_the_harness_catches_a_liar(lie: str, fault: str) -> None:
    with staged(liar(lie)) as stage:
        # Two of the lies show under a fault that comes upon who listens.
        *_, caught = run(stage, *dict.fromkeys(("none", fault)), checks=600)
    assert any("past the bound" in each for each in caught.violations)


def test_the_harness_catches_a_false_refusal() -> None:
    with staged(liar("refuser")) as stage:
        # One of 100 is refused: none of 1,500 live ones would be so once in a million runs.
        (row,) = run(stage, "none", checks=2_000)
    assert any("refused while live" in each for each in row.violations)
