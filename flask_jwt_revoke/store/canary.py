"""Keys with a random value, by which it is noticed that Redis has lost its data.

Each process remembers the value that it saw first; another one, or none, is a loss. It looks
along with what it asks and writes anyway, and a write sets the canary where there is none. A
cluster has many, spread over its slots, and a question carries one that the same primary has.
"""

from __future__ import annotations

import logging
import secrets
import time
from functools import cache
from typing import Any

import redis
from redis.crc import key_slot

from ..bounded import bound
from .client import Client
from .keys import Keys
from .question import Command
from .replies import text
from .slots import SLOTS, primary, primary_of_slot

log = logging.getLogger("flask_jwt_revoke")

#: Seconds between two looks: a loss is noticed within 2.
INTERVAL = 1.5

_SHARES = 64
_LOSSES = 8
_NEVER = float("-inf")


class Canary:
    """``value`` is what this process remembers; ``due`` is when it looks again.

    ``is_taken``: something of another type stands in its place, so that it cannot be set.
    ``lost_by`` says which look has noticed that a value was lost.
    """

    __slots__ = ("due", "is_taken", "key", "lost_by", "node", "value")

    def __init__(self, key: str) -> None:
        self.key = key
        self.node = ""
        self.value: str | None = None
        self.due = _NEVER
        self.is_taken = False
        self.lost_by: dict[str, Look] = {}

    def know(self, value: str | None) -> None:
        self.value = value
        if value is not None:
            self.lost_by.pop(value, None)

    def is_lost_by(self, look: Look) -> bool:
        """Whether the look is the first to notice that what it knew is lost.

        Without a lock, which an interrupted call could leave taken for ever.
        """
        if look.known is None:
            return False
        bound(self.lost_by, _LOSSES)
        return self.lost_by.setdefault(look.known, look) is look


class Look:
    """The commands of one look. The answer to the last is the canary's value.

    ``safely``: it is a list of that. MGET takes a key of another type for none, where GET would
    fail the transaction that it goes along with.
    """

    __slots__ = ("canary", "commands", "known", "sets")

    def __init__(self, canary: Canary, *, writes: bool = False, safely: bool = False) -> None:
        self.canary, self.known = canary, canary.value
        self.sets = writes and self.known is None
        self.commands: tuple[Command, ...] = (("MGET" if safely else "GET", canary.key),)
        if self.sets:
            drawn = secrets.token_urlsafe(16)
            self.commands = (("SET", canary.key, drawn, "NX"), *self.commands)

    def again(self) -> None:
        """Let what this look has noticed be noticed again."""
        self.canary.know(self.known)


class Canaries:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._single = Canary(keys.canary())
        self._by_share: dict[int, Canary] = {}

    def look(
        self, client: Client, key: str, *, writes: bool = False, safely: bool = False
    ) -> Look | None:
        """What to carry along with a question about ``key``; None where no look is due."""
        is_cluster = isinstance(client, redis.RedisCluster)
        canary = self._beside(client, key) if is_cluster else self._single
        now = time.monotonic()
        if canary is None:
            return None
        is_unset = writes and canary.value is None and not canary.is_taken
        if now < canary.due and not is_unset:
            return None
        # Two threads may both get here, and both look.
        canary.due = now + INTERVAL
        return Look(canary, writes=writes, safely=safely)

    def looks(self, client: Client) -> list[Look]:
        """One at each primary that this process has asked, where one is due."""
        if isinstance(client, redis.RedisCluster):
            nodes = {one.node: one.key for one in self._by_share.copy().values()}
        else:
            nodes = {"": self._single.key}
        return [look for key in nodes.values() if (look := self.look(client, key, writes=True))]

    def heard(self, look: Look, answer: Any) -> bool:
        """Take the answer to a look; an error tells nothing. Answers whether it is a loss."""
        if isinstance(answer, Exception):
            return False
        value = answer[0] if isinstance(answer, list) else answer
        canary, found = look.canary, None if value is None else text(value)
        if canary.value != look.known:
            return False  # another look has told meanwhile, perhaps of the same loss
        _note_taken(look, found)
        if found == look.known:
            return False
        canary.know(found)
        is_lost = canary.is_lost_by(look)
        if is_lost:
            self._forget_beside(canary)
        return is_lost

    def _forget_beside(self, lost: Canary) -> None:
        """The others of the same primary are lost with it."""
        for one in self._by_share.copy().values():
            if one is not lost and one.node == lost.node:
                one.value, one.due = None, _NEVER

    def _beside(self, client: redis.RedisCluster, key: str) -> Canary | None:
        """The canary that the same primary has; None where another one has it."""
        slot = key_slot(key.encode())
        share = slot * _SHARES // SLOTS
        tag = _tag(share)
        canary = self._by_share.get(share) or self._by_share.setdefault(
            share, Canary(self._keys.canary(tag))
        )
        canary.node = primary(client, tag)
        return canary if primary_of_slot(client, slot) == canary.node else None


def shares(client: Client, keys: Keys) -> list[str]:
    """The key of each canary that there may be."""
    if isinstance(client, redis.RedisCluster):
        return [keys.canary(_tag(share)) for share in range(_SHARES)]
    return [keys.canary()]


def _note_taken(look: Look, found: str | None) -> None:
    canary = look.canary
    if found is not None:
        canary.is_taken = False
    elif look.sets and not canary.is_taken:
        canary.is_taken = True
        log.error("%s is no string: delete it, so that a loss of data is noticed", canary.key)


@cache
def _tag(share: int) -> str:
    """The first number whose slot is in this sixty-fourth of the slots."""
    number = 0
    while key_slot(str(number).encode()) * _SHARES // SLOTS != share:
        number += 1
    return str(number)
