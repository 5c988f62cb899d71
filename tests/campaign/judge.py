"""The oracle: what is known of each token, and what an answer to a caller may be.

A token, or its session, is *in doubt* from the moment at which a verb that may end it is
called, and *ended* once that verb has been acknowledged. A verb that is an outage leaves the
doubt for ever. Doubt is raised before a call and read after it, an end the other way round,
so that what overlaps is never judged harder than it deserves.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from flask_jwt_revoke import JWTRevokeError, Outage, ReusedToken, RevokedToken, TokenPair
from flask_jwt_revoke.models import TokenType

from .stalls import Stalls

#: Seconds by which a request may exceed its deadline.
TOLERANCE = 0.02
#: Of each kind of finding so many are kept as text.
_EXAMPLES = 3


class Interrupted(BaseException):
    """What a worker's own time-out raises in the middle of anything."""


@dataclass(eq=False, slots=True)
class Subject:
    """``hazy``: a log-out-everywhere that was an outage may still reach Redis."""

    name: str
    sessions: list[Session] = field(default_factory=list)
    wide: int = 0
    running: int = 0
    hazy: bool = False
    lock: Any = field(default_factory=threading.Lock)


@dataclass(eq=False, slots=True)
class Session:
    """``attempted``: since when an exchange of ``refresh`` may have happened.

    ``kept``: what ended it by itself was acknowledged.
    """

    id: str
    subject: Subject
    owner: int
    device_id: str | None = None
    refresh: Token | None = None
    tokens: list[Token] = field(default_factory=list)
    attempted: float | None = None
    exchanged: tuple[Token, TokenPair, float] | None = None
    doubt: bool = False
    ended: bool = False
    kept: bool = False
    reported: bool = False
    since: float = math.inf

    def end(self, *, kept: bool = True) -> None:
        self.kept = self.kept or kept
        self.since, self.ended = min(self.since, time.monotonic()), True


@dataclass(eq=False, slots=True)
class Token:
    """``exchanging``: it may have been exchanged; ``spent``: it has been.

    ``refused``: some check has said so.
    """

    text: str
    id: str
    type: TokenType
    session: Session
    doubt: bool = False
    ended: bool = False
    kept: bool = False
    exchanging: bool = False
    spent: bool = False
    refused: bool = False
    reported: bool = False
    since: float = math.inf

    def end(self, *, kept: bool = True) -> None:
        self.kept = self.kept or kept
        self.since, self.ended = min(self.since, time.monotonic()), True

    def spend(self) -> None:
        self.since, self.spent = min(self.since, time.monotonic()), True

    def refuse(self) -> None:
        self.since, self.refused = min(self.since, time.monotonic()), True

    @property
    def may_be_ended(self) -> bool:
        return self.doubt or self.session.doubt

    @property
    def is_ended(self) -> bool:
        return self.ended or self.session.ended

    @property
    def is_over(self) -> bool:
        return self.is_ended or self.spent or self.refused


