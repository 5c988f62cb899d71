"""``flask jwt sessions``, ``keys`` and ``stats``: what is there."""

from __future__ import annotations

from typing import Any

import click

from .. import survey
from ..models import Session
from ..store.keys import TYPES
from ..survey import Census, FoundKey
from ..tokens import check_id
from .group import REFUSED, as_json, door, jwt
from .output import fields, progress, say, say_json, table
from .words import distance, plural, since, size, span

SESSION = ("id", "device", "device_id", "address", "agent", "created", "last_seen", "ends")


@jwt.command()
@click.argument("subject")
@as_json
@click.pass_context
def sessions(ctx: click.Context, subject: str, as_json: bool) -> None:
    """List the live sessions of SUBJECT, newest first."""
    authority = door()
    found = authority.sessions(subject)
    if as_json:
        say_json([fields(one, *SESSION) for one in found])
    else:
        tell_sessions(found, authority.clock())
        say(f"{subject}: {plural(len(found), 'session')}.")
    ctx.exit(0 if found else REFUSED)


def tell_sessions(found: list[Session], now: float) -> None:
    """A table of sessions, where there are any."""
    rows = [
        (
            *(one.id, one.device, one.device_id, one.address, one.agent),
            *(distance(at, now) for at in (one.created, one.last_seen, one.ends)),
        )
        for one in found
    ]
    if rows:
        table([name.replace("_", " ") for name in SESSION], rows)


@jwt.command()
@click.argument("subject")
@as_json
@click.pass_context
def keys(ctx: click.Context, subject: str, as_json: bool) -> None:
    """List each Redis key of SUBJECT and what it means."""
    authority = door()
    scan = survey.of_subject(authority.store, check_id("subject", subject))
    with progress("Keys", scan.size) as tell:
        found = survey.keys_in(scan, authority.keys, tell)
    if as_json:
        say_json([_key_json(one, authority.clock()) for one in found])
    else:
        _tell_keys(found, authority.clock())
        say(f"{subject}: {plural(len(found), 'key')}.")
    ctx.exit(0 if found else REFUSED)


def _key_json(one: FoundKey, now: float) -> dict[str, Any]:
    names = ("key", "kind", "id", "type", "size", "items", "ttl", "value")
    return {**fields(one, *names), "meaning": _meaning(one, now)}


def _tell_keys(found: list[FoundKey], now: float) -> None:
    rows = [(one.key, one.type, _meaning(one, now), _size(one.size), _ttl(one)) for one in found]
    if rows:
        table(("key", "type", "meaning", "size", "ends"), rows)


@jwt.command()
@as_json
def stats(as_json: bool) -> None:
    """Count what is live and what is revoked, and weigh it.

    Looks at each key once, in small steps that leave Redis half of the time.
    """
    authority = door()
    scan = survey.everything(authority.store)
    with progress("Keys", scan.size) as tell:
        found = survey.census(scan, authority.keys, authority.config, authority.clock(), tell)
    if as_json:
        say_json(_census_json(found))
    else:
        _tell_census(found)


def _census_json(found: Census) -> dict[str, Any]:
    counts = ("subjects", "sessions", "tokens", "blocked", "checks_per_second")
    memory = {kind: fields(one, "count", "size") for kind, one in sorted(found.kinds.items())}
    return {**fields(found, *counts), "revoked": dict(found.revoked), "memory": memory}


def _tell_census(found: Census) -> None:
    checks = found.checks_per_second
    counts = [
        ("live subjects", found.subjects),
        ("live sessions", found.sessions),
        ("live tokens", found.tokens),
        ("blocked subjects", found.blocked),
        ("checks a second", "not told" if checks is None else f"{checks:.1f}"),
    ]
    memory = [(kind, one.count, _size(one.size)) for kind, one in sorted(found.kinds.items())]
    table(("", "count"), counts)
    say("")
    table(("revoked by reason", "entries"), found.revoked.most_common())
    say("")
    table(("kind of key", "keys", "memory"), memory)


def _meaning(one: FoundKey, now: float) -> str:
    ours = TYPES.get(one.kind, one.type)
    if one.type != ours:
        return f"not ours: a {one.type} where there would be a {ours}"
    value = since(one.value or "", now)
    match one.kind:
        case "revoked":
            return f"refuses the token or session {one.id}: {value}"
        case "blocked" | "not-before" as kind:
            signed = "" if kind == "blocked" else "'s tokens that its issuer signed by then"
            return f"refuses the subject{signed}: {value}"
        case "version" | "received" as kind:
            refuses = "refuses tokens that carry another version than"
            return f"{refuses if kind == 'version' else 'its issuer told something:'} {value}"
    return _contents(one.kind, one.items or 0)


def _contents(kind: str, items: int) -> str:
    match kind:
        case "tokens":
            return f"the index: {plural(items, 'token')} by when they expire"
        case "sessions":
            return f"the records of {plural(items, 'session')}"
    return "kept by the strategy, or by somebody else"


def _size(count: int | None) -> str:
    return "not told" if count is None else size(count)


def _ttl(one: FoundKey) -> str:
    return "never" if one.ttl is None else f"in {span(one.ttl)}"
