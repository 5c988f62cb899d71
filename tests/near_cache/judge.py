"""The judgement: which acceptance came too late, and which refusal too early."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .population import Token

ACCEPTED, REFUSED, UNAVAILABLE = 200, 401, 503


class Check(NamedTuple):
    """One check; ``began`` and ``answered`` are monotonic, in seconds.

    ``bound`` is in seconds after the verb had returned.
    """

    token: Token
    began: float
    answered: float
    status: int
    bound: float
    kind: str
    pid: int


@dataclass
class Row:
    """What came of the checks under one fault.

    ``past`` counts the checks that began past the bound, ``subscribed`` how often a listener
    subscribed. ``latest`` is the last acceptance, in seconds after the verb had returned.
    """

    fault: str
    checks: int = 0
    unavailable: int = 0
    asked: int = 0
    past: int = 0
    ended: int = 0
    subscribed: int = 0
    latest: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def cached(self) -> int:
        return max(0, self.checks - self.asked)


def judge(row: Row, checks: Sequence[Check], story: Sequence[str]) -> None:
    """Count the checks into ``row``; the ``story`` goes with each violation."""
    for check in checks:
        if not was_answered(check):
            row.unavailable += 1
            continue
        row.checks += 1
        row.past += is_past(check)
        if check.status == ACCEPTED:
            row.latest = max(row.latest, age(check))
        wrong = wrong_with(check)
        if wrong is not None:
            row.violations.append("\n".join([wrong, *trace(check, checks), *story]))


def wrong_with(check: Check) -> str | None:
    token, by = check.token, f"by {check.kind} {check.pid}"
    if check.status not in (ACCEPTED, REFUSED):
        return f"answered {check.status}, {by}"
    if check.status == ACCEPTED and is_past(check):
        after = (age(check) - check.bound) * 1000
        return f"accepted {after:.1f} ms past the bound of {check.bound:g} s, {by}"
    if check.status == REFUSED and (token.ending is None or check.answered < token.ending):
        return f"refused while live, {by}, at {check.answered:.4f}"
    return None


def was_answered(check: Check) -> bool:
    return check.status != UNAVAILABLE


def is_past(check: Check) -> bool:
    return age(check) > check.bound


def age(check: Check) -> float:
    """How long before the check its token had ended, in seconds; 0 if it had not."""
    ended = check.token.ended
    return 0.0 if ended is None else max(0.0, check.began - ended)


def trace(check: Check, checks: Iterable[Check]) -> list[str]:
    """What the same process answered about this token around then; monotonic times."""
    token = check.token
    same = [each for each in checks if each.token is token and each.pid == check.pid]
    nearest = sorted(same, key=lambda each: abs(each.began - check.began))[:8]
    return [
        f"  {token.subject} {token.session_id}: {token.verb} {token.ending} to {token.ended}",
        *(f"  {each.began:.4f} {each.status}" for each in sorted(nearest, key=lambda one: one[1])),
    ]


HEAD = (
    "fault", "checks", "cached", "asked", "503", "subscribed", "ended", "past", "latest ms",
    "violations",
)  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    cells = [HEAD, *(_cells(row) for row in rows), _cells(total(rows))]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def total(rows: Sequence[Row]) -> Row:
    whole = Row("all", latest=max(row.latest for row in rows))
    for row in rows:
        whole.checks += row.checks
        whole.unavailable += row.unavailable
        whole.asked += row.asked
        whole.past += row.past
        whole.subscribed += row.subscribed
        whole.ended += row.ended
        whole.violations += row.violations
    return whole


def _cells(row: Row) -> tuple[str, ...]:
    counts = (
        row.checks, row.cached, row.asked, row.unavailable, row.subscribed, row.ended, row.past,
    )  # fmt: skip
    latest, wrong = f"{row.latest * 1000:.1f}", f"{len(row.violations):,}"
    return (row.fault, *(f"{count:,}" for count in counts), latest, wrong)
