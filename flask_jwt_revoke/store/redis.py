"""One Redis: asked in one round trip, written in one transaction."""

from __future__ import annotations

import itertools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import redis
from redis.cluster import ClusterPipeline
from redis.exceptions import AskError, MovedError, RedisClusterException

from ..errors import BrokenData, Outage, SignInRefused, TokenRefused
from .announcement import Announcer
from .breaker import LOG_INTERVAL, Breaker, Breakers
from .canary import Canaries, Look, shares
from .client import Client
from .held import Held
from .interrupted import Interruptible, abandon
from .keys import Keys
from .question import Command, Question
from .replicas import Replicas, counting
from .replies import Pairs, pairs, texts
from .slots import audit_key, audit_keys
from .transaction import Reply, Transaction

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
_AT_ONCE = 200
_CAUSES = 100


class Store:
    """One Redis. Any failure to ask it is an :class:`Outage`.

    ``lost`` is called with the store once it is noticed that Redis has lost its data, and with
    what to call if that is to be noticed again.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        keys: Keys,
        *,
        leeway: float,
        timeout: float,
        breakers: Breakers,
        announcer: Announcer,
        lost: Callable[[Store, Callable[[], None]], None],
        owned: bool = True,
        wait_replicas: int = 0,
    ) -> None:
        self.keys = keys
        self.breakers = breakers
        self._connect = connect
        self._owned = owned
        self._leeway = leeway
        self._timeout = timeout
        self._wait_replicas = wait_replicas
        self._announcer = announcer
        self._lost = lost
        self._log_at: dict[str, float] = {}
        self._canaries = Canaries(keys)
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
        Where it is time to look at the canary, the question carries that along.

        :raises Outage: there was no answer, or the breaker is open.
        """
        return self._read(question, looks=True)

    def look(self) -> None:
        """Look at the canary if it is time. A failure is left to those who ask and write."""
        with suppress(Outage, *_FAILURES):
            for look in self._canaries.looks(self.client):
                self._look_now(look)

    def canaries(self) -> dict[str, bool]:
        """Each canary's key, and whether it is there: those of a cluster come with its writes.

        :raises Outage: Redis could not be asked.
        """
        keys = shares(self._connected("the canaries"), self.keys)
        found = self._read(Question(*(("GET", key) for key in keys)), looks=False)
        return {key: value is not None for key, value in zip(keys, found, strict=True)}

    def _read(self, question: Question, *, looks: bool) -> list[Any]:
        key = question.commands[0][1]
        breaker = self._admitted(key)
        until = time.monotonic() + self._timeout
        try:
            look = self._canaries.look(self.client, key) if looks else None
            asked = question if look is None else question.also(*look.commands)
            try:
                answers = self._answers(asked, until)
            except redis.ConnectionError:
                if time.monotonic() >= until:
                    raise
                answers = self._answers(asked, until)
        except _FAILURES as error:
            raise self._outage(error, key, breaker) from error
        breaker.succeeded()
        if look is None:
            return answers
        self._heard(look, answers[-1])
        return answers[: len(question.commands)]

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

    def audit_keys(self, subject: str | None = None) -> list[str]:
        """The streams of the audit trail in which something of a subject, or of any, may be.

        :raises Outage: Redis could not be asked.
        """
        if not isinstance(self._connected("the audit trail"), redis.RedisCluster):
            return [self.keys.audit()]
        return audit_keys(self.keys) if subject is None else [audit_key(self.keys, subject)]

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
        breaker = self._admitted(self.keys.version(subject))
        until = time.monotonic() + _PATIENCE * self._timeout
        about = f"{self.keys.base(subject)}*"
        with self._outages(about, breaker), self._pipeline(until) as pipe:
            look = self._canaries.look(
                self.client, self.keys.version(subject), writes=True, safely=True
            )
            for attempt in itertools.count():
                try:
                    if watch:
                        pipe.watch(*watch)
                    replicas = self._replicas(pipe, until)
                    transaction = self._transaction(pipe, subject, now, replicas)
                    result = body(transaction)
                    seen = _carried(transaction, look)
                    transaction.commit()
                    breaker.succeeded()
                    break
                except (redis.WatchError, MovedError, AskError) as error:
                    self._begin_again(pipe, error)
                    if time.monotonic() > until:
                        raise Outage("Too many writers at once for this subject.") from error
                    time.sleep(random.random() * min(attempt, 10) / 1000)  # noqa: S311 - jitter
                except (TokenRefused, SignInRefused):
                    # By what was read: Redis has answered.
                    breaker.succeeded()
                    raise
        if look is not None:
            self._heard(look, seen.value) if seen else self._look_now(look)
        if replicas is not None and replicas.are_missing:
            missed()
        return result

    def _begin_again(self, pipe: Any, error: Exception) -> None:
        """After what was refused as a whole, so that nothing was carried out."""
        if "one or more keys" in str(error):
            raise error  # redis-py says of a failure, too, that a key had changed
        if not isinstance(error, redis.WatchError):
            abandon(pipe)  # which ends the WATCH on the node that was asked
        pipe.reset()

    def restore(
        self, now: float, writes: Mapping[str, Callable[[Transaction], list[Reply]]]
    ) -> None:
        """Write for many subjects, and tell the feed of those of whom something was missing.

        On a cluster each subject takes a transaction, elsewhere they share some. A subject
        into whose keys somebody has written does not keep the others from it.

        :raises Outage: some of it may not have been carried out.
        """
        replies = self._write_all(now, writes)
        missed = [subject for subject, found in replies.items() if any(one.value for one in found)]
        self._write_all(now, dict.fromkeys(missed, Transaction.announce_restored))

    def _write_all(
        self, now: float, writes: Mapping[str, Callable[[Transaction], T]]
    ) -> dict[str, T]:
        found: dict[str, T] = {}
        subjects = list(writes)
        is_cluster = isinstance(self._connected("what is written back"), redis.RedisCluster)
        step = 1 if is_cluster else _AT_ONCE
        for start in range(0, len(subjects), step):
            at_once = subjects[start : start + step]
            breaker = self._admitted(self.keys.version(at_once[0]))
            until = time.monotonic() + _PATIENCE * self._timeout
            with self._outages("what is written back", breaker), self._pipeline(until) as pipe:
                some: list[Transaction] = []
                whose: list[str] = []
                for subject in at_once:
                    some.append(self._transaction(pipe, subject, now))
                    found[subject] = writes[subject](some[-1])
                    whose += [subject] * (len(pipe) - len(whose))
                # A server that takes no writes has none of it, and that is raised.
                answers = pipe.execute(raise_on_error=False)
                self._log_broken(whose, answers)
                for one in some:
                    one.take(answers)
            breaker.succeeded()
        return found

    def _log_broken(self, whose: Sequence[str], answers: Sequence[Any]) -> None:
        for subject, answer in zip(whose, answers, strict=True):
            if isinstance(answer, Exception):
                log.warning("%s*, written back: %s", self.keys.base(subject), answer)

    def _transaction(
        self, pipe: Any, subject: str, now: float, replicas: Replicas | None = None
    ) -> Transaction:
        return Transaction(
            pipe,
            self.keys,
            subject,
            now,
            leeway=self._leeway,
            announcer=self._announcer,
            replicas=replicas,
        )

    def _look_now(self, look: Look) -> None:
        with suppress(Outage):
            answers = self._read(Question(*look.commands), looks=False)
            self._heard(look, answers[-1])

    def _heard(self, look: Look, answer: Any) -> None:
        if not self._canaries.heard(look, answer):
            return
        try:
            self._lost(self, look.again)
        except BaseException:  # a receiver of the signal's, or an interruption
            look.again()
            raise
        if look.canary.value is None:
            self._look_now(Look(look.canary, writes=True, safely=True))

    def _answers(self, question: Question, until: float) -> list[Any]:
        held = self._held or self._hold()
        if held is not None:
            return self._without_errors(question, held.ask(question, until))
        if len(question.commands) == 1:
            return [self.client.execute_command(*question.commands[0])]
        with self.client.pipeline(transaction=False) as pipe:
            for command in question.commands:
                pipe.execute_command(*command)
            return self._without_errors(question, pipe.execute(raise_on_error=False))

    def _without_errors(self, question: Question, answers: list[Any]) -> list[Any]:
        needed = len(question.commands) - question.carried
        for position, answer in enumerate(answers):
            if isinstance(answer, Exception):
                name, *words = question.commands[position]
                if position < needed:
                    raise _named(answer, words[0])
                # A server that takes no writes still answers what was asked.
                if self._is_log_due(_cause(answer)):
                    log.warning("%s, carried along by a check: %s", name, answer)
        return answers

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
        replicas = Replicas(self._wait_replicas, until, self._is_log_due)
        replicas.are_counted_by(pipe)
        return replicas

    def _connected(self, about: str) -> Client:
        with self._outages(about, self.breakers.of(None, "")):
            return self.client

    def _admitted(self, key: str) -> Breaker:
        """:raises Outage: the breaker of the primary that has the key is open."""
        breaker = self.breakers.of(self._made, key)
        breaker.admit()
        return breaker

    @contextmanager
    def _outages(self, about: str, breaker: Breaker) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise self._outage(error, about, breaker) from error

    def _outage(self, error: Exception, about: str, breaker: Breaker) -> Outage:
        if not isinstance(error, redis.ResponseError):
            breaker.failed(error)
            return Outage()
        # It answers: a full server, say, still tells what is revoked.
        breaker.succeeded()
        is_broken, key = _is_of_broken_data(error), getattr(error, "key", about)
        # A key that is broken is another cause than the next one.
        is_due = self._is_log_due(f"{_cause(error)} {key}" if is_broken else _cause(error))
        log.log(
            logging.WARNING if is_due else logging.DEBUG, "Redis refuses: %s (of %s)", error, key
        )
        return BrokenData() if is_broken else Outage()

    def _is_log_due(self, cause: str) -> bool:
        """Once a minute for each."""
        now = time.monotonic()
        if now < self._log_at.get(cause, now):
            return False
        if len(self._log_at) >= _CAUSES:
            self._log_at.clear()
        self._log_at[cause] = now + LOG_INTERVAL
        return True

    def _holds(self, client: Client) -> bool:
        """Only for a plain pool of ours: the others move their connections themselves."""
        pool = getattr(client, "connection_pool", None)
        return self._owned and type(client) is redis.Redis and type(pool) is redis.ConnectionPool


