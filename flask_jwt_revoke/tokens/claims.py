"""The claims of a payload: what each may be, and the bounds of all (RFC 7519)."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from ..errors import MalformedToken, MissingClaim, WrongAudience
from ..models import Claims

#: The author's claims may not carry these names.
RESERVED = frozenset(
    ("sub", "jti", "sid", "iat", "exp", "nbf", "iss", "aud", "type", "ver", "fresh")
)
#: Bytes. A token travels in a header, and servers refuse longer header lines.
MAX_TOKEN = 8190
#: Bytes of UTF-8 in a subject, jti or sid: each becomes part of a key.
MAX_ID = 256
#: Lists and objects inside one another. Copying and writing what is deeper ends the stack.
MAX_DEPTH = 32
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
_SAID = ("alg", "kid", "iss", "sub", "jti", "sid", "type", "iat", "exp")
_END_OF_TIME = 253402300800  # the year 10000; Redis refuses TTLs far beyond


def new_id() -> str:
    """128 random bits, base64url."""
    return secrets.token_urlsafe(16)


def check_id(name: str, value: object) -> str:
    """:raises ValueError: not a string of 1 to 256 bytes of UTF-8."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not valid Unicode") from None
    if not 1 <= size <= MAX_ID:
        raise ValueError(f"{name} must be 1 to {MAX_ID} bytes long, got {size}")
    return value


def own_claims(claims: Claims) -> dict[str, Any]:
    """The author's claims among all."""
    return {name: value for name, value in claims.claims.items() if name not in RESERVED}


def unverified(token: str) -> dict[str, str]:
    """What a token says of itself, true or not, for people who look at it. Never a key."""
    found: dict[str, str] = {}
    for part in token[:MAX_TOKEN].split(".")[:2]:
        try:
            named = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except (ValueError, RecursionError):
            continue
        for name in _SAID if isinstance(named, dict) else ():
            if isinstance(named.get(name), str | int | float):
                found.setdefault(name, str(named[name])[:MAX_ID])
    return found


def claims_of(payload: object, substitute_id: str | None = None) -> Claims:
    """Read a payload whose signature is vouched for.

    ``substitute_id`` stands in for a jti that is not there.

    :raises MissingClaim: no exp, jti or sub.
    :raises MalformedToken: a claim of the wrong kind.
    """
    if not isinstance(payload, Mapping):
        raise MalformedToken()
    payload = {name: _timestamp(value) for name, value in payload.items()}
    if substitute_id is not None and "jti" not in payload:
        payload = {**payload, "jti": substitute_id}
    for name in ("exp", "jti", "sub"):
        if payload.get(name) is None:
            raise MissingClaim(f"The token lacks the claim {name}.")
    return Claims(
        subject=id_of(payload, "sub"),
        id=id_of(payload, "jti"),
        session_id=id_of(payload, "sid") if "sid" in payload else None,
        expires_at=date_of(payload, "exp"),
        issued_at=date_of(payload, "iat") if "iat" in payload else None,
        type=_type(payload),
        version=_version(payload),
        fresh=payload.get("fresh") is True,
        claims=MappingProxyType(dict(payload)),
    )


def digest_id(token: str) -> str:
    """A digest of what is signed; the signature has more than one spelling."""
    return "sha256-" + hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def dumps(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()


def loads(payload: bytes) -> object:
    try:
        found = _DECODER.decode(payload.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedToken() from error
    if _is_too_deep(found):
        raise MalformedToken()
    return found


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    # 1e999 is JSON, but what it is read as could not be signed again.
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
)


def id_of(payload: Mapping[str, Any], name: str) -> str:
    try:
        return check_id(f"The claim {name}", payload[name])
    except ValueError as error:
        raise MalformedToken(f"{error}.") from None


def date_of(payload: Mapping[str, Any], name: str) -> float:
    value = payload[name]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < _END_OF_TIME
    ):
        raise MalformedToken(f"The claim {name} is not a date.")
    return value


def _timestamp(value: Any) -> Any:
    # PyJWT takes a datetime for a date, and so may an author who hands in the same claims.
    return value.timestamp() if isinstance(value, datetime) else value


def _type(payload: Mapping[str, Any]) -> Any:
    # An outside signer that knows no types signs access tokens.
    type = payload.get("type", "access")
    if type not in ("access", "refresh"):
        raise MalformedToken("The claim type is neither access nor refresh.")
    return type


def _version(payload: Mapping[str, Any]) -> int | None:
    # Other issuers have a ver of their own; ours stands beside these, and never with nbf.
    if not {"ver", "sid", "type", "fresh"} <= payload.keys() or "nbf" in payload:
        return None
    version = payload["ver"]
    if isinstance(version, bool) or not isinstance(version, int):
        raise MalformedToken("The claim ver is not an integer.")
    return version


def check_audience(audience: object, accepted: Collection[str] | None) -> None:
    """:raises WrongAudience: none of those accepted is named."""
    named = [audience] if isinstance(audience, str) else audience
    if named is None and accepted is None:
        return
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise WrongAudience()
    # RFC 7519 section 4.1.3: who is not named in aud must refuse.
    if not set(named).intersection(accepted or ()):
        raise WrongAudience()
