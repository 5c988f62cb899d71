"""``flask jwt revoke``, ``logout``, ``block`` and ``unblock``: refuse from now on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import IO, Any

import click

from ..authority import Authority
from ..ledger import Choose, of_device, only, other_than
from .group import REFUSED, USAGE, Failure, actor, as_json, door, dry_run, jwt, reason
from .looking import SESSION, tell_sessions
from .output import fields, say, say_json
from .presented import presented, read
from .words import distance, plural


@jwt.command()
@presented
@reason
@actor
@dry_run
@as_json
def revoke(token: str | None, file: IO[bytes] | None, as_json: bool, **how: Any) -> None:
    """Refuse TOKEN from now on, and no other token.

    Without TOKEN, or with -, it is read from standard input.
    """
    authority = door()
    claims = authority.verify(read(token, file))
    if claims.type == "access" and "access" not in authority.config.checked_types:
        told = "access tokens end by expiring here (JWT_REVOKE_CHECKED_TYPES); nothing was done."
        raise Failure(told, REFUSED)
    if not how["dry_run"]:
        authority.revoke(claims, reason=how["reason"], actor=how["actor"])
    if as_json:
        names = ("subject", "id", "session_id", "type", "expires_at")
        say_json({**fields(claims, *names), **how})
        return
    expires = f"expires {distance(claims.expires_at, authority.clock())}"
    done = f"revoked {claims.type} token {claims.id} of {claims.subject}, which {expires}"
    _say_done(done, how["dry_run"])


@jwt.command()
@click.argument("subject")
@click.option("--session", metavar="SID", help="End this session alone.")
@click.option("--device", metavar="ID", help="End the sessions of this device_id.")
@click.option("--others", metavar="SID", help="End all sessions but this one.")
@reason
@actor
@dry_run
@as_json
def logout(
    subject: str,
    session: str | None,
    device: str | None,
    others: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """End all sessions of SUBJECT, or those that an option names."""
    if sum(one is not None for one in (session, device, others)) > 1:
        raise Failure("Give one of --session, --device and --others.", USAGE)
    authority = door()
    authority.check_subject(subject)
    listed = authority.sessions(subject)
    if others is not None and not only(others)(listed):
        raise Failure(f"{subject} has no session {others}; nothing was done.", REFUSED)
    choose, end = _choice(authority, subject, session, device, others)
    chosen = choose(listed)
    if not chosen and (session is not None or device is not None):
        raise Failure(f"{subject} has no such session; nothing was done.", REFUSED)
    if not how["dry_run"]:
        end(reason=how["reason"], actor=how["actor"])
    if as_json:
        say_json({"subject": subject, "sessions": [fields(one, *SESSION) for one in chosen], **how})
        return
    tell_sessions(chosen, authority.clock())
    _say_done(f"ended {plural(len(chosen), 'session')} of {subject}", how["dry_run"])


def _choice(
    authority: Authority,
    subject: str,
    session: str | None,
    device: str | None,
    others: str | None,
) -> tuple[Choose, Callable[..., object]]:
    """Which sessions an option means, and the verb that ends them."""
    if session is not None:
        return only(session), partial(authority.end_listed, subject, session)
    if device is not None:
        return of_device(device), partial(authority.logout_device, subject, device)
    if others is not None:
        return other_than(others), partial(authority.logout_others, subject, keep=others)
    return list, partial(authority.logout_everywhere, subject)


@jwt.command()
@click.argument("subject")
@reason
@actor
@dry_run
@as_json
def block(subject: str, as_json: bool, **how: Any) -> None:
    """Refuse each token of SUBJECT, and each sign-in, until it is unblocked."""
    authority = door()
    authority.check_subject(subject)
    if not how["dry_run"]:
        authority.block(subject, reason=how["reason"], actor=how["actor"])
    if as_json:
        say_json({"subject": subject, **how})
    else:
        _say_done(f"blocked {subject}", how["dry_run"])


@jwt.command()
@click.argument("subject")
@actor
@dry_run
@as_json
def unblock(subject: str, as_json: bool, **how: Any) -> None:
    """Let SUBJECT sign in again. What was revoked stays so."""
    authority = door()
    was_blocked = (
        authority.is_blocked(subject)
        if how["dry_run"]
        else authority.unblock(subject, actor=how["actor"])
    )
    if not was_blocked:
        raise Failure(f"{subject} is not blocked.", REFUSED)
    if as_json:
        say_json({"subject": subject, **how})
    else:
        _say_done(f"unblocked {subject}", how["dry_run"])


def _say_done(what: str, dry_run: bool) -> None:
    say(f"Would have {what}; nothing was changed." if dry_run else f"{what[0].upper()}{what[1:]}.")
