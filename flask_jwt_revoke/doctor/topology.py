"""The servers together: who answers, a cluster, Sentinels, and the way there."""

from __future__ import annotations

import ipaddress

from ..authority import Authority
from ..store.inspection import Manner, Server, Watcher, coverage, watchers
from ..store.slots import SLOTS
from .finding import Judgement, fail, ok, unknown, warn

#: With fewer, the loss of one leaves no majority.
_FEWEST = 3


def reachable(found: list[Server]) -> Judgement:
    missing = [f"{one.name} ({one.missing})" for one in found if one.missing is not None]
    if missing:
        return fail(f"no answer from {', '.join(missing)}", "see what is wrong with them")
    return ok(f"{len(found)} of {len(found)} primaries answer")


def cluster(authority: Authority) -> Judgement | None:
    found = coverage(authority.store)
    return None if found is None else judged_cluster(*found)


def judged_cluster(primaries: int, covered: int) -> Judgement:
    if covered < SLOTS:
        said = f"{SLOTS - covered} of {SLOTS} slots are served by nobody"
        return fail(f"{said}: their subjects cannot sign in", "redis-cli --cluster fix")
    if primaries < _FEWEST:
        said = f"{primaries} primaries: when one fails, no majority is left to replace it"
        return warn(said, f"use {_FEWEST} or more")
    return ok(f"{primaries} primaries serve all slots")


def sentinels(authority: Authority) -> Judgement | None:
    found = watchers(authority.store)
    return None if found is None else judged_sentinels(found)


def judged_sentinels(found: list[Watcher]) -> Judgement:
    told = [one for one in found if one.missing is None]
    if not told:
        reasons = ", ".join(str(one.missing) for one in found)
        return unknown(f"not told: {reasons}", "allow +sentinel|masters (docs/redis.md)")
    fewest = min(one.sentinels for one in told)
    quorum = max(one.quorum for one in told)
    said = f"{fewest} Sentinels, quorum {quorum}, {min(one.replicas for one in told)} replicas"
    if quorum > fewest:
        return fail(f"{said}: never enough to agree", "lower the quorum, or add Sentinels")
    if not all(one.replicas for one in told):
        return warn(f"{said}: nobody can take over", "add a replica")
    if fewest < _FEWEST:
        return warn(f"{said}: when one fails, no majority is left", f"use {_FEWEST} or more")
    if len(told) < len(found):
        missing = ", ".join(str(one.missing) for one in found if one.missing is not None)
        return warn(f"{said}; of those in the URL not all tell ({missing})", "see why")
    return ok(said)


def tls(_: Authority, server: Server) -> Judgement:
    return judged_manner(server.manner())


def judged_manner(manner: Manner) -> Judgement:
    if manner.host is None:
        return ok("a unix socket")
    if manner.is_tls and manner.is_verified:
        return ok(f"TLS to {manner.host}")
    if _is_local(manner.host):
        return ok(f"{manner.host}, this machine")
    if manner.is_tls:
        said = f"TLS to {manner.host}, whose certificate is not checked: it may be anybody"
        return fail(said, "leave ssl_cert_reqs and ssl_check_hostname as they are")
    said = f"{manner.host} without TLS: who sits between reads the password and changes answers"
    return warn(said, "use rediss:// (docs/redis.md)")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
