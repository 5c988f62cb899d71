"""Could this Redis lose a revocation, and do the settings let pass what should not?

What could not be looked at is UNKNOWN, never OK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from ..authority import Authority
from ..store.inspection import Server, Unanswered, manner, servers
from . import app, client, keyspace, probes, server, topology
from .finding import Finding, Judgement, Status, together, unknown

__all__ = ["NAMES", "Finding", "Status", "examine"]

_OF_EACH_SERVER: tuple[Callable[[Authority, Server], Judgement | None], ...] = (
    topology.tls,
    server.version,
    server.role,
    server.eviction,
    server.memory,
    server.persistence,
    server.fsync,
    server.saves,
    server.replicas,
    server.min_replicas,
    server.flushed,
    server.shared_server,
    server.feed_buffer,
    probes.clock,
    probes.round_trip,
    probes.write,
    probes.acl,
    probes.acl_excess,
)
_OF_A_CLIENT = (
    client.client_timeout,
    client.client_retries,
    client.client_protocol,
    client.client_pool,
    client.client_health,
)


_OF_KEYS = (keyspace.shared_database, keyspace.prefix)
_OF_STORE = (topology.cluster, topology.sentinels, probes.canary, probes.feed)

#: Each line that there may be; most look at servers, and are left out where there is none.
NAMES = (
    topology.reachable.__name__,
    *(look.__name__ for look in (*_OF_STORE, *_OF_A_CLIENT, *_OF_EACH_SERVER, *_OF_KEYS)),
    *app.NAMES,
)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    look: Callable[[], Judgement | None]
    where: str = ""

    def finding(self) -> Finding | None:
        try:
            judgement = self.look()
        except Unanswered as error:
            judgement = _unanswered(error)
        return None if judgement is None else Finding.of(self.name, judgement, self.where)


def examine(authority: Authority, *names: str, debug: bool | None = None) -> list[Finding]:
    """Look at the lines of these names, or at all: for some seconds where there are many keys.

    ``debug`` is whether the app is in debug mode, which an authority does not know. It writes
    a key under the prefix, which is gone soon, and publishes a number on the feed.

    :raises Outage: Redis cannot be asked at all.
    :raises ValueError: there is no such line.
    """
    for name in names:
        if name not in NAMES:
            raise ValueError(f"there is no line {name}; there are {', '.join(NAMES)}")
    found = servers(authority.store)
    of_app = app.settings(authority.config, authority.cookies, not found, debug)
    lines = [
        *_of_store(authority, found),
        *(line for one in found if one.missing is None for line in _of_server(authority, one)),
        *(_Line(*one) for one in of_app.items()),
    ]
    chosen = (line.finding() for line in lines if line.name in names or not names)
    return together(one for one in chosen if one is not None)


def _of_store(authority: Authority, found: list[Server]) -> Iterator[_Line]:
    if not found:
        return
    yield _Line("reachable", partial(topology.reachable, found))
    for look in _OF_STORE:
        yield _Line(look.__name__, partial(look, authority))
    if authority.store.is_handed_in:
        way = manner(authority.store.client)
        yield from (_Line(look.__name__, partial(look, way)) for look in _OF_A_CLIENT)


def _of_server(authority: Authority, server: Server) -> Iterator[_Line]:
    for look in _OF_EACH_SERVER:
        yield _Line(look.__name__, partial(look, authority, server), server.name)
    keys = cache(partial(keyspace.keyspace, authority, server))
    for of_keys in _OF_KEYS:
        yield _Line(of_keys.__name__, partial(_of_keys, of_keys, keys), server.name)


def _of_keys(
    look: Callable[[keyspace.Keyspace], Judgement], keys: Callable[[], keyspace.Keyspace]
) -> Judgement:
    return look(keys())


def _unanswered(error: Unanswered) -> Judgement:
    remedy = (
        "allow it: docs/redis.md, operator and doctor" if error.refused else "see the other lines"
    )
    return unknown(f"not told: {error}", remedy)
