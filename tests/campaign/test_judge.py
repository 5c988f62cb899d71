"""The judge finds each kind of wrong answer, and none where there is none."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from flask_jwt_revoke import Authority, Outage, RevokedToken, TokenPair

from ..servers import Server
from .doors import Direct, Found, Http, app_of, authority_of
from .judge import Judge, Session, Token
from .workload import Population, Worker

STEPS = 250


def judged(door: Direct | Http, **options: object) -> Judge:
    """What is found when one caller uses this door, and no other."""
    rng, judge = random.Random(1), Judge(**options)
    worker = Worker(0, judge, Population(1), [door], rng)
    for _ in range(STEPS):
        worker.step()
    return judge


@pytest.fixture
def authority(server: Server) -> Iterator[Authority]:
    with closing(authority_of(server.url, timeout=20)) as made:
        yield made


def test_an_honest_authority_is_never_wrong(authority: Authority) -> None:
    judge = judged(Direct(authority))
    assert judge.findings == []
    assert judge.counts["acknowledged"] > STEPS / 20


def test_an_honest_app_is_never_wrong(server: Server) -> None:
    app = app_of(server.url, timeout=20)
    judge = judged(Http(app))
    app.extensions["jwt_revoke"].close()
    assert judge.findings == []
    assert judge.counts["acknowledged"] > STEPS / 20


class Sleepy(Direct):
    """Until its first check is over."""

    has_slept = False

    def check(self, token: Token) -> Found:
        if not self.has_slept:
            time.sleep(0.03)
        self.has_slept = True
        return super().check(token)


class Confused(Direct):
    """Answers with what another caller had asked."""

    last: Found | None = None

    def check(self, token: Token) -> Found:
        found, self.last = self.last, super().check(token)
        return found or self.last


class Broken(Direct):
    def check(self, token: Token) -> Found:
        raise KeyError(token.id)


class Strict(Direct):
    def check(self, token: Token) -> Found:
        raise RevokedToken()


class Generous(Direct):
    """Takes every refresh token."""

    def check(self, token: Token) -> Found:
        if token.type == "access":
            return super().check(token)
        return Found(token.session.subject.name, token.id, token.session.id)


class Moody(Direct):
    """What it has refused once, it takes later."""

    def check(self, token: Token) -> Found:
        if not token.refused:
            raise RevokedToken()
        return Found(token.session.subject.name, token.id, token.session.id)


class Swapping(Direct):
    def rotate(self, token: Token) -> TokenPair:
        super().rotate(token)
        return self.issue("somebody else")


class Unstable(Direct):
    """A repeat gets another pair: here, the next one."""

    def rotate(self, token: Token) -> TokenPair:
        pair = super().rotate(token)
        return self._authority.rotate(pair.refresh) if token.spent else pair


class Thrifty(Direct):
    def rotate(self, token: Token) -> TokenPair:
        raise RevokedToken()


class Hiding(Direct):
    def sessions(self, token: Token) -> list[str]:
        return super().sessions(token)[1:]


class Remembering(Direct):
    def sessions(self, token: Token) -> list[str]:
        return [one.id for one in token.session.subject.sessions]


class Mixed(Direct):
    def sessions(self, token: Token) -> list[str]:
        names = [f"own0-{number}" for number in range(1, 4)]
        return [one.id for name in names for one in self._authority.sessions(name)]


LIES = {
    Sleepy: "late checks: check took too long",
    Confused: "wrong: swapped",
    Broken: "wrong: check raised KeyError",
    Strict: "wrong: live but refused as revoked",
    Generous: "wrong: accepted after an exchange",
    Moody: "wrong: accepted after a refusal",
    Swapping: "wrong: swapped",
    Unstable: "wrong: another pair",
    Thrifty: "wrong: live but refused as RevokedToken",
    Hiding: "wrong: not listed",
    Remembering: "wrong: listed after its end",
    Mixed: "wrong: swapped",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_is_found(authority: Authority, lie: type[Direct]) -> None:
    judge = judged(lie(authority), deadline=0.005 if lie is Sleepy else None)
    assert any(LIES[lie] in finding for finding in judge.findings)


ENDS = (
    "revoke", "logout", "logout_session", "logout_device", "logout_others", "logout_everywhere",
)  # fmt: skip


def doing(verb: str, instead: Callable[..., object]) -> type[Direct]:
    return type("Lying", (Direct,), {verb: instead})


@pytest.mark.parametrize("may_lose", [False, True])
@pytest.mark.parametrize("verb", ENDS)
def test_a_false_success_is_found(authority: Authority, verb: str, may_lose: bool) -> None:
    """And is told apart from what a fault may lose."""
    judge = judged(doing(verb, lambda *_: None)(authority), may_lose=may_lose)
    kind = "lost" if may_lose else "wrong"
    assert judge.counts[kind] > 0
    assert all(finding.startswith(f"{kind}: ") for finding in judge.findings)


class Stale(Direct):
    """A near cache that hears of nothing for a while."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority)
        self._known: dict[str, tuple[float, Found]] = {}

    def check(self, token: Token) -> Found:
        at, found = self._known.get(token.id, (0.0, None))
        if found is None or time.monotonic() - at > 0.1:
            found = super().check(token)
            self._known[token.id] = (time.monotonic(), found)
        return found


@pytest.mark.parametrize("staleness", [0, 0.15])
def test_a_near_cache_may_be_stale_for_as_long_as_it_says(
    authority: Authority, staleness: float
) -> None:
    judge = judged(Stale(authority), staleness=staleness)
    assert (judge.counts["wrong"] > 0) is (staleness == 0)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("verb", [*ENDS, "rotate"])
def test_an_outage_may_have_been_carried_out_or_not(
    authority: Authority, verb: str, done: bool
) -> None:
    def outage(door: Direct, *arguments: Session | Token) -> None:
        if done:
            getattr(Direct, verb)(door, *arguments)
        raise Outage()

    judge = judged(doing(verb, outage)(authority))
    assert judge.findings == []
    assert judge.counts["outages"] > 0
