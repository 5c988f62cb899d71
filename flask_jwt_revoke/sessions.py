"""Sessions: one sign-in on one device, kept as a compact record in the subject's hash."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .config import Config
from .errors import TooManySessions
from .models import Claims, Session

log = logging.getLogger("flask_jwt_revoke")

#: Characters of a label that are kept, and that a device_id may have.
MAX_TEXT = 128


def dump(session: Session) -> str:
    """The record: a JSON array whose first ten digits are ``last_seen``.

    ``[last_seen, created, ends, refresh, {other jti: exp}, device, device_id, address,
    agent, previous, rotated, generation]``, without what is empty at its end.
    """
    one = session
    fields = [
        one.last_seen, one.created, one.ends, one.refresh, one.others,
        one.device or 0, one.device_id or 0, one.address or 0, one.agent or 0,
        one.previous or 0, one.rotated, one.generation,
    ]  # fmt: skip
    while not fields[-1]:
        fields.pop()
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def load(sid: str, record: str) -> Session:
    """The session of a record; one that ``is_broken`` where somebody else has written it."""
    fields = _fields(record)
    if fields is None:
        log.warning("The record of session %r cannot be read: it counts as ended", sid)
        return Session(id=sid, created=0, last_seen=0, ends=0, is_broken=True)
    seen, created, ends, refresh, others, device, device_id, address, agent, *rest = fields
    previous, rotated, generation = rest
    return Session(
        id=sid,
        created=created,
        last_seen=seen,
        ends=ends,
        refresh=refresh or "",
        previous=previous or "",
        rotated=rotated,
        generation=generation,
        others=others or {},
        device=device or None,
        device_id=device_id or None,
        address=address or None,
        agent=agent or None,
    )


def _fields(record: str) -> list[Any] | None:
    """All twelve; None where one of them is not what ``dump`` writes."""
    try:
        fields = json.loads(record)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, list) or not _FEWEST <= len(fields) <= len(_CHECKS):
        return None
    fields += [0] * (len(_CHECKS) - len(fields))
    sound = all(is_one(field) for is_one, field in zip(_CHECKS, fields, strict=True))
    return fields if sound else None


def _is_number(value: object) -> bool:
    # Neither true, nor infinite, nor no number at all.
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME
    )


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return value == 0
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character is JSON, and cannot be written again
        return False
    return True


def _are_others(value: object) -> bool:
    if not isinstance(value, dict):
        return value == 0
    return all(_is_text(jti) and _is_number(exp) for jti, exp in value.items())


_FEWEST = 3
_CHECKS = (*[_is_number] * 3, _is_text, _are_others, *[_is_text] * 5, *[_is_number] * 2)
_END_OF_TIME = 253402300800  # the year 10000


def begun_by(token: Claims, now: float) -> Session:
    """The session of a token that somebody else signed."""
    sid, seen = token.session_id or "", int(now)
    return Session(id=sid, created=seen, last_seen=seen, ends=token.expires_at)


class SessionRules:
    """What the configuration says of sessions."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def is_over(self, session: Session, now: float) -> bool:
        return (
            session.is_broken
            or self.has_expired(session, now)
            or self.is_idle(session, now)
            or self.is_too_old(session, now)
        )

    def has_expired(self, session: Session, now: float) -> bool:
        """Whether all of its tokens have."""
        return session.ends + self.config.leeway <= now

    def is_idle(self, session: Session, now: float) -> bool:
        idle = self.config.session_idle_timeout
        return idle is not None and session.last_seen + idle + self.config.leeway <= now

    def is_too_old(self, session: Session, now: float) -> bool:
        lifetime = self.config.session_lifetime
        return lifetime is not None and session.created + lifetime <= now

    def unexpired(self, tokens: Mapping[str, float], now: float) -> dict[str, float]:
        return {jti: exp for jti, exp in tokens.items() if exp + self.config.leeway > now}

    def joined(self, session: Session, token: Claims, now: float) -> Session:
        """A session with one more token, and without those that have expired."""
        # At the front: the last of the others is the newest access token.
        others = {token.id: token.expires_at, **session.others}
        ends = max(session.ends, token.expires_at)
        return replace(session, ends=ends, others=self.unexpired(others, now))

    def refresh_expiry(self, created: float, now: float) -> int:
        return int(self._capped(created, now + self.config.refresh_lifetime))

    def access_expiry(self, created: float, now: float) -> int:
        return int(self._capped(created, now + self.config.access_lifetime))

    def _capped(self, created: float, until: float) -> float:
        lifetime = self.config.session_lifetime
        return until if lifetime is None else min(until, created + lifetime)

    def displaced(self, live: Iterable[Session], device_id: str | None) -> list[Session]:
        """Which sessions a sign-in ends: the same device's, and the oldest over the limit.

        :raises TooManySessions: the limit is reached and the configuration says refuse.
        """
        by_age = sorted(live, key=lambda one: (one.created, one.id))
        same = [one for one in by_age if device_id is not None and one.device_id == device_id]
        kept = [one for one in by_age if one not in same]
        limit = self.config.max_sessions
        excess = 0 if limit is None else max(0, len(kept) + 1 - limit)
        if excess and self.config.on_max_sessions == "refuse":
            raise TooManySessions()
        return same + kept[:excess]


def check_text(name: str, value: object) -> str | None:
    """:raises ValueError: not a string that can be kept and shown."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not valid Unicode") from None
    return value[:MAX_TEXT] or None


def check_device_id(value: object) -> str | None:
    """:raises ValueError: not a string of at most 128 characters."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"device_id must be at most {MAX_TEXT} characters long")
    return check_text("device_id", value)


class LastSeen:
    """When this process may write again that a session was seen. Bounded, in memory."""

    INTERVAL = 60  # seconds
    MOST = 10_000

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def is_due(self, sid: str, now: float) -> bool:
        if now < self._next.get(sid, 0):
            return False
        if len(self._next) >= self.MOST:
            self._next.clear()
        self._next[sid] = now + self.INTERVAL
        return True
