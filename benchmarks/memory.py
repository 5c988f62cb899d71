"""Bytes in Redis: how much its ``used_memory`` grows by what the package's verbs write."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from redis import Redis

from flask_jwt_revoke import Authority
from tests.redis_page import administrator
from tests.servers import Server

from .copies import copy_subject
from .fairness import Unfair
from .figures import Figures, Row
from .signed_in import JTI, SUBJECT, authority, sign_in

MEMORY = "memory"
WARM_UP = 2_000  # entries
PATIENCE = 50  # looks, at five a second
STILL = 1024  # bytes
#: A uuid that begins with the subject's name, so that its copies differ.
PEER_KEY = f"{SUBJECT}-9f3b-4d6e-8a2c-7e5d8b4f6a10"


@dataclass(frozen=True)
class Entries:
    """``write`` writes what one subject has, ``per_subject`` entries.

    Of the keys only those with ``kept`` in their name are counted.
    """

    key: str
    label: str
    per_subject: int
    write: Callable[[Authority], None]
    kept: str = ""
    ours: bool = True


def revoked(authority: Authority) -> None:
    expires_at = authority.clock() + authority.config.access_lifetime
    authority.revoke({"sub": SUBJECT, "jti": JTI, "exp": expires_at}, reason="logout")


def peers_pattern(authority: Authority) -> None:
    with Redis.from_url(administrator(authority.config.redis_url or "")) as client:
        client.set(PEER_KEY, "", ex=int(authority.config.access_lifetime))


def sessions(count: int) -> Callable[[Authority], None]:
    def write(authority: Authority) -> None:
        sign_in(authority, count)

    return write


def rotated(count: int, after: float) -> Callable[[Authority], None]:
    """Each session exchanged its refresh token once, ``after`` so many seconds."""

    def write(authority: Authority) -> None:
        pairs = sign_in(authority, count)
        authority.clock.now += after
        for pair in pairs:
            authority.rotate(pair.refresh)

    return write


ENTRIES = (
    Entries("revoked", "revoked token, readable value", 1, revoked),
    Entries("peer", "peer's pattern: uuid key, empty value", 1, peers_pattern, ours=False),
    *(
        Entries(
            f"indexed {n}", f"indexed token, {n:,} tokens a subject", n, sessions(n // 2), "tokens"
        )
        for n in (2, 6, 20, 100, 1000)
    ),
    *(
        Entries(f"session {n}", f"session with all its keys, {n} a subject", n, sessions(n))
        for n in (1, 2, 3, 5)
    ),
    Entries("rotated", "session just rotated, 3 a subject", 3, rotated(3, 60)),
    Entries("rotated late", "session rotated at access expiry, 3 a subject", 3, rotated(3, 900)),
)


def measure(binary: str, entries: int, advance: Callable[[], None]) -> Figures:
    """``advance`` is called after each row."""
    how = f"growth of used_memory by {entries:,} entries; subjects of {len(SUBJECT)} characters"
    rows = [Row(one.key, one.label, one.ours) for one in ENTRIES]
    figures = Figures(MEMORY, how, "bytes", rows)
    for one in ENTRIES:
        figures.add(one.key, bytes_each(binary, one, entries))
        advance()
    return figures


def bytes_each(binary: str, one: Entries, entries: int) -> float:
    with closing(Server(binary)) as server:
        # What Redis allocates at the first command of a kind is no entry's.
        fill(server, one, WARM_UP // one.per_subject)
        with server.client() as client:
            client.flushall()
        before = used_memory(server)
        subjects = entries // one.per_subject
        fill(server, one, subjects)
        return (used_memory(server) - before) / (subjects * one.per_subject)


def fill(server: Server, one: Entries, subjects: int) -> None:
    with closing(authority(server.url)) as first:
        one.write(first)
    # Gone, with its buffers, before anything is read.
    with server.client() as client:
        for key in list(client.scan_iter()):
            if one.kept.encode() not in key:
                client.delete(key)
        copy_subject(client, subjects - 1)


def used_memory(server: Server) -> int:
    """Once tables that grow have grown: until it stands still.

    :raises Unfair: it does not.
    """
    seen = 0
    with server.client() as client:
        for _ in range(PATIENCE):
            last, seen = seen, client.info("memory")["used_memory"]
            if abs(seen - last) < STILL:
                return seen
            time.sleep(0.2)
    raise Unfair("used_memory does not stand still")
