"""Near caches that lie, each in its own way, so that the harness can show that it sees it."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import redis

from flask_jwt_revoke import Authority, Claims, Config


class Hoarder(Authority):
    """Reuses a verdict for three times as long as it may."""

    def __init__(self, config: Config, staleness: float) -> None:
        super().__init__(config)
        self.staleness = staleness
        self.kept: dict[str, tuple[float, Claims]] = {}

    def check(self, token: str, **options: Any) -> Claims:
        kept = self.kept.get(token)
        if kept is not None and self.may_reuse(kept[0]):
            return kept[1]
        asked, kept_before = time.monotonic(), self.kept
        claims = super().check(token, **options)
        # A dict that was replaced meanwhile takes a verdict that is never read.
        kept_before[token] = asked, claims
        return claims

    def may_reuse(self, asked: float) -> bool:
        return time.monotonic() <= asked + 3 * self.staleness


class Truster(Hoarder):
    """Reuses a verdict until a message comes, and never asks whether one could come."""

    pid = 0
    hears = False

    def may_reuse(self, asked: float) -> bool:
        if self.pid != os.getpid():
            self.pid, self.kept, self.hears = os.getpid(), {}, False
            threading.Thread(target=self.listen, daemon=True).start()
        return self.hears

    def listen(self) -> None:
        while True:
            try:
                with redis.Redis.from_url(self.config.redis_url, protocol=2) as client:
                    self.hear(client.pubsub(ignore_subscribe_messages=True))
            except redis.RedisError:
                self.hears = False
                time.sleep(0.02)

    def hear(self, feed: Any) -> None:
        feed.subscribe(f"{self.config.key_prefix}:feed")
        feed.get_message(timeout=1)
        self.kept, self.hears = {}, True
        while True:
            self.take(feed)

    def take(self, feed: Any) -> None:
        message = feed.get_message(timeout=0.02)
        if message is not None and message["type"] == "message":
            self.kept = {}


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
        if message is None:
            return
        if message["type"] == "pong":
            self.proved = time.monotonic()
        else:
            self.kept = {}


LIARS: dict[str, type[Hoarder]] = {"hoarder": Hoarder, "truster": Truster, "late": Late}
