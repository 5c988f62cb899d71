"""``flask jwt why``: the check of one token, step by step."""

from __future__ import annotations

from typing import IO, Any

import click

from ..errors import RevokedToken
from ..explanation import Explanation
from .group import REFUSED, as_json, door, jwt
from .output import fields, say, say_json, table
from .presented import presented, read
from .words import distance, moment, since

_MEANINGS = {
    "no version": "Redis has no version of this subject, so it lost data",
    "version begun anew": "Redis lost the version that it was issued under, and began another",
    "no session": "Redis has no record of this session, so it lost data",
    "no refresh token": "the record of this session names no refresh token",
    "spent": "this refresh token has been exchanged for another",
    "not in the index": "the token is not in the subject's index",
}
_EXCHANGES = {
    "new pair": "it is answered with a new pair",
    "same pair again": "it is answered with the same pair again, in the grace window",
    "reused": "refused, and the session ends: a second use",
    "expired": "refused: the session was idle for too long, or is too old",
    "revoked": "refused: Redis lost the session",
}


@jwt.command()
@presented
@as_json
@click.pass_context
def why(ctx: click.Context, token: str | None, file: IO[bytes] | None, as_json: bool) -> None:
    """Walk through the check of TOKEN, and name what decided.

    Expired, foreign and malformed tokens are explained too. Without TOKEN, or with -, it is
    read from standard input. The exit code is 0 for a live token, 1 for a refused one.
    """
    authority = door()
    found = authority.explain(read(token, file))
    if as_json:
        say_json(_json(found))
    else:
        _tell(found, authority.clock())
    ctx.exit(0 if found.live else REFUSED)


def _json(found: Explanation) -> dict[str, Any]:
    names = ("subject", "id", "session_id", "type", "issued_at", "expires_at", "version")
    return {
        **fields(found, "live", "reason", "because", "key", "exchange"),
        "token": None if found.claims is None else fields(found.claims, *names),
        "unverified": dict(found.says) if found.claims is None else None,
        "steps": [fields(one, "name", "outcome", "found", "key") for one in found.steps],
    }


def _tell(found: Explanation, now: float) -> None:
    rows = [(one.name, one.outcome, since(one.found or "", now), one.key) for one in found.steps]
    table(("step", "outcome", "found", "key"), rows)
    say(_of_whom(found, now))
    say(_verdict(found, now))
    if found.exchange is not None:
        say(f"Exchanged now: {_EXCHANGES.get(found.exchange, found.exchange)}.")


def _of_whom(found: Explanation, now: float) -> str:
    token = found.claims
    if token is None:
        said = ", ".join(f"{name} {value}" for name, value in found.says.items())
        return f"Unverified, it says: {said or 'nothing that can be read'}."
    session = f", session {token.session_id}" if token.session_id else ""
    expires = f"expires {moment(token.expires_at)}, {distance(token.expires_at, now)}"
    return f"{token.type} token {token.id} of {token.subject}{session}; {expires}."


def _verdict(found: Explanation, now: float) -> str:
    because = _MEANINGS.get(found.because, since(found.because, now)).rstrip(".")
    if not found.live:
        return f"Refused, {found.reason}: {because}{_at_key(found)}."
    return f"Live, by JWT_REVOKE_ON_LOST_DATA: {because}." if because else "Live."


def _at_key(found: Explanation) -> str:
    if not found.key:
        return ""
    if found.reason == RevokedToken.reason:
        return f" ({found.key})"
    return f"; and it would be refused at {found.key}"
