"""The protocol: what a strategy writes on issue, reads for a check, writes on a revoke."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ..models import Claims, Verdict
from ..sessions import Session
from ..store import Pairs, Transaction


class Strategy(Protocol):
    """Every write is queued on a transaction of the token's subject.

    The version is not a strategy's business on issue: it is begun and read for every
    token. A check is one command, hence one round trip.
    """

    def on_issue(self, transaction: Transaction, tokens: Sequence[Claims]) -> None: ...

    def question(self, claims: Claims) -> tuple[str, ...]:
        """The Redis command whose answer decides about a token."""
        ...

    def verdict(self, claims: Claims, answer: Any) -> Verdict: ...

    def on_revoke(self, transaction: Transaction, claims: Claims, mark: str) -> None: ...

    def on_logout(self, transaction: Transaction, session: Session, mark: str) -> None: ...

    def on_logout_everywhere(self, transaction: Transaction, tokens: Pairs, mark: str) -> None: ...
