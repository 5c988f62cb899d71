"""Who is signed in, and the one revoker that ends them at random."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from flask_jwt_revoke import Authority, Outage

from .app import end_by
from .workers import Asker

#: The verbs, and how often each is drawn.
VERBS = {
    "revoke": 6, "logout": 3, "logout_session": 2, "logout_others": 1,
    "logout_everywhere": 2, "block": 1,
}  # fmt: skip
ONE = ("revoke", "logout", "logout_session")


@dataclass(eq=False, slots=True)
class Token:
    """``ending`` is when a verb was called that ends it, ``ended`` when that had returned.

    Both are monotonic, in seconds. Without ``ended`` it is unknown whether it is live.
    """

    subject: str
    session_id: str
    text: str
    verb: str = ""
    ending: float | None = None
    ended: float | None = None


class Population:
    """Live tokens, and those that ended a few times the ``bound`` (seconds) ago or less."""

    def __init__(
        self, authority: Authority, *, subjects: int, tokens: int, bound: float, seed: int
    ) -> None:
        self.live: tuple[Token, ...] = ()
        self.gone: tuple[Token, ...] = ()
        self.ended = 0
        self.lock = threading.Lock()
        self._authority = authority
        self._random = random.Random(seed)
        self._numbers = count()
        self._subjects = [self._name() for _ in range(subjects)]
        self._tokens = tokens
        self._bound = bound

    def fill(self) -> None:
        """Sign in until there are enough live tokens again."""
        while len(self.live) < self._tokens:
            try:
                subject = self._random.choice(self._subjects)
                pair = self._authority.issue(subject)
            except Outage:
                return
            self.live += (Token(subject, pair.session_id, pair.access),)

    def end_some(self, askers: Sequence[Asker]) -> bool:
        """Call a verb, through a worker for one time in four; answers if it was acknowledged."""
        if not self.live:
            return True
        verb = self._random.choices(list(VERBS), list(VERBS.values()))[0]
        one = self._random.choice(self.live)
        asker = self._random.choice(askers) if askers and self._random.random() < 0.25 else None
        with self.ending(self._ended_by(verb, one), verb) as done:
            done.acknowledged = self._call(verb, one, asker)
        if verb == "block" or not done.acknowledged:
            self._retire(one.subject, known=done.acknowledged)
        return done.acknowledged

    def ending(self, tokens: Sequence[Token], verb: str) -> Ending:
        return Ending(self, tokens, verb)

    def sample(self, size: int, chance: random.Random) -> list[Token]:
        """Three of four are live. Of the others most ended about the bound ago."""
        gone, live, now = self.gone, self.live, time.monotonic()
        crossing = [
            token for token in gone if 0.8 < (now - (token.ending or now)) / self._bound < 2.5
        ]
        few = size // 12
        some = [chance.choice(crossing) for _ in range(2 * few) if crossing]
        some += [chance.choice(gone) for _ in range(few) if gone]
        some += [chance.choice(live) for _ in range(size - 3 * few) if live]
        chance.shuffle(some)
        return some

    def move(self, tokens: Sequence[Token]) -> None:
        """Take them off the live ones, and forget those that ended long ago."""
        since = time.monotonic() - 4 * self._bound
        recent = (token for token in self.gone if (token.ending or 0) > since)
        self.gone = (*recent, *tokens)
        self.live = tuple(token for token in self.live if token not in set(tokens))

    def _call(self, verb: str, one: Token, asker: Asker | None) -> bool:
        """Whether it was acknowledged."""
        call = {
            "verb": verb, "subject": one.subject, "session_id": one.session_id, "token": one.text,
        }  # fmt: skip
        try:
            if asker is not None:
                return asker.ask("POST", "/end", json_of=call).status == 200
            end_by(self._authority, **call)
        except (Outage, OSError):
            return False
        return True

    def _ended_by(self, verb: str, one: Token) -> list[Token]:
        if verb in ONE:
            return [one]
        kept = one if verb == "logout_others" else None
        return [each for each in self.live if each.subject == one.subject and each is not kept]

    def _retire(self, subject: str, *, known: bool) -> None:
        """Sign a subject in no more: what is unknown may still be carried out, later."""
        self._subjects[self._subjects.index(subject)] = self._name()
        if not known:
            left = [each for each in self.live if each.subject == subject]
            for each in left:
                each.ending = time.monotonic()
            self.move(left)

    def _name(self) -> str:
        return f"user-{next(self._numbers)}"


class Ending:
    """Around the call of a verb: notes on each token when it began, and when it was through."""

    def __init__(self, population: Population, tokens: Sequence[Token], verb: str) -> None:
        self.acknowledged = False
        self._population, self._tokens = population, tokens
        for token in tokens:
            token.verb = verb

    def __enter__(self) -> Ending:
        began = time.monotonic()
        for token in self._tokens:
            token.ending = began
        return self

    def __exit__(self, *error: object) -> None:
        now = time.monotonic()
        if self.acknowledged:
            for token in self._tokens:
                token.ended = now
            self._population.ended += len(self._tokens)
        self._population.move(self._tokens)
