"""Subjects by the hundred thousand: copies of one that the package's own verbs have written.

Their ids are the same and only their names differ, which takes as many bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import redis
from redis.client import Pipeline

from .fairness import Unfair
from .signed_in import SUBJECT

BATCH = 500  # subjects
# An allocator's step; and a skip list throws dice for its levels.
TOLERANCE = 16  # bytes
RELATIVE_TOLERANCE = 0.02

Copy = Callable[[Pipeline, bytes], object]


def copy_subject(client: redis.Redis, copies: int) -> None:
    """:raises Unfair: a copy takes more or less memory than what it was copied from."""
    originals = {key: _copier(client, key) for key in _of_subject(client)}
    with client.pipeline(transaction=False) as pipe:
        for number in range(1, copies + 1):
            for key, copy in originals.items():
                copy(pipe, _named(key, number))
            if number % BATCH == 0:
                pipe.execute()
        pipe.execute()
    for key in originals:
        _check(client, key, _named(key, copies))


def _of_subject(client: redis.Redis) -> list[bytes]:
    return [key for key in client.scan_iter() if SUBJECT.encode() in key]


def _copier(client: redis.Redis, key: bytes) -> Copy:
    """COPY would allocate at once what grows element by element here."""
    kind, ttl = client.type(key), client.pttl(key)
    if kind == b"string":
        return lambda pipe, name: pipe.copy(key, name)
    if kind == b"hash":
        add, elements = Pipeline.hset, list(client.hgetall(key).items())
    else:
        scores = client.zrange(key, 0, -1, withscores=True)
        add, elements = Pipeline.zadd, [({member: score},) for member, score in scores]

    def copy(pipe: Pipeline, name: bytes) -> None:
        for element in elements:
            add(pipe, name, *element)
        pipe.pexpire(name, ttl)

    return copy


def _named(key: bytes, number: int) -> bytes:
    return key.replace(SUBJECT.encode(), b"u%07d" % number, 1)


def _check(client: redis.Redis, key: bytes, copied: bytes) -> None:
    sizes = [client.memory_usage(name, samples=0) or 0 for name in (key, copied)]
    if abs(sizes[1] - sizes[0]) > TOLERANCE + RELATIVE_TOLERANCE * sizes[0]:
        raise Unfair(f"{key!r} takes {sizes[0]} bytes, its copy {sizes[1]}")
