"""Blacklist (also called blocklist or denylist): a revoked token has an entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..models import Claims, Session
from ..store import Command, Keys, Pairs, Transaction


class Blacklist:
    has_index = True

    def on_issue(self, transaction: Transaction, tokens: Sequence[Claims]) -> None:
        transaction.index({token.id: token.expires_at for token in tokens})

    def question(self, keys: Keys, claims: Claims) -> tuple[Command, ...]:
        return ()

    def is_live(self, claims: Claims, answers: Sequence[Any]) -> bool:
        return True

    def on_revoke(self, transaction: Transaction, claims: Claims, mark: str) -> None:
        transaction.revoke(claims.id, mark, claims.expires_at)
        transaction.unindex([claims.id])

    def on_logout(self, transaction: Transaction, session: Session, mark: str) -> None:
        transaction.revoke(session.id, mark, session.ends)
        transaction.unindex(session.token_ids)

    def on_logout_everywhere(self, transaction: Transaction, tokens: Pairs, mark: str) -> None:
        transaction.revoke_all(tokens, mark)