def _cause(error: Exception) -> str:
    """Without what differs from question to question: redis-py puts the command before it, Redis
    names the arguments of a command that it does not know, and the slot that it does not have.
    """
    cause = str(error).rpartition(" caused error: ")[2].partition(", with args beginning")[0]
    return "MOVED" if cause.startswith("MOVED ") else cause


def _is_of_broken_data(error: redis.ResponseError) -> bool:
    """A key of another type."""
    return "WRONGTYPE" in str(error)


def _carried(transaction: Transaction, look: Look | None) -> Reply | None:
    """None in a cluster, where a transaction has one slot."""
    if look is None or isinstance(transaction.pipe, ClusterPipeline):
        return None
    return transaction.carry(look.commands)


def _named(error: Exception, key: str) -> Exception:
    """With the key of the command that it answers, of the several that were asked."""
    return _Refusal(str(error), key) if isinstance(error, redis.ResponseError) else error


class _Refusal(redis.ResponseError):
    def __init__(self, text: str, key: str) -> None:
        super().__init__(text)
        self.key = key


@contextmanager
def outage() -> Iterator[None]:
    """Any failure of an operator's question is an :class:`Outage`; no breaker stands before it."""
    try:
        yield
    except _FAILURES as error:
        log.warning("Redis cannot be asked: %s: %s", type(error).__name__, error)
        raise Outage() from error
