"""The judgement: which acceptance came too late, and which refusal too early."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .population import Token

ACCEPTED, REFUSED = 200, 401


class Check(NamedTuple):
    """One check; ``began`` and ``answered`` are monotonic, in seconds. ``by``: kind and pid."""

    token: Token
    began: float
    answered: float
    status: int
    by: str


@dataclass
class Row:
    """What came of the checks under one fault. ``latest`` is in seconds after the verb."""

    fault: str
    checks: int = 0
    unavailable: int = 0
    asked: int = 0
    late: int = 0
    ended: int = 0
    reconnects: int = 0
    latest: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def cached(self) -> int:
        return max(0, self.checks + self.unavailable - self.asked)


def judge(row: Row, checks: Sequence[Check], bound: float, story: Sequence[str]) -> None:
    """Count the checks into ``row``; ``bound`` is in seconds after the verb had returned."""
    for check in checks:
        if check.status not in (ACCEPTED, REFUSED):
            row.unavailable += 1
            continue
        row.checks += 1
        since = age(check)
        row.late += since > bound
        if check.status == ACCEPTED:
            row.latest = max(row.latest, since)
        wrong = fault_of(check, since, bound)
        if wrong:
            row.violations.append("\n".join([wrong, *trace(check, checks), *story]))


def age(check: Check) -> float:
    """How long before the check its token had ended, in seconds; 0 if it had not."""
    ended = check.token.ended
    return 0.0 if ended is None else max(0.0, check.began - ended)


def fault_of(check: Check, since: float, bound: float) -> str | None:
    token = check.token
    if check.status == ACCEPTED and since > bound:
        return f"accepted {since * 1000:.1f} ms after {token.verb} had returned, by {check.by}"
    if check.status == REFUSED and (token.ending is None or check.answered < token.ending):
        return f"refused while live, by {check.by}, at {check.answered:.4f}"
    return None


def trace(check: Check, checks: Iterable[Check]) -> list[str]:
    """What the same workers answered about this token; monotonic times."""
    token = check.token
    same = [each for each in checks if each.token is token and each.by == check.by]
    nearest = sorted(same, key=lambda each: abs(each.began - check.began))[:8]
    return [
        f"  {token.subject} {token.session_id}: {token.verb} {token.ending} to {token.ended}",
        *(f"  {each.began:.4f} {each.status}" for each in sorted(nearest, key=lambda one: one[1])),
    ]


HEAD = ("fault", "checks", "cached", "asked", "503", "ended", "past", "latest", "wrong")


def table(rows: Sequence[Row]) -> str:
    """``past`` counts the checks past the bound; ``latest`` is in milliseconds."""
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
        whole.late += row.late
        whole.ended += row.ended
        whole.violations += row.violations
    return whole


def _cells(row: Row) -> tuple[str, ...]:
    counts = (row.checks, row.cached, row.asked, row.unavailable, row.ended, row.late)
    latest, wrong = f"{row.latest * 1000:.1f}", f"{len(row.violations):,}"
    return (row.fault, *(f"{count:,}" for count in counts), latest, wrong)
