"""A pair: the access and the refresh token of one session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from .models import Claims, Session, TokenPair
from .sessions import SessionRules
from .tokens import Tokens, check_id, new_id


class Pair(NamedTuple):
    """Claims that are not signed yet, since the version that they carry is read last."""

    access: Claims
    refresh: Claims

    @property
    def both(self) -> tuple[Claims, Claims]:
        return self.access, self.refresh

    def held_by(self, session: Session) -> Session:
        """A session with these tokens alone."""
        others = {self.access.id: self.access.expires_at}
        ends = max(session.ends, self.refresh.expires_at, self.access.expires_at)
        return replace(session, refresh=self.refresh.id, others=others, ends=ends)

    def signed(self, tokens: Tokens, version: int | None) -> TokenPair:
        return TokenPair(
            access=tokens.sign(replace(self.access, version=version)),
            refresh=tokens.sign(replace(self.refresh, version=version)),
            session_id=self.access.session_id or "",
            expires_in=int(self.access.expires_at - (self.access.issued_at or 0)),
        )


def mint(
    subject: str,
    session: Session,
    now: float,
    rules: SessionRules,
    *,
    claims: Mapping[str, Any] | None,
    fresh: bool,
) -> Pair:
    """:raises ValueError: the subject cannot be used."""
    access = Claims(
        subject=check_id("subject", subject),
        id=new_id(),
        session_id=session.id,
        version=0,
        issued_at=int(now),
        expires_at=rules.access_expiry(session.created, now),
        fresh=fresh,
        claims=dict(claims or {}),
    )
    expires_at = rules.refresh_expiry(session.created, now)
    refresh = replace(access, id=new_id(), type="refresh", fresh=False, expires_at=expires_at)
    return Pair(access, refresh)
