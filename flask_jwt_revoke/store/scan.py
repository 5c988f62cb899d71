"""All keys of an app, looked through without holding up the server: for operators alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import redis

from .client import Client
from .question import Command
from .redis import Store, outage

T = TypeVar("T")

_COUNT = 250
_ATTEMPTS = 5
_PAUSE = 0.2  # seconds; doubled at each attempt


class Work:
    """How long Redis has worked for a scan. However busy it is: what that takes, it gets back."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._asked = 0.0

    @contextmanager
    def of_redis(self) -> Iterator[None]:
        before = time.monotonic()
        yield
        self._asked += time.monotonic() - before

    def rest(self) -> None:
        """Wait until Redis has been left alone for as long as it was asked."""
        elapsed = time.monotonic() - self._started
        time.sleep(max(0.0, 2 * self._asked - elapsed))


@dataclass(frozen=True, slots=True)
class Batch:
    """Keys of one primary. ``looked_at`` is how many keys it took to find them, about."""

    keys: list[str]
    looked_at: int
    _primary: Client
    _work: Work

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Ask for all in one round trip; None stands for an error.

        :raises Outage: Redis could not be asked.
        """
        if not commands:
            return []
        with outage(), self._work.of_redis():
            return _patiently(lambda: _answers(self._primary, commands))


class Scan:
    """SCAN on each primary, in small steps that leave the server half of the time.

    Redis finds a key twice, now and then, while it makes its table larger or smaller.
    """

    def __init__(self, store: Store, pattern: str, key: str | None = None) -> None:
        """``key``: only the primary that has it is asked.

        :raises Outage: Redis could not be asked.
        """
        with outage():
            self._primaries = _primaries(store.client, key)
            #: How many keys there are on these primaries, of other apps too.
            self.size = sum(int(one.dbsize()) for one in self._primaries)
        self._pattern = pattern

    def batches(self) -> Iterator[Batch]:
        """:raises Outage: Redis could not be asked."""
        for primary in self._primaries:
            cursor: Any = None
            while cursor != 0:
                work = Work()
                with outage(), work.of_redis():
                    cursor, names = _patiently(lambda: self._step(primary, cursor or 0))  # noqa: B023
                keys = [name for name in map(_ascii, names) if name]
                yield Batch(keys, _COUNT, primary, work)
                work.rest()

    def calls(self, command: str) -> int | None:
        """How often a command has been run; None where the server does not tell."""
        try:
            found = [one.info("commandstats") for one in self._primaries]
        except redis.ResponseError:
            return None
        return sum(int(one.get(f"cmdstat_{command}", {}).get("calls", 0)) for one in found)

    def _step(self, primary: Client, cursor: int) -> tuple[int, list[Any]]:
        found, names = primary.scan(cursor, match=self._pattern, count=_COUNT)
        return int(found), names


def _primaries(client: Client, key: str | None) -> list[Client]:
    if not isinstance(client, redis.RedisCluster):
        return [client]
    nodes = client.get_primaries() if key is None else [client.get_node_from_key(key)]
    return [client.get_redis_connection(node) for node in nodes]


def _answers(primary: Client, commands: Sequence[Command]) -> list[Any]:
    with primary.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        answers = pipe.execute(raise_on_error=False)
    return [None if isinstance(one, Exception) else one for one in answers]


def _patiently(call: Callable[[], T]) -> T:
    """Read again after a while: a look at millions of keys may meet a stall."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            return call()
        except (redis.ConnectionError, redis.TimeoutError):
            time.sleep(_PAUSE * 2**attempt)
    return call()


def _ascii(name: Any) -> str | None:
    """None for a key that is not one of ours, whatever its name is like."""
    try:
        return name if isinstance(name, str) else str(name, "ascii")
    except UnicodeDecodeError:
        return None
