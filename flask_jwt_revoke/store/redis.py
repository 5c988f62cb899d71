"""The verbs as pipelines: what is read in one round trip, what is written in one MULTI."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
from redis.exceptions import AskError, MovedError, RedisClusterException

from ..errors import Outage
from .client import Client
from .keys import Keys, remaining_ms

T = TypeVar("T")
Pairs = list[tuple[str, float]]

log = logging.getLogger("flask_jwt_revoke")

_FAILURES = (redis.RedisError, RedisClusterException, OSError)
_ATTEMPTS = 50


class Reply:
    """The answer to one queued command, there once its transaction is through."""

    __slots__ = ("value",)
    value: Any


class Transaction:
    """Commands of one subject that Redis runs all or not at all.

    ``now`` and every ``until`` are Unix times in seconds; each TTL is relative and
    includes the leeway, so neither clock can end an entry before its token. ``pipe`` is
    redis-py's pipeline, for a strategy that needs another command.
    """

    def __init__(self, pipe: Any, keys: Keys, subject: str, now: float, leeway: float) -> None:
        self.pipe = pipe
        self.keys = keys
        self.subject = subject
        self.now = now
        self._leeway = leeway
        self._replies: dict[int, Reply] = {}

    def begin(self) -> None:
        """End the reads of a watched transaction: from here on commands are queued."""
        self.pipe.multi()

    def session_record(self, sid: str) -> str | None:
        record = self.pipe.hget(self.keys.sessions(self.subject), sid)
        return None if record is None else _text(record)

    def is_revoked(self, id: str) -> bool:
        return self.pipe.get(self.keys.revoked(self.subject, id)) is not None

    def version(self, until: float) -> Reply:
        """Begin the version at the clock where there is none, let it live until, read it."""
        key = self.keys.version(self.subject)
        self._begin_version(key, until)
        self.pipe.get(key)
        return self._reply()

    def raise_version(self, until: float) -> None:
        key = self.keys.version(self.subject)
        self._begin_version(key, until)
        self.pipe.incr(key)

    def index(self, tokens: Mapping[str, float]) -> None:
        """Add jti to exp, and drop what has expired."""
        key = self.keys.tokens(self.subject)
        self.pipe.zremrangebyscore(key, "-inf", self.now - self._leeway)
        self.pipe.zadd(key, dict(tokens))
        self._keep(key, max(tokens.values()))

    def unindex(self, ids: Iterable[str]) -> None:
        self._each(self.pipe.zrem, self.keys.tokens(self.subject), ids)

    def listed(self) -> Reply:
        """Every jti still in the index, with its exp."""
        self.pipe.zrange(self.keys.tokens(self.subject), 0, -1, withscores=True)
        return self._reply()

    def revoke(self, id: str, mark: str, until: float) -> None:
        """Refuse a jti or sid from now on; the first mark stays, the longest life wins."""
        ttl = remaining_ms(until + self._leeway, self.now)
        if ttl > 0:
            key = self.keys.revoked(self.subject, id)
            self.pipe.set(key, mark, px=ttl, nx=True)
            self.pipe.pexpire(key, ttl, gt=True)

    def revoke_all(self, tokens: Pairs, mark: str) -> None:
        """Refuse many jtis that are not revoked yet, and take them off the index."""
        for jti, until in tokens:
            ttl = remaining_ms(until + self._leeway, self.now)
            if ttl > 0:
                self.pipe.set(self.keys.revoked(self.subject, jti), mark, px=ttl)
        self.unindex(jti for jti, _ in tokens)

    def put_session(self, sid: str, record: str, until: float) -> None:
        key = self.keys.sessions(self.subject)
        self.pipe.hset(key, sid, record)
        self._keep(key, until)

    def drop_sessions(self, sids: Iterable[str]) -> None:
        self._each(self.pipe.hdel, self.keys.sessions(self.subject), sids)

    def drop_all_sessions(self) -> None:
        self.pipe.delete(self.keys.sessions(self.subject))

    def commit(self) -> None:
        answers = self.pipe.execute()
        for position, reply in self._replies.items():
            reply.value = answers[position]

    def _begin_version(self, key: str, until: float) -> None:
        ttl = remaining_ms(until + self._leeway, self.now)
        self.pipe.set(key, int(self.now * 1000), px=ttl, nx=True)
        self.pipe.pexpire(key, ttl, gt=True)

    def _keep(self, key: str, until: float) -> None:
        # GT alone does nothing to a key without a TTL, which counts as endless.
        ttl = remaining_ms(until + self._leeway, self.now)
        self.pipe.pexpire(key, ttl, nx=True)
        self.pipe.pexpire(key, ttl, gt=True)

    @staticmethod
    def _each(command: Callable[..., Any], key: str, members: Iterable[str]) -> None:
        found = list(members)
        if found:
            command(key, *found)

    def _reply(self) -> Reply:
        reply = self._replies[len(self.pipe) - 1] = Reply()
        return reply


class Store:
    """One Redis. Any failure to ask it is an :class:`Outage`."""

    def __init__(
        self, connect: Callable[[], Client], keys: Keys, *, leeway: float, timeout: float
    ) -> None:
        self.keys = keys
        self._connect = connect
        self._leeway = leeway
        self._timeout = timeout
        self._held: Client = None
        self._lock = threading.Lock()

    @property
    def client(self) -> Client:
        """The redis-py client, made on first use."""
        if self._held is None:
            with self._lock:
                if self._held is None:
                    self._held = self._connect()
        return self._held

    def close(self) -> None:
        with self._lock:
            held, self._held = self._held, None
        if held is not None:
            held.close()

    def read(self, *command: str) -> Any:
        """Ask in one round trip. A dropped connection is tried once more, a time-out is not."""
        return self._ask(lambda client: client.execute_command(*command))

    def listed(self, subject: str) -> Pairs:
        """The index: each jti with its exp."""
        key = self.keys.tokens(subject)
        return _pairs(self._ask(lambda client: client.zrange(key, 0, -1, withscores=True)))

    def session_records(self, subject: str) -> dict[str, str]:
        key = self.keys.sessions(subject)
        records = self._ask(lambda client: client.hgetall(key))
        return {_text(sid): _text(record) for sid, record in records.items()}

    def transact(
        self,
        subject: str,
        now: float,
        body: Callable[[Transaction], T],
        *,
        watch: Sequence[str] = (),
    ) -> T:
        """Run what ``body`` queues as one MULTI, and return what it returns.

        With ``watch`` the body first reads, then calls ``begin``; it runs again when the
        watched keys have changed in between. Nothing is sent twice after a failure, because
        the first time may have been carried out.

        :raises Outage: it is unknown whether the transaction was carried out.
        """
        with _outage(), self.client.pipeline(transaction=True) as pipe:
            for attempt in range(_ATTEMPTS):
                try:
                    if watch:
                        pipe.watch(*watch)
                    transaction = Transaction(pipe, self.keys, subject, now, self._leeway)
                    result = body(transaction)
                    transaction.commit()
                    return result
                except (redis.WatchError, MovedError, AskError):
                    # Refused as a whole, so nothing was carried out.
                    pipe.reset()
                    time.sleep(random.random() * min(attempt, 10) / 1000)  # noqa: S311 - jitter
        raise Outage("Too many writers at once for this subject.")

    def _ask(self, call: Callable[[Client], T]) -> T:
        started = time.monotonic()
        try:
            return call(self.client)
        except redis.ConnectionError as error:
            if time.monotonic() - started >= self._timeout:
                raise _logged(error) from error
        except _FAILURES as error:
            raise _logged(error) from error
        with _outage():
            return call(self.client)


def pairs_of(reply: Reply) -> Pairs:
    return _pairs(reply.value)


@contextmanager
def _outage() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise _logged(error) from error


def _logged(error: Exception) -> Outage:
    log.warning("Redis cannot be asked: %s: %s", type(error).__name__, error)
    return Outage()


def _pairs(found: Iterable[tuple[Any, float]]) -> Pairs:
    return [(_text(member), float(score)) for member, score in found]


def _text(value: Any) -> str:
    # A client that the app hands in may decode replies already.
    return value.decode() if isinstance(value, bytes) else str(value)
