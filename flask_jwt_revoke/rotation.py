"""The exchange of a refresh token for a new pair (RFC 9700 section 4.14.2)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import NamedTuple

from .config import Config
from .errors import ExpiredToken, ReusedToken, RevokedToken, TokenRefused
from .models import Claims, Session
from .pairs import Pair
from .sessions import SessionRules
from .tokens import new_id, own_claims

# An access token beyond these is still ended with its session, but not taken off the index.
_MOST_OTHERS = 32


class Exchange(NamedTuple):
    """What a refresh token is exchanged for. ``repeated``: it was exchanged just before."""

    session: Session
    pair: Pair
    repeated: bool = False


class Ended(NamedTuple):
    """No exchange: the session ends, and ``error`` is the answer."""

    session: Session
    error: TokenRefused
    reused: bool = False


class Rotation(NamedTuple):
    """One exchange. It names its successors first, so that running it again is the same one."""

    spent: Claims
    now: float
    config: Config
    refresh_id: str

    @classmethod
    def of(cls, spent: Claims, now: float, config: Config) -> Rotation:
        # In milliseconds, as the record keeps it, so that a repeat computes the same dates.
        return cls(spent, int(now * 1000) / 1000, config, new_id())

    def decide(self, session: Session | None) -> Exchange | Ended:
        """``session`` is the record as it stands; None where Redis lost it.

        :raises RevokedToken: the record is lost, and ``ON_LOST_DATA`` is deny.
        """
        if session is not None and session.is_broken:
            return Ended(session, RevokedToken())
        if session is None or not session.refresh:
            session = self._found_again(session)
        if session.refresh == self.spent.id:
            return self._exchange(session)
        if session.previous == self.spent.id and self._in_grace(session):
            return self._again(session)
        return Ended(session, ReusedToken(), reused=True)

    def _found_again(self, known: Session | None) -> Session:
        """A lost session, begun anew with the token that names it."""
        if self.config.on_lost_data == "deny":
            raise RevokedToken()
        bare = known or Session(
            id=self.spent.session_id or "",
            created=int(self.spent.issued_at or self.now),
            last_seen=int(self.now),
            ends=self.spent.expires_at,
        )
        return replace(bare, refresh=self.spent.id)

    def _in_grace(self, session: Session) -> bool:
        # Another server, whose clock may differ, may have made the exchange.
        return self.now < session.rotated + self.config.refresh_grace + self.config.leeway

    def _exchange(self, session: Session) -> Exchange | Ended:
        rules = SessionRules(self.config)
        if rules.is_idle(session, self.now):
            return Ended(session, ExpiredToken("The session was idle for too long."))
        if rules.is_too_old(session, self.now):
            return Ended(session, ExpiredToken("The session has reached its end."))
        refresh_exp = rules.refresh_expiry(session.created, self.now)
        access_exp = rules.access_expiry(session.created, self.now)
        pair = self._pair(self.refresh_id, access_exp, refresh_exp, self.now)
        others = rules.unexpired(session.others, self.now) | {pair.access.id: access_exp}
        rotated = replace(
            session,
            last_seen=int(self.now),
            ends=max(session.ends, refresh_exp, *others.values()),
            refresh=self.refresh_id,
            previous=self.spent.id,
            rotated=self.now,
            generation=session.generation + 1,
            others=dict(list(others.items())[-_MOST_OTHERS:]),
        )
        return Exchange(rotated, pair)

    def _again(self, session: Session) -> Exchange:
        """The same claims, to be signed again: no token is kept."""
        rules, then = SessionRules(self.config), session.rotated
        access_exp = rules.access_expiry(session.created, then)
        refresh_exp = rules.refresh_expiry(session.created, then)
        pair = self._pair(session.refresh, access_exp, refresh_exp, then)
        return Exchange(session, pair, repeated=True)

    def _pair(self, refresh_id: str, access_exp: float, refresh_exp: float, issued: float) -> Pair:
        shared = replace(
            self.spent, issued_at=int(issued), fresh=False, claims=own_claims(self.spent)
        )
        return Pair(
            access=replace(shared, type="access", id=_access_id(refresh_id), expires_at=access_exp),
            refresh=replace(shared, id=refresh_id, expires_at=refresh_exp),
        )


def _access_id(refresh_id: str) -> str:
    """The jti of the access token beside a refresh token, so that none need be kept."""
    digest = hashlib.sha256(b"access:" + refresh_id.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
