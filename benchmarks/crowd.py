"""One subject with thousands of tokens, put back as it was before each log-out."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import redis

from tests.servers import Server

from .bare_logout import log_out_everywhere
from .fairness import Unfair
from .signed_in import SUBJECT, authority, sign_in

# Under version a session is a record and nothing else: from here on, copies will do.
_REALLY_SIGNED_IN = 5


class Crowd:
    """``sessions`` of an access and a refresh token each."""

    def __init__(self, server: Server, strategy: str, sessions: int) -> None:
        url = f"redis://127.0.0.1:{server.port}"
        self._redis = redis.Redis.from_url(url, protocol=2)
        self._authority = authority(url, strategy)
        self._ends = 2 * sessions if strategy == "blacklist" else sessions
        self._redis.flushall()
        really = sessions if strategy == "blacklist" else min(sessions, _REALLY_SIGNED_IN)
        sign_in(self._authority, really)
        self._copy_session(sessions - really)
        # Without the canary, each round would tell of data that Redis has lost.
        kept = [*self._keys(), self._authority.keys.canary()]
        self._kept = [(key, max(0, self._redis.pttl(key)), self._redis.dump(key)) for key in kept]

    def ours(self) -> float:
        """Seconds.

        :raises Unfair: not all that was live was ended.
        """
        ended, took = self._timed(lambda: self._authority.logout_everywhere(SUBJECT))
        if ended != self._ends:
            raise Unfair(f"logging out everywhere ended {ended} instead of {self._ends}")
        return took

    def bare(self) -> float:
        """Seconds."""
        now = self._authority.clock()
        _, took = self._timed(lambda: log_out_everywhere(self._redis, SUBJECT, now))
        return took

    def left(self) -> dict[bytes, tuple[bytes, int]]:
        """The value and the TTL, in milliseconds, of each key of the subject."""
        keys = self._keys()
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(key)
                pipe.pttl(key)
            found = pipe.execute()
        values = [
            # The other digits of a version are drawn at random.
            value[:1] if key.endswith(b":version") else value
            for key, value in zip(keys, found[::2], strict=True)
        ]
        return dict(zip(keys, zip(values, found[1::2], strict=True), strict=True))

    def close(self) -> None:
        self._authority.close()
        self._redis.close()

    def _keys(self) -> list[bytes]:
        return sorted(self._redis.keys(f"*{{{SUBJECT}}}*"))

    def _copy_session(self, count: int) -> None:
        key = self._authority.keys.sessions(SUBJECT)
        record = self._redis.hvals(key)[0]
        with self._redis.pipeline(transaction=False) as pipe:
            for number in range(count):
                pipe.hset(key, f"{number:022d}", record)
            pipe.execute()

    def _timed(self, log_out: Callable[[], object]) -> tuple[object, float]:
        self._restore()
        gc.collect()
        # Restoring has put other things into the processor's caches.
        for _ in range(3):
            self._authority.logout_everywhere("nobody")
            self._redis.ping()
        started = time.perf_counter()
        answer = log_out()
        return answer, time.perf_counter() - started

    def _restore(self) -> None:
        self._redis.flushall()
        for key, ttl, dumped in self._kept:
            self._redis.restore(key, ttl, dumped)
