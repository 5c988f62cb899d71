"""Connections to the primary that Sentinels name, which may become another one.

redis-py asks them when it connects. A primary that was paused goes on answering on the
connections that it had, without what the one in its place has been told since, until the
Sentinels turn it into a replica.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import redis
from redis.sentinel import SentinelConnectionPool

#: Seconds for which an answer of the Sentinels is good.
INTERVAL = 1.0


class PrimaryPool(SentinelConnectionPool):
    """Connections to another primary than the one that is named now are not used again."""

    _ask_at = 0.0

    def get_connection(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() >= self._ask_at:
            # Before the asking: the other threads need not ask too.
            self._ask_at = time.monotonic() + INTERVAL
            # Without Sentinels, or while they choose: the primary itself may still answer.
            with suppress(redis.RedisError, OSError):
                self.proxy.get_master_address()
        return super().get_connection(*args, **options)
