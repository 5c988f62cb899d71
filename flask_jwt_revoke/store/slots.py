"""The slots of a cluster, and keys that are nobody's yet lie in somebody's slot."""

from __future__ import annotations

from binascii import crc_hqx
from functools import cache
from itertools import count

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from .keys import Keys

SLOTS = REDIS_CLUSTER_HASH_SLOTS


def audit_key(keys: Keys, subject: str) -> str:
    """The stream of a cluster that a transaction of this subject can write."""
    return keys.audit(_tags()[key_slot(keys.version(subject).encode())])


def audit_keys(keys: Keys) -> list[str]:
    """The streams of a cluster."""
    return [keys.audit(tag) for tag in _tags()]


@cache
def _tags() -> list[str]:
    """For each slot the least number that lies in it."""
    found: dict[int, str] = {}
    for number in map(str, count()):
        # key_slot would look for a tag in it.
        found.setdefault(crc_hqx(number.encode(), 0) % SLOTS, number)
        if len(found) == SLOTS:
            break
    return [found[slot] for slot in range(SLOTS)]
