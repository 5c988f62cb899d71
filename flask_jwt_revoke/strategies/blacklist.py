"""Blacklist (also called blocklist or denylist): a revoked token has an entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..models import LIVE, Claims, Verdict
from ..sessions import Session
from ..store import Keys, Pairs, Transaction


class Blacklist:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def on_issue(self, transaction: Transaction, tokens: Sequence[Claims]) -> None:
        transaction.index({token.id: token.expires_at for token in tokens})

    def question(self, claims: Claims) -> tuple[str, ...]:
        keys, subject = self._keys, claims.subject
        command = ["MGET", keys.revoked(subject, claims.id)]
        if claims.session_id is not None:
            command.append(keys.revoked(subject, claims.session_id))
        if claims.version is not None:
            command.append(keys.version(subject))
        return tuple(command)

    def verdict(self, claims: Claims, answer: Any) -> Verdict:
        marks, version = answer, None
        if claims.version is not None:
            *marks, version = answer
        for mark in marks:
            if mark is not None:
                return Verdict(False, because=_text(mark))
        if claims.version is None:
            return LIVE
        if version is None:
            return Verdict(False, because="no version", lost_data=True)
        if int(version) != claims.version:
            return Verdict(False, because=f"version {int(version)}, not {claims.version}")
        return LIVE

    def on_revoke(self, transaction: Transaction, claims: Claims, mark: str) -> None:
        transaction.revoke(claims.id, mark, claims.expires_at)
        transaction.unindex([claims.id])

    def on_logout(self, transaction: Transaction, session: Session, mark: str) -> None:
        transaction.revoke(session.id, mark, session.ends)
        transaction.unindex(session.tokens)

    def on_logout_everywhere(self, transaction: Transaction, tokens: Pairs, mark: str) -> None:
        transaction.revoke_all(tokens, mark)


def _text(mark: bytes | str) -> str:
    return mark.decode() if isinstance(mark, bytes) else mark
