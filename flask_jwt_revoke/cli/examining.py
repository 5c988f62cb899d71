"""``flask jwt doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

from collections import Counter

import click
from flask import current_app

from ..doctor import Finding, Status, examine
from .group import REFUSED, as_json, door, jwt
from .output import fields, say, say_json, table

_STATUSES: tuple[Status, ...] = ("FAIL", "WARN", "UNKNOWN", "OK")


@jwt.command()
@click.argument("line", nargs=-1)
@as_json
@click.pass_context
def doctor(ctx: click.Context, line: tuple[str, ...], as_json: bool) -> None:
    """Look for what could lose a revocation, or let pass what should not.

    All lines, or each LINE that is named. What could not be looked at is UNKNOWN. The exit
    code is 1 where a line says FAIL.
    """
    # Here it is what FLASK_DEBUG says, whatever the app says of itself where it serves.
    found = examine(door(), *line, debug=current_app.debug or None)
    for name in sorted(set(line) - {one.name for one in found}):
        click.echo(f"Note: {name} does not apply here.", err=True)
    if as_json:
        say_json([fields(one, "name", "status", "found", "remedy", "where") for one in found])
    else:
        _tell(found)
    ctx.exit(REFUSED if any(one.status == "FAIL" for one in found) else 0)


def _tell(found: list[Finding]) -> None:
    worst_first = sorted(found, key=lambda one: _STATUSES.index(one.status))
    in_cluster = any(one.where for one in found)
    columns = ("status", "line", *(("where",) if in_cluster else ()), "found", "remedy")
    table(columns, [_row(one, in_cluster) for one in worst_first])
    counts = Counter(one.status for one in found)
    say(", ".join(f"{counts[status]} {status}" for status in _STATUSES) + ".")


def _row(one: Finding, in_cluster: bool) -> tuple[object, ...]:
    where = (" ".join(one.where),) if in_cluster else ()
    return (one.status, one.name, *where, one.found, one.remedy)
