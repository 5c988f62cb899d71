"""The slots of a cluster, and keys that are nobody's yet lie in somebody's slot."""

from __future__ import annotations

from binascii import crc_hqx
from functools import cache
from itertools import count

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import SlotNotCoveredError

from .keys import Keys

SLOTS = REDIS_CLUSTER_HASH_SLOTS

_NOBODY = ""


def primary(client: redis.RedisCluster, key: str) -> str:
    """The name of the one that has the key; that of nobody is empty."""
    return primary_of_slot(client, key_slot(key.encode()))


def primary_of_slot(client: redis.RedisCluster, slot: int) -> str:
    try:
        return str(client.nodes_manager.get_node_from_slot(slot).name)
    except SlotNotCoveredError:
        return _NOBODY


def primaries(client: redis.RedisCluster) -> set[str]:
    """The names of those that have slots, and nobody's where one is not covered."""
    names = {str(node.name) for node in client.get_primaries()}
    return names if len(client.nodes_manager.slots_cache) == SLOTS else names | {_NOBODY}


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
