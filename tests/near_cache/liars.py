"""Near caches that lie, each in its own way, so that the harness can show that it sees it."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import Any

import redis

from flask_jwt_revoke import Authority, Claims, Config, RevokedToken

Verdicts = dict[str, float]  # token: when it was asked about, monotonic


class Hoarder(Authority):
    """Reuses a verdict for three times as long as it may."""

    def __init__(self, config: Config, staleness: float) -> None:
        super().__init__(config)
        self.staleness = staleness
        self.kept: dict[str, Verdicts] = {}

    def check(self, token: str, **options: Any) -> Claims:
        claims = self.tokens.verify(token, self.clock())
        verdicts = self.kept.setdefault(claims.subject, {})
        if token in verdicts and self.may_reuse(verdicts[token]):
            return claims
        asked = time.monotonic()
        super().check(token, **options)
        # Where a message took the verdicts meanwhile, nobody reads this one.
        verdicts[token] = asked
        return claims

    def may_reuse(self, asked: float) -> bool:
        return time.monotonic() <= asked + 3 * self.staleness


class Truster(Hoarder):
    """Reuses a verdict until a message names its subject, and never asks if one could come."""

    pid = 0
    hears = False
    starting = threading.Lock()

    def may_reuse(self, asked: float) -> bool:
        with self.starting:
            if self.pid != os.getpid():
                self.pid, self.kept, self.hears = os.getpid(), {}, False
                threading.Thread(target=self.listen, daemon=True).start()
        return self.hears

    def listen(self) -> None:
        while True:
            try:
                with redis.Redis.from_url(self.config.redis_url, protocol=2) as client:
                    self.hear(client.pubsub())
            except redis.RedisError:
                self.hears = False
                time.sleep(0.02)

    def hear(self, feed: Any) -> None:
        feed.subscribe(f"{self.config.key_prefix}:feed")
        while (message := feed.get_message(timeout=0.02)) is None:
            continue
        assert message["type"] == "subscribe"
        self.kept, self.hears = {}, True
        while True:
            self.take(feed)

    def take(self, feed: Any) -> None:
        message = feed.get_message(timeout=0.02)
        if message is not None and message["type"] == "message":
            self.forget(message["data"])

    def forget(self, message: bytes) -> None:
        for subject in list(self.kept):
            if subject.encode() in message:
                self.kept.pop(subject)


class Late(Truster):
    """Proves that it heard everything, but takes a PONG for as young as its arrival."""

    proved = 0.0
    pinged = 0.0

    def may_reuse(self, asked: float) -> bool:
        return super().may_reuse(asked) and time.monotonic() <= self.proved + self.staleness

    def take(self, feed: Any) -> None:
        if time.monotonic() > self.pinged + self.staleness / 8:
            self.pinged = time.monotonic()
            feed.ping()
        message = feed.get_message(timeout=0.02)
        if message is not None and message["type"] == "pong":
            self.proved = time.monotonic()
        elif message is not None:
            self.forget(message["data"])


class Refuser(Hoarder):
    """Refuses a live token now and then."""

    def check(self, token: str, **options: Any) -> Claims:
        if random.random() < 0.01:
            raise RevokedToken()
        return super().check(token, **options)


LIARS: dict[str, type[Hoarder]] = {
    "hoarder": Hoarder,
    "truster": Truster,
    "late": Late,
    "refuser": Refuser,
}
