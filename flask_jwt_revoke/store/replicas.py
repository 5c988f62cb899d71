"""Transactions that count the replicas that have them.

WAIT answers for the last write of its own connection. On one that has written nothing it
counts each replica at once, however far behind that is, so it goes where EXEC went, and the
transaction must have changed something.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.client import Pipeline
from redis.cluster import ClusterPipeline, TransactionStrategy

from .client import Client
from .keys import Keys

log = logging.getLogger("flask_jwt_revoke")

# Of the time that is left: a server that gives up may be a tenth of a second late to say so.
_SHARE = 0.5


class Replicas:
    """``wanted`` of them, asked by ``until`` (``time.monotonic``) once EXEC has answered.

    ``is_log_due`` answers whether the log is to say of a cause again.
    """

    def __init__(self, wanted: int, until: float, is_log_due: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self._until = until
        self._is_log_due = is_log_due
        self._is_awaited = False
        self._found = 0

    @property
    def are_missing(self) -> bool:
        return self._is_awaited and self._found < self._wanted

    def expect(self, pipe: Any, keys: Keys, subject: str) -> None:
        """Have the transaction write, even where all of it has been done before."""
        if self._wanted:
            self._is_awaited = True
            key = keys.awaited(subject)
            pipe.execute_command("SET", key, "1")
            pipe.execute_command("UNLINK", key)

    def are_counted_by(self, pipe: Any) -> None:
        """``pipe`` is one that ``counting`` made, or that runs on a wire of ours."""
        target: Any = pipe._execution_strategy if isinstance(pipe, ClusterPipeline) else pipe
        target.replicas = self

    def count(self, connection: Any) -> None:
        """Never fails: the transaction has been carried out."""
        if not self._is_awaited:
            return
        try:
            connection.send_command("WAIT", str(self._wanted), str(self._patience(connection)))
            self._found = int(connection.read_response())
        except redis.ResponseError as error:
            self._say(f"Redis refuses to count its replicas: {error}")
        except (redis.RedisError, OSError) as error:
            connection.disconnect()
            self._say(f"The replicas could not be counted: {type(error).__name__}: {error}")
        else:
            if self.are_missing:
                self._say(f"A revocation is on {self._found} replicas, not {self._wanted}")

    def _say(self, line: str) -> None:
        if self._is_log_due(line):
            log.warning(line)

    def _patience(self, connection: Any) -> int:
        """In milliseconds; 0 would mean for ever."""
        left = self._until - time.monotonic()
        each = min(left, connection.socket_timeout or left)
        return max(1, int(each * _SHARE * 1000))


class Counting(Pipeline):
    """A transaction on one server."""

    replicas: Replicas | None = None

    def _execute_transaction(self, connection: Any, commands: Any, raise_on_error: Any) -> Any:
        answers = super()._execute_transaction(connection, commands, raise_on_error)
        if self.replicas is not None:
            self.replicas.count(connection)
        return answers


class CountingInCluster(TransactionStrategy):
    """A transaction on the one node that has its subject's keys."""

    replicas: Replicas | None = None

    def _execute_transaction(self, stack: Any, raise_on_error: Any) -> Any:
        answers = super()._execute_transaction(stack, raise_on_error)
        if self.replicas is not None:
            self.replicas.count(self._transaction_connection)
        return answers


def counting(client: Client) -> Any:
    """A pipeline of this client that counts the replicas that have it."""
    if not isinstance(client, redis.RedisCluster):
        return Counting(client.connection_pool, client.response_callbacks, True, None)
    pipe = client.pipeline(transaction=True)
    pipe._execution_strategy = CountingInCluster(pipe)
    return pipe
