"""The commands that the package sends, each as a harmless call: docs/redis.md names the same."""

from __future__ import annotations

from .keys import Keys
from .question import Command


def probe_key(keys: Keys, number: str) -> str:
    """A key that no subject has: the doctor's own."""
    return f"{keys.prefix}:doctor:{number}"


def needed(keys: Keys) -> tuple[Command, ...]:
    """What the app's user must be allowed."""
    key = probe_key(keys, "0")
    return (
        ("PUBLISH", keys.feed, "0"),
        ("SUBSCRIBE", keys.feed),
        ("PING",),
        ("MGET", key),
        ("HGET", key, "field"),
        ("ZSCORE", key, "member"),
        ("EVAL", "return 0", "1", key),
        ("WATCH", key),
        ("MULTI",),
        ("EXEC",),
        ("GET", key),
        ("SET", key, "0"),
        ("SETRANGE", key, "0", "0"),
        ("PEXPIRE", key, "1"),
        ("DEL", key),
        ("UNLINK", key),
        ("ZADD", key, "0", "member"),
        ("ZREM", key, "member"),
        ("ZREMRANGEBYSCORE", key, "0", "0"),
        ("ZRANGE", key, "0", "0"),
        ("ZCOUNT", key, "0", "0"),
        ("HSET", key, "field", "0"),
        ("HDEL", key, "field"),
        ("HLEN", key),
        ("HGETALL", key),
        ("HRANDFIELD", key, "1"),
        ("XADD", key, "*", "field", "0"),
    )


#: And what in a cluster, besides.
NEEDED_IN_CLUSTER: tuple[Command, ...] = (("CLUSTER", "SLOTS"), ("COMMAND",), ("ASKING",))
#: And where ``WAIT_REPLICAS`` is set.
NEEDED_TO_WAIT: tuple[Command, ...] = (("WAIT", "0", "1"),)


def excessive(keys: Keys) -> dict[str, Command]:
    """What no user of the app should be allowed, by name: it harms or betrays what others keep."""
    foreign = f"not-{keys.prefix}"
    return {
        "FLUSHALL": ("FLUSHALL",),
        "FLUSHDB": ("FLUSHDB",),
        "SHUTDOWN": ("SHUTDOWN",),
        "CONFIG SET": ("CONFIG", "SET", "maxmemory", "0"),
        "ACL SETUSER": ("ACL", "SETUSER", "app"),
        "REPLICAOF": ("REPLICAOF", "NO", "ONE"),
        "DEBUG": ("DEBUG", "SLEEP", "0"),
        "KEYS": ("KEYS", "*"),
        "MONITOR": ("MONITOR",),
        "read keys of others": ("GET", foreign),
        "write keys of others": ("SET", foreign, "0"),
        "listen to channels of others": ("SUBSCRIBE", foreign),
    }