@dataclass(slots=True)
class Answer:
    value: Any = None
    error: BaseException | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can say if a write was done."""
        return self.error is not None and not isinstance(self.error, RevokedToken | ReusedToken)


class Judge:
    """Counts what was answered; ``may_lose`` says that the fault may lose data.

    With ``keeps_ends`` an end stays that was acknowledged. (Of sessions that were chosen from
    a list, one may have been missing whose sign-in was lost.)

    ``deadline`` is in seconds, or None where a caller's own time-outs are the fault.
    ``staleness``, in seconds too, is for how long a near cache may accept what has ended.
    """

    def __init__(
        self,
        *,
        may_lose: bool = False,
        keeps_ends: bool = False,
        deadline: float | None = None,
        staleness: float = 0,
        stalls: Stalls | None = None,
    ) -> None:
        self.may_lose, self.keeps_ends = may_lose, keeps_ends
        self.deadline, self.staleness = deadline, staleness
        self.counts: Counter[str] = Counter()
        self.subject_of: dict[str, str] = {}
        self.slowest = {"check": 0.0, "write": 0.0}
        self.findings: list[str] = []
        self._examples: Counter[str] = Counter()
        self._stalls = stalls
        self._lock = threading.Lock()

    # -- asking ---------------------------------------------------------------

    def ask(self, verb: str, call: Callable[[], Any], *, deadlines: int = 1) -> Answer:
        """Call, and judge how long it took and what kind of error it raised."""
        started = time.perf_counter()
        try:
            answer = Answer(call())
        except (JWTRevokeError, Interrupted) as error:
            answer = Answer(error=error)
        except Exception as error:  # noqa: BLE001 - whatever the package lets out is a finding
            answer = Answer(error=error)
            self.find("wrong", f"{verb} raised {type(error).__name__}: {error}")
        self._time(verb, started, time.perf_counter(), deadlines)
        self.count("tries")
        self.count("outages", isinstance(answer.error, Outage))
        self.count("interrupted", isinstance(answer.error, Interrupted))
        return answer

    def count(self, name: str, by: int = 1) -> None:
        if by:
            with self._lock:
                self.counts[name] += by

    def find(self, kind: str, what: str) -> None:
        with self._lock:
            self.counts[kind] += 1
            known = what.partition(":")[0]
            self._examples[known] += 1
            if self._examples[known] <= _EXAMPLES:
                self.findings.append(f"{kind}: {what}")

    def _time(self, verb: str, started: float, ended: float, deadlines: int) -> None:
        kind = "check" if verb == "check" else "write"
        took = ended - started
        with self._lock:
            self.slowest[kind] = max(self.slowest[kind], took)
        if self.deadline is None or took <= self.deadline * deadlines + TOLERANCE:
            return
        stalled = self._stalls.within(started, ended) if self._stalls else 0
        if took - stalled > self.deadline * deadlines + TOLERANCE:
            self.find(
                f"late {kind}s",
                f"{verb} took too long: {took:.3f} s, of which {stalled:.3f} s stalled",
            )

    # -- judging --------------------------------------------------------------

    def must_refuse(self, token: Token) -> bool:
        """Whether a check that begins now may not accept it any more."""
        since = min(token.since, token.session.since)
        return token.is_over and time.monotonic() - since >= self.staleness

    def accepted(self, token: Token, was_over: bool, found: Any) -> None:
        """``found`` are the claims that were answered; ``was_over`` is from before the call."""
        expected = (token.session.subject.name, token.id, token.session.id)
        if (found.subject, found.id, found.session_id) != expected:
            self.find("wrong", f"swapped: {expected} was answered with {found}")
        elif was_over:
            self._lost(token)

    def refused(self, token: Token, error: BaseException) -> None:
        """Any refusal of a token but by an end, a spending or a loss is wrong."""
        if not isinstance(error, RevokedToken):
            self.find("wrong", f"refused otherwise: {token.type} {token.id}: {error!r}")
        elif not (token.may_be_ended or token.exchanging or token.is_over):
            self._signed_out(token, "revoked")
        token.refuse()

    def not_exchanged(self, token: Token, error: BaseException) -> None:
        """An attempt, or a repeat in the grace period, that only an end may refuse."""
        session = token.session
        if not token.may_be_ended:
            self._signed_out(token, type(error).__name__)
        if isinstance(error, ReusedToken):
            session.doubt = True
            session.end()

    def exchanged(self, token: Token, was_ended: bool, pair: TokenPair) -> None:
        if pair.session_id != token.session.id:
            self.find("wrong", f"swapped: the pair of {pair.session_id} for {token.session.id}")
        elif was_ended:
            self._lost(token)

    def other_pair(self, session: Session) -> None:
        """A repeat of an exchange was answered as if there had been none."""
        kind = "lost" if self.may_lose else "wrong"
        self.find(kind, f"another pair: a repeat in session {session.id}")

    def listed(
        self, subject: Subject, live: list[Session], ended: list[Session], found: Iterable[str]
    ) -> None:
        """``live`` were registered, ``ended`` had ended, before the list was asked for."""
        ids = set(found)
        for id in ids:
            if self.subject_of.get(id, subject.name) != subject.name:
                self.find("wrong", f"swapped: {subject.name} is listed {self.subject_of[id]}'s")
        for session in ended:
            if session.id in ids:
                self._lost_session(session)
        for session in live:
            if session.id not in ids and not (session.doubt or subject.hazy or self.may_lose):
                self.find("wrong", f"not listed: {session.id} of {subject.name}")

    def _lost(self, token: Token) -> None:
        thing = token.session if token.session.ended else token
        if thing.reported:
            return
        thing.reported = True
        why = "an acknowledged end" if token.is_ended else "an exchange" if token.spent else ""
        stays = self.keeps_ends and (token.kept or token.session.kept)
        self.find(
            "lost" if self.may_lose and not stays else "wrong",
            f"accepted after {why or 'a refusal'}: {token.type} {token.id}"
            f" of {token.session.subject.name}",
        )

    def _lost_session(self, session: Session) -> None:
        if not session.reported:
            session.reported = True
            stays = self.keeps_ends and session.kept
            kind = "lost" if self.may_lose and not stays else "wrong"
            self.find(kind, f"listed after its end: {session.id} of {session.subject.name}")

    def _signed_out(self, token: Token, word: str) -> None:
        token.doubt = True
        if self.may_lose:
            self.count("signed out")
        else:
            name = token.session.subject.name
            self.find("wrong", f"live but refused as {word}: {token.type} {token.id} of {name}")


# -- what is known --------------------------------------------------------------


def joined(
    session: Session, pair: TokenPair, ids: tuple[str, str], before: tuple[int, int]
) -> None:
    """A new session; in doubt if it overlapped with a verb that ends many."""
    subject = session.subject
    add_pair(session, pair, ids)
    with subject.lock:
        session.doubt = subject.hazy or before[1] > 0 or before[0] != subject.wide
        subject.sessions.append(session)


def add_pair(session: Session, pair: TokenPair, ids: tuple[str, str]) -> None:
    access = Token(pair.access, ids[0], "access", session)
    session.refresh = Token(pair.refresh, ids[1], "refresh", session)
    session.tokens += [access, session.refresh]


def before_joining(subject: Subject) -> tuple[int, int]:
    with subject.lock:
        return subject.wide, subject.running


def begin_wide(subject: Subject, chosen: Callable[[Session], bool]) -> list[Session]:
    """Before a verb that ends many: its victims, which are in doubt from now on."""
    with subject.lock:
        subject.wide += 1
        subject.running += 1
        victims = [session for session in subject.sessions if chosen(session)]
        for session in victims:
            session.doubt = True
    return victims


def end_wide(
    subject: Subject, victims: list[Session], *, done: bool, hazy: bool = False, kept: bool = True
) -> int:
    """After it; answers how many it has ended by its acknowledgement."""
    with subject.lock:
        subject.running -= 1
        subject.hazy = subject.hazy or hazy
        fresh = [session for session in victims if done and not session.ended]
        for session in fresh:
            session.end(kept=kept)
    return len(fresh)
