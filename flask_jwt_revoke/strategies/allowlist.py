"""Allowlist: a token is live while it is in the subject's index.

One of an outside issuer is in it only once it was seen. It is judged as under blacklist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..models import Claims
from ..store import Command, Keys, Pairs, Transaction
from .blacklist import Blacklist


class Allowlist(Blacklist):
    """What is revoked has its entry too, for those who ask why, and for a lost record."""

    def question(self, keys: Keys, claims: Claims) -> tuple[Command, ...]:
        if claims.issuer is not None:
            return ()
        return (("ZSCORE", keys.tokens(claims.subject), claims.id),)

    def is_live(self, claims: Claims, answers: Sequence[Any]) -> bool:
        return answers[0] is not None

    def on_logout_everywhere(self, transaction: Transaction, tokens: Pairs, mark: str) -> None:
        transaction.unindex_all()
