"""What a server says of itself: in INFO, and where CONFIG GET is allowed, there."""

from __future__ import annotations

import re
from typing import Any

from ..authority import Authority
from ..store.inspection import Server, Unanswered
from .finding import Judgement, fail, ok, unknown, warn

_REDIS, _VALKEY = (7, 0), (7, 2)
_FULL = 0.9  # of maxmemory
_LAG = 10  # seconds
_BUFFER = 1 << 20  # bytes

_NOEVICTION = "set maxmemory-policy noeviction"
_AOF = "set appendonly yes and appendfsync everysec"


def version(_: Authority, server: Server) -> Judgement:
    name, least = ("Valkey", _VALKEY) if "valkey_version" in server.info else ("Redis", _REDIS)
    said = str(server.told(f"{name.lower()}_version"))
    return judged_version(name, said, least)


def judged_version(name: str, said: str, least: tuple[int, int]) -> Judgement:
    numbers = [int(part) for part in said.split(".")[:2] if part.isdigit()]
    found = f"{name} {said}"
    if tuple(numbers) < least:
        return fail(found, f"use {name} {'.'.join(map(str, least))} or newer")
    return ok(found)


def role(_: Authority, server: Server) -> Judgement:
    if server.told("role") != "master":
        return fail("a replica, which takes no writes", "put the primary into REDIS_URL")
    mode = server.info.get("redis_mode", server.info.get("server_mode"))
    if mode == "cluster" and not server.name:
        remedy = "use redis+cluster:// or hand in a redis.RedisCluster"
        return fail("a node of a cluster, asked as if it were alone", remedy)
    return ok("a primary")


def eviction(_: Authority, server: Server) -> Judgement:
    policy, most = str(server.told("maxmemory_policy")), int(server.told("maxmemory"))
    evicted = int(server.told("evicted_keys"))
    found = f"{policy}, maxmemory {most or 'not set'}"
    if policy != "noeviction":
        if most:
            return fail(f"{found}: revocations are thrown away when memory runs out", _NOEVICTION)
        return warn(f"{found}: nothing is evicted until somebody sets it", _NOEVICTION)
    if evicted:
        remedy = "sign everybody out, or see who changes the policy; CONFIG RESETSTAT resets it"
        return warn(f"{found}, but {evicted} keys have been evicted", remedy)
    return ok(found)


def memory(_: Authority, server: Server) -> Judgement:
    used, most = int(server.told("used_memory")), int(server.told("maxmemory"))
    if not most:
        return ok("maxmemory is not set")
    found = f"{used / most:.0%} of maxmemory is used"
    remedy = "raise maxmemory; docs/scale.md says how much it takes"
    if used >= most:
        return fail(f"{found}: writes are refused", remedy)
    return warn(found, remedy) if used >= _FULL * most else ok(found)


def persistence(authority: Authority, server: Server) -> Judgement:
    if int(server.told("aof_enabled")):
        return ok("the append-only file is on")
    snapshots = _snapshots(server)
    if snapshots:
        # A version that comes back with an old snapshot does not betray it.
        return fail("snapshots alone: after a restart, what was revoked since lives again", _AOF)
    if authority.config.on_lost_data == "allow":
        return fail("none: after a restart, ON_LOST_DATA accepts what was revoked", _AOF)
    if authority.config.issuers:
        found = "no append-only file: after a restart, revoked tokens of ISSUERS are live again"
        return fail(found, _AOF)
    if snapshots is None:
        return warn("no append-only file; whether there are snapshots is not told", _AOF)
    return warn("none: after a restart everybody signs in again", _AOF)


def _snapshots(server: Server) -> bool | None:
    """Whether there are any; None where it cannot be told."""
    if int(server.info.get("rdb_saves", 0)) or int(server.info.get("rdb_last_load_keys_loaded", 0)):
        return True
    try:
        return bool(server.setting("save"))
    except Unanswered:
        return None


def fsync(_: Authority, server: Server) -> Judgement | None:
    if not int(server.told("aof_enabled")):
        return None
    policy = server.setting("appendfsync")
    if policy == "no":
        return warn(
            "appendfsync no: a machine that loses power loses up to half a minute",
            "set appendfsync everysec",
        )
    return ok(f"appendfsync {policy}")


