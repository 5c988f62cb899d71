"""Revocations as they are published, for an operator who watches."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import redis

from .redis import Store, outage

_BEAT = 1.0  # seconds between two PINGs
_PATIENCE = 3.0
_MARK = re.compile(r"(?P<reason>[\w.-]{1,64})@(?P<at>\d{1,12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Announcement:
    """``ids`` are the jtis and sids that ended; without one, all of the subject did.

    ``at`` is a Unix time in seconds.
    """

    subject: str
    reason: str
    at: int
    ids: tuple[str, ...]


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
                heard = _heard(message["data"])
                if heard is not None:
                    yield heard


def _heard(data: Any) -> Announcement | None:
    """None for what is not ours: whoever may publish can say anything."""
    try:
        subject, mark, *ids = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return None
    if not all(isinstance(one, str) for one in (subject, mark, *ids)):
        return None
    found = _MARK.fullmatch(mark)
    return Announcement(subject, found["reason"], int(found["at"]), tuple(ids)) if found else None
