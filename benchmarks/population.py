"""Subjects by the million, written as fast as Redis reads: raw commands over its socket.

They are copies of a subject that the package's own verbs have written, under other names.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterable, Iterator

import redis

from tests.servers import Server

from .fairness import Unfair
from .raw_mget import packed
from .signed_in import SUBJECT

BATCH = 2_000  # subjects
TTL_TOLERANCE = 300_000  # milliseconds that loading may take


def named(number: int) -> str:
    """As long as the subject that is copied."""
    return f"u{number:07d}"


def copy_to(server: Server, keys: Iterable[bytes], numbers: range) -> None:
    """Copy ``keys`` of the subject for each number.

    :raises Unfair: a copy is not what it was copied from.
    """
    kept = [key for key in keys if SUBJECT.encode() in key]
    with server.client() as client:
        template = b"".join(itertools.chain.from_iterable(_writes(client, key) for key in kept))
        before = client.dbsize()
        _pipe(server, template, numbers)
        grown = client.dbsize() - before
        if grown != len(numbers) * len(kept):
            raise Unfair(f"{grown} keys were written, not {len(numbers) * len(kept)}")
        for number in (numbers[0], numbers[len(numbers) // 2], numbers[-1]):
            for key in kept:
                _check(client, key, _renamed(key, number))


def _writes(client: redis.Redis, key: bytes) -> Iterator[bytes]:
    """The commands that write a key's value and TTL, as bytes on the wire."""
    kind, ttl = client.type(key), b"%d" % client.pttl(key)
    if kind == b"string":
        yield packed(b"SET", key, client.get(key), b"PX", ttl)
        return
    if kind == b"hash":
        yield packed(b"HSET", key, *itertools.chain(*client.hgetall(key).items()))
    else:
        scored = client.zrange(key, 0, -1, withscores=True)
        pairs = ((repr(score).encode(), member) for member, score in scored)
        yield packed(b"ZADD", key, *itertools.chain(*pairs))
    yield packed(b"PEXPIRE", key, ttl)


def _pipe(server: Server, template: bytes, numbers: range) -> None:
    subject = SUBJECT.encode()
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(60)
        wire.connect(str(server.socket))
        # Nothing is answered, so nobody waits for an answer; what stands there is counted.
        wire.sendall(packed(b"CLIENT", b"REPLY", b"OFF"))
        for first in range(numbers.start, numbers.stop, BATCH):
            batch = range(first, min(first + BATCH, numbers.stop))
            copies = [template.replace(subject, b"u%07d" % number) for number in batch]
            wire.sendall(b"".join(copies))
        wire.sendall(packed(b"CLIENT", b"REPLY", b"ON"))
        if wire.recv(16) != b"+OK\r\n":
            raise Unfair("Redis did not read all that was sent")


def _renamed(key: bytes, number: int) -> bytes:
    return key.replace(SUBJECT.encode(), named(number).encode(), 1)


def _check(client: redis.Redis, key: bytes, copy: bytes) -> None:
    same = client.dump(key) == client.dump(copy)
    if not same or abs(client.pttl(key) - client.pttl(copy)) > TTL_TOLERANCE:
        raise Unfair(f"{copy!r} is not what the package writes as {key!r}")
