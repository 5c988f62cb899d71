"""Whose keys there are: others' in the same database, and others' under our prefix."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..authority import Authority
from ..store import text
from ..store.inspection import Server
from ..store.keys import OTHERS, TYPES
from ..store.scan import Work
from .finding import Judgement, fail, ok, unknown, warn

_LONGEST = 5.0  # seconds
_STEP = "500"
_SHOWN = 3

_OURS = TYPES | OTHERS
_FOREIGN, _INTRUDING, _OWN = "foreign", "intruding", "a strategy's own"


@dataclass(slots=True)
class Keyspace:
    """``is_whole``: each key was looked at."""

    size: int
    looked_at: int = 0
    foreign: list[str] = field(default_factory=list)
    intruders: list[str] = field(default_factory=list)
    mistyped: list[str] = field(default_factory=list)
    is_whole: bool = False


def keyspace(authority: Authority, server: Server) -> Keyspace:
    """Look at all keys, gently, for a few seconds.

    :raises Unanswered: the user may not.
    """
    found = Keyspace(int(server.ask("DBSIZE")))
    until = time.monotonic() + _LONGEST
    for names in _steps(server):
        found.looked_at += len(names)
        _sort(found, authority, server, names)
        if time.monotonic() > until:
            return found
    found.is_whole = True
    return found


def _steps(server: Server) -> Iterator[list[str]]:
    cursor: Any = None
    while cursor != 0:
        work = Work()
        with work.of_redis():
            found, names = server.ask("SCAN", str(cursor or 0), "COUNT", _STEP)
        cursor = int(found)
        yield [_readable(name) for name in names]
        work.rest()


def _sort(found: Keyspace, authority: Authority, server: Server, names: list[str]) -> None:
    kinds = {name: _kind(authority, name) for name in names}
    found.foreign += [name for name, kind in kinds.items() if kind == _FOREIGN]
    found.intruders += [name for name, kind in kinds.items() if kind == _INTRUDING]
    ours = [name for name, kind in kinds.items() if kind in _OURS]
    types = server.ask_all([("TYPE", name) for name in ours])
    for name, type in zip(ours, types, strict=True):
        if text(type) not in (_OURS[kinds[name]], "none"):
            found.mistyped.append(name)


def _kind(authority: Authority, name: str) -> str:
    prefix = f"{authority.keys.prefix}:"
    if not name.startswith(prefix):
        return _FOREIGN
    parts = authority.keys.parts(name)
    if parts is None:
        return authority.keys.other(name) or _INTRUDING
    if parts[1] in TYPES:
        return parts[1]
    return _INTRUDING if isinstance(authority.config.strategy, str) else _OWN


def shared_database(found: Keyspace) -> Judgement:
    if found.foreign:
        return warn(
            f"{len(found.foreign)} of {found.looked_at} keys are not ours"
            f" ({_some(found.foreign)}): whoever empties the database empties it for both",
            "use a server, or at least a database, of its own",
        )
    return _whole(found, f"none of {found.looked_at} keys")


def prefix(found: Keyspace) -> Judgement:
    if found.mistyped:
        remedy = "another program writes them: give one of the two another JWT_REVOKE_KEY_PREFIX"
        return fail(f"keys of another type than ours: {_some(found.mistyped)}", remedy)
    if found.intruders:
        return warn(
            f"{len(found.intruders)} keys under the prefix are not ours"
            f" ({_some(found.intruders)}): both users may change them",
            "give one of the two another prefix, neither of which begins the other",
        )
    return _whole(found, f"none of {found.looked_at} keys collides")


def _whole(found: Keyspace, said: str) -> Judgement:
    if found.is_whole:
        return ok(said)
    return unknown(f"{said} that were looked at, of {found.size}", "look with redis-cli --bigkeys")


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _readable(name: Any) -> str:
    return name if isinstance(name, str) else bytes(name).decode("utf-8", "backslashreplace")
