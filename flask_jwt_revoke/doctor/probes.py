"""What is tried out: time, a write, the feed, and what the user may do."""

from __future__ import annotations

import secrets
import time

from ..authority import Authority
from ..errors import Outage
from ..store import Command, text
from ..store.commands import NEEDED_IN_CLUSTER, NEEDED_TO_WAIT, excessive, needed, probe_key
from ..store.inspection import Server, Unanswered, hearing
from .finding import Judgement, fail, ok, unknown, warn

_PINGS = 5
_TTL = 200  # milliseconds
_TRIES = 10_000
# Times in tokens are whole seconds.
_UNNOTICED = 1.0
_PATIENCE = 1.0


def clock(authority: Authority, server: Server) -> Judgement:
    before = time.perf_counter()
    began = authority.clock()
    seconds, micros = (int(one) for one in server.ask("TIME"))
    trip = time.perf_counter() - before
    ahead = seconds + micros / 1e6 - (began + trip / 2)
    apart = max(0.0, abs(ahead) - trip / 2)
    leeway = authority.config.leeway
    found = f"{abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} ours, LEEWAY {leeway:g} s"
    if apart <= max(leeway, _UNNOTICED):
        return ok(found)
    return fail(
        f"{found}: a clock that is behind accepts a token whose entry has gone",
        "let NTP set all clocks, or raise JWT_REVOKE_LEEWAY",
    )


def round_trip(authority: Authority, server: Server) -> Judgement:
    trips = sorted(server.ping() for _ in range(_PINGS))
    median, limit = trips[_PINGS // 2], authority.config.timeout
    found = f"{median * 1000:.1f} ms, at most {trips[-1] * 1000:.1f}; TIMEOUT {limit * 1000:g} ms"
    remedy = "bring app and Redis together, or raise JWT_REVOKE_TIMEOUT"
    if median > limit / 2:
        return fail(found, remedy)
    return warn(found, remedy) if trips[-1] > limit / 4 else ok(found)


def write(authority: Authority, server: Server) -> Judgement:
    try:
        return _written(server, _own_key(authority, server))
    except Unanswered as error:
        if not error.refused:
            raise
        return fail(f"refused: {error}", "see the other lines for why; until then nobody signs in")


def _own_key(authority: Authority, server: Server) -> str:
    for _ in range(_TRIES):
        key = probe_key(authority.keys, secrets.token_hex(8))
        if server.has(key):
            return key
    raise Unanswered("no slot is served by it")


def _written(server: Server, key: str) -> Judgement:
    remedy = "something between here and Redis changes commands or keys: speak to Redis itself"
    ttl = str(_TTL)
    # At once, since it would be gone after a pause in between.
    commands = [("SET", key, "0", "PX", ttl, "NX"), ("PEXPIRE", key, ttl, "GT"), ("GET", key)]
    if text(server.ask_all(commands)[-1]) != "0":
        return fail("what was written is not read", remedy)
    if not _is_gone(server, key):
        server.ask("DEL", key)
        return fail(f"still there after twice its {_TTL} ms", remedy)
    return ok(f"written, read, and gone after its {_TTL} ms")


def _is_gone(server: Server, key: str) -> bool:
    until, is_late = time.monotonic() + 2 * _TTL / 1000, False
    while not is_late:
        time.sleep(_TTL / 4000)
        is_late = time.monotonic() > until
        if server.ask("GET", key) is None:
            return True
    return False


def acl(authority: Authority, server: Server) -> Judgement:
    user = text(server.ask("ACL", "WHOAMI"))
    calls = [*needed(authority.keys), *(NEEDED_IN_CLUSTER if server.name else ())]
    calls += NEEDED_TO_WAIT if authority.config.wait_replicas else ()
    lacking = [_named(call) for call in calls if not _may(server, user, call)]
    if lacking:
        return fail(f"{user} may not {', '.join(lacking)}", "write the line of docs/redis.md")
    return ok(f"{user} may do all that is needed")


def acl_excess(authority: Authority, server: Server) -> Judgement:
    user = text(server.ask("ACL", "WHOAMI"))
    calls = excessive(authority.keys)
    may = [name for name, call in calls.items() if _may(server, user, call)]
    if may:
        remedy = "give the app a user of its own: docs/redis.md has its line"
        return warn(f"{user} may also {', '.join(may)}", remedy)
    return ok(f"{user} may not harm what others keep, as far as was asked")


def _may(server: Server, user: str, call: Command) -> bool:
    return text(server.ask("ACL", "DRYRUN", user, *call)) == "OK"


def _named(call: Command) -> str:
    return " ".join(call[:2] if call[0] == "CLUSTER" else call[:1])


def canary(authority: Authority) -> Judgement:
    try:
        found = authority.store.canaries()
    except Outage:
        return unknown("Redis did not say", "look again later")
    there = sum(found.values())
    if there:
        told = "it is there" if len(found) == 1 else f"{there} of {len(found)} are there"
        return ok(f"{told}: Redis has lost nothing since it was written")
    return unknown("there is none: nothing was written yet, or all is lost", "look again later")


def feed(authority: Authority) -> Judgement:
    staleness = authority.config.near_cache_staleness
    patience = staleness or _PATIENCE
    try:
        heard = hearing(authority.store, authority.keys.feed, patience)
    except Unanswered as error:
        if not error.refused:
            raise
        return fail(f"refused: {error}", f"allow the channel {authority.keys.feed} (docs/redis.md)")
    if heard.pong is None:
        return fail(f"no PING was answered in {patience:g} s", "see round_trip and the network")
    if heard.message is None:
        return fail(f"no message was heard in {patience:g} s", "see feed_buffer and the network")
    slowest = max(heard.pong, heard.message)
    found = f"heard after {heard.message * 1000:.1f} ms, a PING after {heard.pong * 1000:.1f} ms"
    if staleness and slowest > staleness / 4:
        remedy = "raise JWT_REVOKE_NEAR_CACHE_STALENESS, or take it out"
        return warn(f"{found}; NEAR_CACHE_STALENESS {staleness:g} s", remedy)
    return ok(found)
