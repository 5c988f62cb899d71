"""Revocations as they are published, for an operator who watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import redis

from .announcement import Announcement, heard
from .redis import Store, outage

_BEAT = 1.0  # seconds between two PINGs
_PATIENCE = 3.0


def announcements(store: Store, channel: str, ready: Callable[[], None]) -> Iterator[Announcement]:
    """Each revocation from now on; ``ready`` is called once nothing is missed any more.

    :raises Outage: Redis cannot be heard.
    """
    with outage(), store.client.pubsub() as pubsub:
        pubsub.subscribe(channel)
        asked, answered = time.monotonic(), time.monotonic()
        while True:
            message = pubsub.get_message(timeout=_BEAT) or {}
            now = time.monotonic()
            if message:
                answered = now
            if now - answered > _PATIENCE:
                raise redis.TimeoutError("a PING was not answered")
            if now - asked > _BEAT:
                asked = now
                pubsub.ping()
            if message.get("type") == "subscribe":
                ready()
            elif message.get("type") == "message":
                found = heard(message["data"])
                if found is not None:
                    yield found
