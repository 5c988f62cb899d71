"""``flask jwt audit``: what was revoked, by whom and from where."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import click

from ..audit import Entry, newest
from ..errors import BrokenData
from ..tokens import check_id
from .group import OUTAGE, REFUSED, Failure, as_json, door, jwt
from .output import fields, say, say_json, table
from .words import moment, plural

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHOWN = ("at", "subject", "event", "reason", "what", "device", "actor", "address", "agent")
_NAMES = (
    "at", "subject", "event", "reason", "jti", "sid", "type", "kept", "device", "device_id",
    "count", "actor", "address", "agent",
)  # fmt: skip


def _since(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """A Unix time in seconds."""
    if value is None:
        return None
    ago = re.fullmatch(r"(\d{1,6})([smhdw])", value, re.ASCII)
    if ago:
        return time.time() - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()
    try:
        found = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        raise click.BadParameter("takes 90s, 15m, 2h, 7d, 4w or 2026-11-21T13:40, UTC") from None


@jwt.command()
@click.argument("subject", required=False)
@click.option(
    "--since", callback=_since, metavar="WHEN", help="From 15m, 2h or 7d ago, or a time in UTC."
)
@click.option(
    "--count", type=click.IntRange(1, 1_000_000), default=100, show_default=True,
    help="The newest of them.",
)  # fmt: skip
@as_json
@click.pass_context
def audit(
    ctx: click.Context, subject: str | None, since: float | None, count: int, as_json: bool
) -> None:
    """List what was revoked, of SUBJECT or of all, newest first.

    Takes JWT_REVOKE_AUDIT_LENGTH: without it nothing is kept.
    """
    authority = door()
    if subject is not None:
        check_id("subject", subject)
    try:
        found = list(islice(newest(authority.store, subject, since), count))
    except BrokenData:
        told = "broken_data: the trail cannot be read; flask jwt doctor says which key is not ours."
        raise Failure(told, OUTAGE) from None
    _tell(found, subject, authority.config.audit_length, as_json)
    ctx.exit(0 if found else REFUSED)


def _tell(found: list[Entry], subject: str | None, length: int | None, as_json: bool) -> None:
    if length is None:
        click.echo("Note: JWT_REVOKE_AUDIT_LENGTH is not set; nothing is being kept.", err=True)
    if as_json:
        say_json([fields(one, *_NAMES) for one in found])
    else:
        if found:
            table(_SHOWN, [_row(one) for one in found])
        say(f"{subject or 'All subjects'}: {plural(len(found), 'revocation')}.")


def _row(one: Entry) -> tuple[Any, ...]:
    device = one.device or one.device_id
    known = one.actor, one.address, one.agent
    return (moment(one.at), one.subject, one.event, one.reason, _what(one), device, *known)


def _what(one: Entry) -> str | None:
    if one.event == "token-revoked":
        # Where its issuer has told of it, nobody knows its type.
        return f"{one.type} token {one.jti}" if one.type else f"token {one.jti}"
    if isinstance(one.count, int):
        kept = f", but session {one.kept}" if one.kept else ""
        return f"{plural(one.count, 'token')}{kept}"
    return f"session {one.sid}" if one.sid else None
