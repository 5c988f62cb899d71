"""What happens to a connection whose transaction was interrupted: it is closed.

redis-py gives it back to the pool with replies under way, for the next caller to read.
"""

from __future__ import annotations

import sys
from typing import Any

import redis
from redis.client import Pipeline

from .client import Client

# Raised when all replies have been read.
_IN_ORDER = (redis.WatchError, redis.ResponseError)


class Interruptible(Pipeline):
    """A transaction that may be interrupted at any point, by a signal or a greenlet's time-out."""

    @classmethod
    def of(cls, client: Client) -> Interruptible:
        return cls(client.connection_pool, client.response_callbacks, True, None)

    def reset(self) -> None:  # type: ignore[override] # as redis-py's own does
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, _IN_ORDER):
            abandon(self)
        super().reset()


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
