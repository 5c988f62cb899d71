"""Transactions whose connection is not given back to redis-py's pool.

It would go there with replies under way when it was interrupted, for the next caller to read.
"""

from __future__ import annotations

from typing import Any

from .client import Client
from .replicas import Counting


class Interruptible(Counting):
    """A transaction on a connection that was lent to it."""

    _lent: Any = None

    @classmethod
    def of(cls, client: Client, connection: Any) -> Interruptible:
        pipe = cls(client.connection_pool, client.response_callbacks, True, None)
        pipe.connection = pipe._lent = connection
        return pipe

    def execute_command(self, *args: Any, **options: Any) -> Any:
        # hiredis crashes when a signal handler raises while it reads a number.
        plain = (one if isinstance(one, str | bytes) else str(one) for one in args)
        return super().execute_command(*plain, **options)  # type: ignore[no-untyped-call]

    def reset(self) -> None:  # type: ignore[override] # as redis-py's own does
        # EXEC has ended the WATCH, or else the connection is closed, which ends it too:
        # redis-py would ask a server that may not answer to UNWATCH.
        self.watching = False
        super().reset()
        self.connection = self._lent


def abandon(pipe: Any) -> None:
    """Close the connection, which ends its WATCH.

    redis-py would ask a server that does not answer to UNWATCH, and then lose the connection.
    """
    strategy = getattr(pipe, "_execution_strategy", None)
    if strategy is None:
        pipe.watching, connection = False, pipe.connection
    else:
        strategy._watching, connection = False, strategy._transaction_connection
    if connection is not None:
        connection.disconnect()
