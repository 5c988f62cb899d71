"""One Redis: asked in one round trip, written in one transaction."""

from __future__ import annotations

import itertools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
from redis.exceptions import AskError, MovedError, RedisClusterException

from ..errors import BrokenData, Outage
from .breaker import Breaker
from .client import Client
from .held import Held
from .interrupted import Interruptible, abandon
from .keys import Keys
from .question import Command, Question
from .replicas import Replicas, counting
from .replies import Pairs, pairs, texts
from .transaction import Transaction

T = TypeVar("T")

log = logging.getLogger("flask_jwt_revoke")

# Writes when a session was last seen into its record, once a minute.
# KEYS[1]: the sessions of a subject. ARGV: sid, now, seconds between two writes, seconds
# after which a session is idle (0: never), when it is not seen any more.
# The record begins with "[" and the ten digits of the last time. Answers 1 if it wrote.
_TOUCH = """
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then
    return 0
end
local since = tonumber(ARGV[2]) - tonumber(string.sub(record, 2, 11))
if since < tonumber(ARGV[3]) or (ARGV[4] ~= '0' and since >= tonumber(ARGV[4])) then
    return 0
end
redis.call('HSET', KEYS[1], ARGV[1], '[' .. ARGV[2] .. string.sub(record, 12))
return 1
"""

_FAILURES = (redis.RedisError, RedisClusterException, OSError)
# Time-outs that a write may take: it asks several times, and may have to begin again.
_PATIENCE = 2


