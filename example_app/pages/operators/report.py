"""The doctor's report: what could lose a revocation."""

from __future__ import annotations

from collections import Counter

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from flask_jwt_revoke.doctor import NAMES, Status, examine

from ...api import revoke
from ..destinations import OPERATORS
from .admission import for_operators

_WORST_FIRST: tuple[Status, ...] = ("FAIL", "WARN", "UNKNOWN", "OK")
# They look at all keys, for seconds.
_LEFT_OUT = ("shared_database", "prefix")


def add_to(blueprint: Blueprint) -> None:
    blueprint.get(f"{OPERATORS}/doctor")(report)


@for_operators
def report() -> ResponseReturnValue:
    names = [name for name in NAMES if name not in _LEFT_OUT]
    found = examine(revoke.authority, *names, debug=current_app.debug)
    found.sort(key=lambda one: _WORST_FIRST.index(one.status))
    counts = Counter(one.status for one in found)
    return render_template(
        "operators/report.html",
        findings=found,
        counts=[(counts[one], one) for one in _WORST_FIRST],
        left_out=_LEFT_OUT,
    )