def saves(_: Authority, server: Server) -> Judgement:
    kinds = {
        "rdb_last_bgsave_status": "the last snapshot",
        "aof_last_bgrewrite_status": "the last rewrite of the append-only file",
        "aof_last_write_status": "the last write to the append-only file",
    }
    failed = [kind for name, kind in kinds.items() if server.told(name) != "ok"]
    if failed:
        return fail(f"{' and '.join(failed)} failed", "look at the disk, and at the server's log")
    return ok("none failed")


def replicas(authority: Authority, server: Server) -> Judgement:
    count = int(server.told("connected_slaves"))
    states: list[Any] = [server.told(f"slave{number}") for number in range(count)]
    behind = [one for one in states if one["state"] != "online" or int(one["lag"]) > _LAG]
    wanted = authority.config.wait_replicas
    if wanted > count - len(behind):
        found = f"{count - len(behind)} keep up, and JWT_REVOKE_WAIT_REPLICAS is {wanted}"
        return fail(f"{found}: each log-out is answered 503", "add replicas, or lower it")
    if behind:
        found = f"{len(behind)} of {count} do not keep up"
        return warn(found, "look at their logs, and at the network between")
    if not count and _is_taken_over(authority, server):
        return warn("none: nobody can take over", "add a replica")
    return ok(f"{count}")


def min_replicas(_: Authority, server: Server) -> Judgement | None:
    count = int(server.told("connected_slaves"))
    # INFO tells it only where min-replicas-to-write and min-replicas-max-lag are set.
    good = server.info.get("min_slaves_good_slaves")
    if good is None:
        if not count:
            return None
        return fail(
            "not set: a primary that was cut off takes revocations that are thrown away",
            "set min-replicas-to-write 1 and min-replicas-max-lag 10",
        )
    wanted = _wanted_replicas(server)
    found = f"min-replicas-to-write {wanted or 'is set'}, {good} keep up"
    if int(good) < (wanted or 1):
        return fail(f"{found}: each write is refused", "add replicas, or lower it")
    return ok(found)


def _wanted_replicas(server: Server) -> int | None:
    try:
        return int(server.setting("min-replicas-to-write"))
    except Unanswered:
        return None


def _is_taken_over(authority: Authority, server: Server) -> bool:
    """Whether a cluster or Sentinels would put a replica into its place."""
    return bool(server.name) or "sentinel" in str(authority.config.redis_url).partition("://")[0]


def flushed(_: Authority, server: Server) -> Judgement:
    server.told("redis_version")
    calls = {name: server.info.get(f"cmdstat_{name}") for name in ("flushall", "flushdb")}
    found = [f"{name.upper()} {one['calls']} times" for name, one in calls.items() if one]
    if not found:
        return ok("never since the server started")
    return warn(
        f"{' and '.join(found)} since the server started",
        "shut the others out (ACL), or give them a server of their own",
    )


def shared_server(_: Authority, server: Server) -> Judgement:
    server.told("redis_version")
    own = f"db{server.manner().database}"
    others = [name for name in server.info if re.fullmatch(r"db\d+", name) and name != own]
    if not others:
        return ok("no other database has keys")
    return warn(
        f"{', '.join(others)}: a FLUSHALL or a lack of memory there is ours too",
        "use a server of its own",
    )


def feed_buffer(_: Authority, server: Server) -> Judgement:
    words = server.setting("client-output-buffer-limit").split()
    if "pubsub" not in words:
        return unknown("CONFIG GET does not tell it of pubsub", "look into redis.conf")
    hard, soft, seconds = (int(one) for one in words[words.index("pubsub") + 1 :][:3])
    found = f"{hard} {soft} {seconds}"
    remedy = "set client-output-buffer-limit pubsub 32mb 8mb 60"
    if not hard:
        return warn(f"{found}: a listener that hangs fills the memory", remedy)
    if hard < _BUFFER or 0 < soft < _BUFFER:
        return warn(f"{found}: a listener is cut off in a rush of revocations", remedy)
    return ok(found)
