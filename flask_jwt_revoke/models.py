from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

TokenType = Literal["access", "refresh"]
OnOutage = Literal["deny", "allow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The verified claims of one token (RFC 7519).

    Times are Unix times in seconds. ``session_id``, ``version`` and
    ``issued_at`` are None where an outside signer left them out; ``claims`` is
    the whole payload, the author's own claims included. ``issuer`` is the one of
    ``ISSUERS`` that signed it, and ``subject`` then begins with it.
    """

    subject: str
    id: str
    expires_at: float
    type: TokenType = "access"
    session_id: str | None = None
    version: int | None = None
    issued_at: float | None = None
    issuer: str | None = None
    fresh: bool = False
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in on one device. All times are Unix times in seconds.

    ``device`` is a label, ``device_id`` a stable id that the client sent, ``agent`` browser
    and system in short. ``refresh`` is the jti that may be exchanged, ``previous`` the one
    before it, which was exchanged at ``rotated``, ``generation`` the number of exchanges, and
    ``others`` the session's other tokens, jti to exp. ``current``: the request's own.
    ``is_broken``: its record could not be read, and nothing but its id is known.
    """

    id: str
    created: int
    last_seen: int
    ends: float
    device: str | None = None
    device_id: str | None = None
    address: str | None = None
    agent: str | None = None
    current: bool = False
    refresh: str = ""
    previous: str = ""
    rotated: float = 0
    generation: int = 0
    others: Mapping[str, float] = field(default_factory=dict)
    is_broken: bool = False

    @property
    def token_ids(self) -> list[str]:
        return [jti for jti in (self.refresh, *self.others) if jti]


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in hands out. ``expires_in`` is the access token's lifetime in seconds."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    session_id: str
    expires_in: int

    def to_dict(self) -> dict[str, str | int]:
        """The token response of RFC 6749 section 5.1."""
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
        }


class Verdict(NamedTuple):
    """What a check answers: live, or refused with a reason.

    ``because`` is the value that decided, as it stands in Redis, and ``key`` where it
    stands, for operators.
    """

    live: bool
    because: str = ""
    key: str = ""
    lost_data: bool = False


LIVE = Verdict(True)


class Origin(NamedTuple):
    """Who asked for something, and from where, as far as it is known."""

    actor: str | None = None
    address: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a signal carries. ``at`` is a Unix time in seconds.

    ``reason`` is the word that the caller or the refusal gave, ``token_id`` a jti,
    ``generation`` the number of exchanges so far, ``count`` that of tokens.

    ``actor`` is who did it, where the caller said so: an operator, an administrator.
    """

    at: float
    reason: str
    subject: str | None = None
    token_id: str | None = None
    session_id: str | None = None
    token_type: str | None = None
    device: str | None = None
    device_id: str | None = None
    generation: int | None = None
    count: int = 1
    actor: str | None = None