class Store:
    """One Redis. Any failure to ask it is an :class:`Outage`."""

    def __init__(
        self,
        connect: Callable[[], Client],
        keys: Keys,
        *,
        leeway: float,
        timeout: float,
        breaker: Breaker,
        owned: bool = True,
        wait_replicas: int = 0,
    ) -> None:
        self.keys = keys
        self.breaker = breaker
        self._connect = connect
        self._owned = owned
        self._leeway = leeway
        self._timeout = timeout
        self._wait_replicas = wait_replicas
        self._made: Client = None
        self._held: Held | None = None
        self._lock, self._pid = threading.Lock(), os.getpid()

    @property
    def client(self) -> Client:
        """The redis-py client, made on first use."""
        if self._made is None:
            if self._pid != os.getpid():
                # A lock that another thread held at the fork is never released here.
                self._lock, self._pid = threading.Lock(), os.getpid()
            # Nobody waits behind a connect that may not come about.
            if not self._lock.acquire(timeout=self._timeout):
                raise redis.TimeoutError("another thread is connecting")
            try:
                if self._made is None:
                    self._made = self._connect()
            finally:
                self._lock.release()
        return self._made

    @property
    def is_handed_in(self) -> bool:
        """Whether the client is not our own."""
        return not self._owned

    def close(self) -> None:
        """Close the connections, but not a client that was handed in."""
        if not self._owned:
            return
        with self._lock:
            made, self._made = self._made, None
            held, self._held = self._held, None
        if held is not None:
            held.close()
        if made is not None:
            made.close()

    def read(self, question: Question) -> list[Any]:
        """Ask in one round trip. A dropped connection is tried once more, a time-out is not.

        Connecting included, it takes no longer than the time-out. (A client that moves its
        connections itself, or was handed in, takes its own time for each step.)

        :raises Outage: there was no answer, or the breaker is open.
        """
        self.breaker.admit()
        until = time.monotonic() + self._timeout
        try:
            try:
                answers = self._answers(question, until)
            except redis.ConnectionError:
                if time.monotonic() >= until:
                    raise
                answers = self._answers(question, until)
        except _FAILURES as error:
            raise self._outage(error, question.commands[0][1]) from error
        self.breaker.succeeded()
        return answers

    def touch(self, subject: str, sid: str, now: float, interval: float, idle: float) -> Command:
        """The command that writes when a session was last seen, for ``read`` to carry along."""
        seconds = (str(int(now)), str(int(interval)), str(int(idle)))
        return ("EVAL", _TOUCH, "1", self.keys.sessions(subject), sid, *seconds)

    def listed(self, subject: str, most: int = 0) -> Pairs:
        """The index: each jti with its exp; the ``most`` that expire first, or all."""
        key = self.keys.tokens(subject)
        return pairs(self.read(Question(("ZRANGE", key, "0", str(most - 1), "WITHSCORES")))[0])

    def is_blocked(self, subject: str) -> bool:
        return self.read(Question(("GET", self.keys.blocked(subject))))[0] is not None

    def session_records(self, subject: str) -> dict[str, str]:
        return texts(self.read(Question(("HGETALL", self.keys.sessions(subject))))[0])

    def transact(
        self,
        subject: str,
        now: float,
        body: Callable[[Transaction], T],
        *,
        watch: Sequence[str] = (),
        missed: Callable[[], None] = lambda: None,
    ) -> T:
        """Run what ``body`` queues as one MULTI, and return what it returns.

        With ``watch`` the body first reads, then calls ``begin``; it runs again when the
        watched keys have changed in between. Nothing is sent twice after a failure, because
        the first time may have been carried out. ``missed`` is called where replicas were
        awaited and too few have it.

        It ends after twice the time-out. (A client that moves its connections itself, or was
        handed in, takes its own time for each step; it begins none after that.)

        :raises Outage: it is unknown whether the transaction was carried out.
        """
        self.breaker.admit()
        until = time.monotonic() + _PATIENCE * self._timeout
        about = f"{self.keys.base(subject)}*"
        with self._outages(about), self._pipeline(until) as pipe:
            for attempt in itertools.count():
                try:
                    if watch:
                        pipe.watch(*watch)
                    replicas = self._replicas(pipe, until)
                    transaction = Transaction(
                        pipe, self.keys, subject, now, self._leeway, replicas=replicas
                    )
                    result = body(transaction)
                    transaction.commit()
                    self.breaker.succeeded()
                    if replicas is not None and replicas.are_missing:
                        missed()
                    return result
                except (redis.WatchError, MovedError, AskError) as error:
                    # redis-py says of a failure, too, that a watched key had changed.
                    if "one or more keys" in str(error):
                        raise self._outage(error, about) from error
                    # Refused as a whole, so nothing was carried out.
                    if not isinstance(error, redis.WatchError):
                        abandon(pipe)  # which ends the WATCH on the node that was asked
                    pipe.reset()
                    time.sleep(random.random() * min(attempt, 10) / 1000)  # noqa: S311 - jitter
                    if time.monotonic() > until:
                        break
        raise Outage("Too many writers at once for this subject.")

    def _answers(self, question: Question, until: float) -> list[Any]:
        held = self._held or self._hold()
        if held is not None:
            return _without_errors(question.commands, held.ask(question, until))
        if len(question.commands) == 1:
            return [self.client.execute_command(*question.commands[0])]
        with self.client.pipeline(transaction=False) as pipe:
            for command in question.commands:
                pipe.execute_command(*command)
            return _without_errors(question.commands, pipe.execute(raise_on_error=False))

    def _hold(self) -> Held | None:
        client = self.client
        if self._holds(client):
            self._held = Held(client.connection_pool, self._timeout)
        return self._held

    @contextmanager
    def _pipeline(self, until: float) -> Iterator[Any]:
        held = self._held or self._hold()
        if held is not None:
            with held.lend(until) as connection:
                yield Interruptible.of(self.client, connection)
            return
        client = self.client
        pipe = counting(client) if self._wait_replicas else client.pipeline(transaction=True)
        try:
            yield pipe
        except BaseException:
            abandon(pipe)
            raise
        finally:
            pipe.reset()

    def _replicas(self, pipe: Any, until: float) -> Replicas | None:
        if not self._wait_replicas:
            return None
        replicas = Replicas(self._wait_replicas, until)
        replicas.are_counted_by(pipe)
        return replicas

    @contextmanager
    def _outages(self, about: str) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise self._outage(error, about) from error

    def _outage(self, error: Exception, about: str) -> Outage:
        if not isinstance(error, redis.ResponseError):
            self.breaker.failed(error)
            return Outage()
        # It answers: a full server, say, still tells what is revoked.
        log.warning("Redis refuses: %s (of %s)", error, about)
        return BrokenData() if _is_of_broken_data(error) else Outage()

    def _holds(self, client: Client) -> bool:
        """Only for a plain pool of ours: the others move their connections themselves."""
        pool = getattr(client, "connection_pool", None)
        return self._owned and type(client) is redis.Redis and type(pool) is redis.ConnectionPool


def _is_of_broken_data(error: redis.ResponseError) -> bool:
    """A key of another type, or a version that is no number."""
    said = str(error)
    return "WRONGTYPE" in said or "not an integer" in said


def _without_errors(commands: Sequence[Command], answers: list[Any]) -> list[Any]:
    for command, answer in zip(commands, answers, strict=True):
        if isinstance(answer, Exception):
            if command[0] != "EVAL":
                raise answer
            # A server that takes no writes still answers what was asked.
            log.warning("It could not be written when a session was last seen: %s", answer)
    return answers


@contextmanager
def outage() -> Iterator[None]:
    """Any failure of an operator's question is an :class:`Outage`; no breaker stands before it."""
    try:
        yield
    except _FAILURES as error:
        log.warning("Redis cannot be asked: %s: %s", type(error).__name__, error)
        raise Outage() from error
