"""What the callers do while the servers break: every verb, on subjects of their own and shared."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt

from flask_jwt_revoke import Outage, RevokedToken, TokenPair

from .doors import Direct, Http
from .judge import (
    Answer,
    Judge,
    Session,
    Subject,
    Token,
    add_pair,
    before_joining,
    begin_wide,
    end_wide,
    joined,
)

#: Seconds. An exchange is repeated only while REFRESH_GRACE is sure not to be over.
GRACE = 5.0
#: How many of a subject's sessions are still used, the newest.
_RECENT = 20
_AUDITED = 6000

WEIGHTS = {
    "check": 50, "issue": 10, "rotate": 10, "rotate_again": 2, "revoke": 8, "logout": 6,
    "logout_session": 3, "logout_device": 2, "logout_others": 2, "logout_everywhere": 3,
    "sessions": 4,
}  # fmt: skip


class Population:
    """Who there is. A subject that is hazy is replaced by one of another name."""

    def __init__(self, workers: int, *, own: int = 3, shared: int = 2) -> None:
        self._numbers = itertools.count(1)
        self._own = [[self._new(f"own{worker}") for _ in range(own)] for worker in range(workers)]
        self._shared = [self._new("shared") for _ in range(shared)]
        self.all: list[Subject] = [*itertools.chain(*self._own), *self._shared]
        self._lock = threading.Lock()

    def pick(self, worker: int, rng: random.Random) -> Subject:
        group = self._shared if rng.random() < 0.3 else self._own[worker]
        place = rng.randrange(len(group))
        with self._lock:
            if group[place].hazy or len(group[place].sessions) > 5 * _RECENT:
                group[place] = self._new(group[place].name.partition("-")[0])
                self.all.append(group[place])
            return group[place]

    def tokens(self) -> list[Token]:
        return [
            token
            for subject in self.all
            for session in subject.sessions
            for token in session.tokens
        ]

    def _new(self, kind: str) -> Subject:
        return Subject(f"{kind}-{next(self._numbers)}")


class Worker:
    """One caller. ``call`` runs each verb, and may interrupt it."""

    def __init__(
        self,
        number: int,
        judge: Judge,
        population: Population,
        doors: list[Direct | Http],
        rng: random.Random,
        *,
        call: Callable[[Callable[[], Any]], Any] = lambda verb: verb(),
    ) -> None:
        self._number, self._judge, self._population = number, judge, population
        self._doors, self._rng, self._call = doors, rng, call
        self.succeeded = 0.0

    def run(self, over: threading.Event, pause: float) -> None:
        """``pause`` is in seconds, between two calls."""
        while not over.is_set():
            self.step()
            time.sleep(self._rng.uniform(0, 2 * pause))

    def step(self) -> None:
        self._door = self._rng.choice(self._doors)
        subject = self._population.pick(self._number, self._rng)
        token = self._some_token(subject)
        (verb,) = self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if token is None or verb == "issue":
            self._issue(subject)
        else:
            getattr(self, f"_{verb}")(token)

    def check(self, token: Token) -> None:
        self._door = self._rng.choice(self._doors)
        self._check(token)

    # -- the verbs ------------------------------------------------------------

    def _check(self, token: Token) -> None:
        was_over = self._judge.must_refuse(token)
        answer = self._ask("check", token)
        if answer.error is None:
            self._judge.accepted(token, was_over, answer.value)
        elif not answer.is_unknown:
            self._judge.refused(token, answer.error)

    def _issue(self, subject: Subject) -> None:
        device_id = None
        if subject.name.startswith("own") and isinstance(self._door, Direct):
            device_id = self._rng.choice([None, "phone", "laptop"])
        if device_id is None:
            self._joined(subject, None, before_joining(subject), self._ask("issue", subject.name))
            return
        displaced = begin_wide(subject, lambda one: one.device_id == device_id)
        wide, running = before_joining(subject)
        answer = self._ask("issue", subject.name, device_id)
        # Chosen from the list of sessions, where one is missing whose sign-in was lost.
        ended = end_wide(subject, displaced, done=answer.error is None, kept=False)
        self._judge.count("acknowledged", ended)
        # Its own ending of the device's session is no overlap.
        self._joined(subject, device_id, (wide, running - 1), answer)

    def _joined(
        self, subject: Subject, device_id: str | None, before: tuple[int, int], answer: Answer
    ) -> None:
        if answer.error is None:
            pair = answer.value
            session = Session(pair.session_id, subject, self._number, device_id)
            self._judge.subject_of[session.id] = subject.name
            joined(session, pair, ids(pair), before)
            self._judge_claims(session, pair)

    def _rotate(self, token: Token) -> None:
        session = token.session
        spending = session.refresh
        if session.owner != self._number or spending is None:
            return
        started = time.monotonic()
        if session.attempted is not None and started - session.attempted > GRACE:
            session.refresh = None
            return
        was_ended = spending.is_ended
        spending.exchanging = True
        session.attempted = session.attempted or started
        answer = self._ask("rotate", spending)
        if answer.error is None:
            self._exchanged(session, spending, was_ended, answer.value)
        elif not answer.is_unknown:
            self._judge.not_exchanged(spending, answer.error)
            session.refresh = None

    def _exchanged(self, session: Session, spent: Token, was_ended: bool, pair: TokenPair) -> None:
        self._judge.exchanged(spent, was_ended, pair)
        spent.spend()
        session.exchanged = (spent, pair, session.attempted or 0)
        session.attempted = None
        add_pair(session, pair, ids(pair))
        self._judge_claims(session, pair)

    def _rotate_again(self, token: Token) -> None:
        """The same pair is answered again, as long as nobody has ended it."""
        session = token.session
        if session.owner != self._number or session.exchanged is None:
            return
        spent, pair, at = session.exchanged
        if time.monotonic() - at > GRACE or session.refresh is None or session.attempted:
            return
        was_ended = spent.is_ended
        answer = self._ask("rotate", spent)
        if answer.error is None:
            self._judge.exchanged(spent, was_ended, answer.value)
            if ids(answer.value) != ids(pair):
                self._judge.other_pair(session)
        elif not answer.is_unknown:
            self._judge.not_exchanged(spent, answer.error)

    def _revoke(self, token: Token) -> None:
        if isinstance(self._door, Http) and token.type != "access":
            return
        token.doubt = True
        if self._is_done(self._ask("revoke", token), token):
            self._judge.count("acknowledged", not token.ended)
            token.end()
            self._check(token)

    def _logout(self, token: Token) -> None:
        self._end_session("logout", token, token)

    def _logout_session(self, token: Token) -> None:
        self._end_session("logout_session", token, token.session, token)

    def _end_session(self, verb: str, token: Token, *arguments: object) -> None:
        session = token.session
        if isinstance(self._door, Http) and token.type != "access":
            return
        session.doubt = True
        if self._is_done(self._ask(verb, *arguments), token):
            self._judge.count("acknowledged", not session.ended)
            session.end()
            for each in session.tokens[-2:]:
                self._check(each)

    def _logout_device(self, token: Token) -> None:
        device = token.session.device_id
        if device is None or isinstance(self._door, Http):
            return
        self._end_many(
            "logout_device", token, lambda one: one.device_id == device, token.session, token
        )

    def _logout_others(self, token: Token) -> None:
        self._end_many("logout_others", token, lambda one: one is not token.session, token)

    def _logout_everywhere(self, token: Token) -> None:
        self._end_many("logout_everywhere", token, lambda one: True, token)

    def _end_many(
        self, verb: str, token: Token, chosen: Callable[[Session], bool], *arguments: object
    ) -> None:
        if isinstance(self._door, Http) and token.type != "access":
            return
        subject = token.session.subject
        was_over = token.may_be_ended or token.is_over
        victims = begin_wide(subject, chosen)
        answer = self._ask(verb, *arguments)
        done = answer.error is None
        unknown = answer.is_unknown and verb == "logout_everywhere"
        kept = verb == "logout_everywhere"
        ended = end_wide(subject, victims, done=done, hazy=unknown, kept=kept)
        self._judge.count("acknowledged", ended)
        if isinstance(answer.error, RevokedToken) and not was_over:
            self._judge.refused(token, answer.error)
        for session in victims[-2:] if done else ():
            self._check(session.tokens[0])

    def _sessions(self, token: Token) -> None:
        if isinstance(self._door, Http) and token.type != "access":
            return
        subject = token.session.subject
        with subject.lock:
            known = list(subject.sessions)
            ended = [one for one in known if one.ended]
        live = [one for one in known if not one.doubt]
        answer = self._ask("sessions", token)
        if answer.error is None:
            self._judge.listed(subject, live, ended, answer.value)
        elif isinstance(answer.error, RevokedToken):
            self._judge.refused(token, answer.error)

    # -- asking ---------------------------------------------------------------

    def _ask(self, verb: str, *arguments: object) -> Answer:
        call = getattr(self._door, verb)
        deadlines = self._door.deadlines(verb)
        answer = self._judge.ask(
            verb, lambda: self._call(lambda: call(*arguments)), deadlines=deadlines
        )
        if not isinstance(answer.error, Outage):
            self.succeeded = time.monotonic()
        return answer

    def _is_done(self, answer: Answer, presented: Token) -> bool:
        if isinstance(answer.error, RevokedToken):
            self._judge.refused(presented, answer.error)
        return answer.error is None

    def _judge_claims(self, session: Session, pair: TokenPair) -> None:
        for text in (pair.access, pair.refresh):
            claims = _payload(text)
            if (claims["sub"], claims["sid"]) != (session.subject.name, session.id):
                self._judge.find("wrong", f"swapped: {session.subject.name} was given {claims}")

    def _some_token(self, subject: Subject) -> Token | None:
        sessions = subject.sessions[-_RECENT:]
        return self._rng.choice(self._rng.choice(sessions).tokens) if sessions else None


def audit(judge: Judge, population: Population, worker: Worker, rng: random.Random) -> None:
    """Ask for each token once more, when all is well again; of very many, the newest."""
    tokens = population.tokens()[-_AUDITED:]
    rng.shuffle(tokens)
    for token in tokens:
        worker.check(token)


def ids(pair: TokenPair) -> tuple[str, str]:
    return _payload(pair.access)["jti"], _payload(pair.refresh)["jti"]


def _payload(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})
