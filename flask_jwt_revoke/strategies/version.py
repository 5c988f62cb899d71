"""Version: nothing is kept for a token; logging out everywhere takes one command."""

from __future__ import annotations

from collections.abc import Sequence

from ..models import Claims
from ..store import Transaction
from .blacklist import Blacklist


class Version(Blacklist):
    """A single token or session is ended as under blacklist."""

    has_index = False

    def on_issue(self, transaction: Transaction, tokens: Sequence[Claims]) -> None:
        # Raising the version does nothing to a token of an outside signer.
        outside = [token for token in tokens if token.version is None]
        if outside:
            super().on_issue(transaction, outside)
