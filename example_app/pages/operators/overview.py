"""What is live now, and the last hour."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from flask_jwt_revoke import survey
from flask_jwt_revoke.audit import Entries, glance

from ...api import revoke
from ..destinations import OPERATORS
from . import chart
from .admission import for_operators

# However many keys there are, a worker is held for no longer; in seconds.
PATIENCE = 0.5
MOST = 5000
_SHOWN = 10


def add_to(blueprint: Blueprint) -> None:
    blueprint.get(OPERATORS)(overview)


@for_operators
def overview() -> ResponseReturnValue:
    now = revoke.authority.clock()
    live = _live(now)
    ended, is_whole = _ended(now)
    return render_template(
        "operators/overview.html",
        live=live,
        chart=chart.drawn(now, live.began, ended),
        place=chart,
        latest=ended[:_SHOWN],
        is_whole=live.is_whole and is_whole,
    )


def _live(now: float) -> survey.Census:
    authority = revoke.authority
    scan = survey.everything(authority.store)
    return survey.census(
        scan, authority.keys, authority.config, now, lambda _: None, patience=PATIENCE
    )


def _ended(now: float) -> tuple[Entries, bool]:
    since = chart.first(now)
    return glance(revoke.authority.store, since=since, most=MOST, patience=PATIENCE)
