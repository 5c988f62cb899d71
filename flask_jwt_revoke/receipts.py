"""What issuers have told us: each message is acted upon once, though it is sent again."""

from __future__ import annotations

from collections.abc import Callable

from .errors import Outage
from .issuers import nobody_of
from .store import Reply, Store, Transaction, mark, text

_PENDING = "pending"
#: Seconds after which a message that was not seen through may be acted upon again.
_PATIENCE = 5


class Receipts:
    def __init__(self, store: Store) -> None:
        self._store = store

    def once(
        self, issuer: str, id: str, now: float, seconds: float, act: Callable[[], object]
    ) -> bool:
        """Act upon a message, unless that was done; answers whether it was new.

        ``seconds`` is for how long it could come again. One whose act has failed is acted upon
        when it comes again, so that nothing is lost with it.

        :raises Outage: it is being acted upon, or whatever ``act`` raises.
        """
        subject = nobody_of(issuer)

        def claim(transaction: Transaction) -> Reply:
            return transaction.claim(id, mark(_PENDING, now), min(_PATIENCE, seconds))

        def keep(transaction: Transaction) -> None:
            transaction.keep(id, mark("done", now), seconds)

        found = self._store.transact(subject, now, claim).value
        if found is not None:
            if text(found).startswith(_PENDING):
                raise Outage("The message is being acted upon.")
            return False
        act()
        self._store.transact(subject, now, keep)
        return True
