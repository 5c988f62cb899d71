"""Commands of one subject that Redis runs as one MULTI: all or not at all."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from redis.cluster import ClusterPipeline, PipelineCommand

from . import versions
from .announcement import Announcer
from .keys import Keys, mark, remaining_ms
from .question import Command
from .replicas import Replicas
from .replies import Pairs, text, texts
from .slots import SLOTS, audit_key

log = logging.getLogger("flask_jwt_revoke")

_SAMPLE = 16
# redis-py sends no PUBLISH in a transaction of a cluster. KEYS[1]: a key of the subject.
_PUBLISH = "return redis.call('PUBLISH', ARGV[1], ARGV[2])"

# Adds an entry to the audit trail with a count of what ends, which only Redis knows.
# KEYS: the trail, the tokens and the sessions of a subject. ARGV: how many entries to keep,
# since when tokens are live, 1 where sessions count too, then name and value of each field.
_APPEND = """
local count = redis.call('ZCOUNT', KEYS[2], ARGV[2], '+inf')
if ARGV[3] == '1' then
    count = count + redis.call('HLEN', KEYS[3])
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'count', count, unpack(ARGV, 4))
return count
"""


class Reply:
    """The answer to one queued command, there once its transaction is through."""

    __slots__ = ("value",)
    value: Any


def _queued(pipe: Any) -> Any:
    """The commands, which redis-py forgets with EXEC."""
    if isinstance(pipe, ClusterPipeline):
        return pipe._execution_strategy.command_queue
    return pipe.command_stack


def _words(command: Any) -> Any:
    return command.args if isinstance(command, PipelineCommand) else command[0]


class Transaction:
    """Commands of one subject that Redis runs all or not at all.

    ``now`` and every ``until`` are Unix times in seconds; each TTL is relative and
    includes the leeway, so neither clock can end an entry before its token. ``pipe`` is
    redis-py's pipeline, for a strategy that needs another command.
    """

    def __init__(
        self,
        pipe: Any,
        keys: Keys,
        subject: str,
        now: float,
        *,
        leeway: float,
        announcer: Announcer,
        replicas: Replicas | None = None,
    ) -> None:
        self.pipe = pipe
        self.keys = keys
        self.subject = subject
        self.now = now
        self._leeway = leeway
        self._announcer = announcer
        self._replicas = replicas
        self._replies: dict[int, Reply] = {}
        self._of_trail: set[int] = set()
        #: What the audit trail has to say of it, once it is through.
        self.entries: list[Any] = []

    def announce(self, mark: str, until: float | None, *ids: str) -> None:
        """Tell all processes what has ended; without an id, everything of the subject.

        It is refused until then: None is for ever, 0 is not any more.
        """
        self._publish(self._announcer.announced(self.subject, mark, until, *ids))

    def _publish(self, message: str) -> None:
        feed = self.keys.feed
        if isinstance(self.pipe, ClusterPipeline):
            key = self.keys.version(self.subject)
            self.pipe.execute_command("EVAL", _PUBLISH, 1, key, feed, message)
        else:
            self.pipe.publish(feed, message)

    def await_replicas(self) -> None:
        """This ends something: it is done once ``WAIT_REPLICAS`` replicas have it."""
        if self._replicas is not None:
            self._replicas.expect(self.pipe, self.keys, self.subject)

    def append(self, entry: Mapping[str, str], length: int) -> None:
        """Add an entry to the audit trail, of which ``length`` are kept, or a few more."""
        key, most = self._audit(length)
        self.pipe.xadd(key, dict(entry), maxlen=most, approximate=True)
        self._of_trail.add(len(self.pipe) - 1)

    def append_count(
        self, entry: Mapping[str, str], length: int, *, since: float, sessions: bool
    ) -> None:
        """The same, with a ``count`` of the tokens that expire after ``since``, and of sessions."""
        key, most = self._audit(length)
        names = key, self.keys.tokens(self.subject), self.keys.sessions(self.subject)
        limits = most, f"({since!r}", int(sessions)
        words = [word for field in entry.items() for word in field]
        self.pipe.execute_command("EVAL", _APPEND, len(names), *names, *limits, *words)
        self._of_trail.add(len(self.pipe) - 1)

    def _audit(self, length: int) -> tuple[str, int]:
        """The stream of the audit trail, and its share of the entries."""
        if isinstance(self.pipe, ClusterPipeline):
            return audit_key(self.keys, self.subject), max(1, length // SLOTS)
        return self.keys.audit(), length

    def begin(self) -> None:
        """End the reads of a watched transaction: from here on commands are queued."""
        self.pipe.multi()

    def read(self, command: Command) -> Any:
        """Ask in a watched transaction, before ``begin``."""
        return self.pipe.execute_command(*command)

    def session_record(self, sid: str) -> str | None:
        record = self.pipe.hget(self.keys.sessions(self.subject), sid)
        return None if record is None else text(record)

    def session_records(self) -> dict[str, str]:
        return texts(self.pipe.hgetall(self.keys.sessions(self.subject)))

    def some_session_records(self) -> dict[str, str]:
        """All of a usual subject's, a random few of a subject with very many."""
        key = self.keys.sessions(self.subject)
        found = self.pipe.hrandfield(key, _SAMPLE, withvalues=True) or []
        return texts(found)

    def is_revoked(self, id: str) -> bool:
        return self.pipe.get(self.keys.revoked(self.subject, id)) is not None

    def is_blocked(self) -> bool:
        return self.pipe.get(self.keys.blocked(self.subject)) is not None

    def block(self, mark: str) -> None:
        self.pipe.set(self.keys.blocked(self.subject), mark)

    def unblock(self) -> Reply:
        """Answers how many keys that removed: one, or none."""
        self.pipe.delete(self.keys.blocked(self.subject))
        return self._reply()

    def version(self, until: float) -> Reply:
        """Begin the version where there is none, let it live until, read it."""
        key, ttl = self.keys.version(self.subject), self._ttl(until)
        self.pipe.set(key, versions.begun(), px=ttl, nx=True)
        self.pipe.pexpire(key, ttl, gt=True)
        self.pipe.get(key)
        return self._reply()

    def raise_version(self, until: float) -> int:
        """Refuse each token that carries a version so far; answers the next one."""
        key, version = self.keys.version(self.subject), versions.raised()
        self.pipe.set(key, version, keepttl=True)
        self._keep(key, until)
        return version

    def not_before_mark(self) -> str | None:
        """To be read in a watched transaction."""
        mark = self.pipe.get(self.keys.not_before(self.subject))
        return None if mark is None else text(mark)

    def not_before(self, mark: str, until: float) -> None:
        """Refuse each outside token that was issued by the second of the mark."""
        ttl = remaining_ms(until + self._leeway, self.now)
        self.pipe.set(self.keys.not_before(self.subject), mark, px=ttl)

    def index(self, tokens: Mapping[str, float]) -> None:
        """Add jti to exp, and drop what has expired."""
        key = self.keys.tokens(self.subject)
        self.pipe.zremrangebyscore(key, "-inf", self.now - self._leeway)
        self.pipe.zadd(key, dict(tokens))
        self._keep(key, max(tokens.values()))

    def unindex(self, ids: Iterable[str]) -> None:
        self._each(self.pipe.zrem, self.keys.tokens(self.subject), ids)

    def unindex_all(self) -> None:
        self.pipe.unlink(self.keys.tokens(self.subject))

    def listed(self) -> Reply:
        """Every jti still in the index, with its exp."""
        self.pipe.zrange(self.keys.tokens(self.subject), 0, -1, withscores=True)
        return self._reply()

    def token_count(self) -> Reply:
        """How many tokens in the index have not expired."""
        since = f"({self.now - self._leeway!r}"
        self.pipe.zcount(self.keys.tokens(self.subject), since, "+inf")
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
                # Not set(), whose reading of its options takes longer than all the rest.
                key = self.keys.revoked(self.subject, jti)
                self.pipe.execute_command("SET", key, mark, "PX", ttl)
        self.unindex(jti for jti, _ in tokens)

    def claim(self, id: str, mark: str, seconds: float) -> Reply:
        """Mark a message as received, unless it is; answers the mark that was there."""
        key = self.keys.received(self.subject, id)
        self.pipe.set(key, mark, px=math.ceil(seconds * 1000), nx=True, get=True)
        return self._reply()

    def keep(self, id: str, mark: str, seconds: float) -> None:
        """Mark a message for as long as it could come again."""
        self.pipe.set(self.keys.received(self.subject, id), mark, px=math.ceil(seconds * 1000))

    def put_session(self, sid: str, record: str, until: float) -> None:
        key = self.keys.sessions(self.subject)
        self.pipe.hset(key, sid, record)
        self._keep(key, until)

    def drop_sessions(self, sids: Iterable[str]) -> None:
        self._each(self.pipe.hdel, self.keys.sessions(self.subject), sids)

    def session_count(self) -> Reply:
        self.pipe.hlen(self.keys.sessions(self.subject))
        return self._reply()

    def drop_all_sessions(self) -> None:
        self.pipe.unlink(self.keys.sessions(self.subject))

    def restore(self, id: str, mark: str, until: float) -> Reply | None:
        """As ``revoke``; answers whether there was no entry."""
        ttl = remaining_ms(until + self._leeway, self.now)
        if ttl <= 0:
            return None
        self.pipe.set(self.keys.revoked(self.subject, id), mark, px=ttl, nx=True)
        return self._reply()

    def restore_block(self, mark: str) -> Reply:
        self.pipe.set(self.keys.blocked(self.subject), mark, nx=True)
        return self._reply()

    def restore_end(self, until: float) -> None:
        """Refuse each token but those that carry the version which may be there by now."""
        key, ttl = self.keys.version(self.subject), self._ttl(until)
        self.pipe.set(key, versions.raised(), px=ttl, nx=True)
        self.pipe.setrange(key, 0, versions.RAISED)
        self.pipe.pexpire(key, ttl, gt=True)

    def restore_not_before(self, mark: str, until: float) -> Reply:
        """As ``not_before``; answers whether there was none."""
        self.pipe.set(self.keys.not_before(self.subject), mark, px=self._ttl(until), nx=True)
        return self._reply()

    def announce_restored(self) -> None:
        self._publish(self._announcer.short(self.subject, mark("restored", self.now)))

    def carry(self, commands: Sequence[Command]) -> Reply:
        """Answers the last of commands that belong to the process, not to the subject."""
        for command in commands:
            self.pipe.execute_command(*command)
        return self._reply()

    def commit(self) -> None:
        """Raises what failed, but for an entry of the trail.

        Redis goes on after a command that fails: all else has been carried out, and a trail
        that somebody has spoiled is no reason to say that it has not.
        """
        queued = _queued(self.pipe)
        answers = self.pipe.execute(raise_on_error=False)
        for position, answer in enumerate(answers):
            if not isinstance(answer, Exception):
                continue
            if position not in self._of_trail:
                self.pipe.annotate_exception(answer, position + 1, _words(queued[position]))
                raise answer
            log.warning("The audit trail in Redis took no entry: %s", answer)
        self.take(answers)

    def take(self, answers: Sequence[Any]) -> None:
        """The answers to all that was queued on the pipeline."""
        for position, reply in self._replies.items():
            reply.value = answers[position]

    def _ttl(self, until: float) -> int:
        return max(1, remaining_ms(until + self._leeway, self.now))

    def _keep(self, key: str, until: float) -> None:
        # GT alone does nothing to a key without a TTL, which counts as endless.
        ttl = self._ttl(until)
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
