"""Outside tokens issued, seen and logged out in any order, against a plain-Python oracle.

The oracle knows when each token was issued and when its subject was logged out, and one rule:
what was issued in the second of a log-out or earlier is dead, as is what does not tell when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from flask_jwt_revoke import Authority, RevokedToken

from ..conftest import Clock
from ..servers import Server
from .conftest import SHOP
from .provider import Provider

BANK = "https://bank.example"
SUBJECTS = ((SHOP, "alice"), (BANK, "alice"), (SHOP, "bob:{x}"))
MAX_TOKENS = 12


@dataclass(eq=False)
class Token:
    text: str
    id: str
    sid: str | None
    issued: float
    tells: bool
    is_listed: bool = False
    is_revoked: bool = False


@dataclass(eq=False)
class Subject:
    name: str
    tokens: list[Token] = field(default_factory=list)
    logouts: list[float] = field(default_factory=list)
    ended: set[str | None] = field(default_factory=set)

    def is_dead(self, token: Token) -> bool:
        too_old = any(not token.tells or int(token.issued) <= int(at) for at in self.logouts)
        return token.is_revoked or token.sid in self.ended or too_old

    @property
    def listed(self) -> list[Token]:
        return [token for token in self.tokens if token.is_listed]


class Machine(RuleBasedStateMachine):
    server: Server
    providers: dict[str, Provider]
    make: Callable[..., Authority]

    @initialize(strategy=st.sampled_from(["blacklist", "allowlist", "version"]))
    def begin(self, strategy: str) -> None:
        with self.server.client() as client:
            client.flushall()
        self.clock = Clock(1_900_000_000.25)
        issuers = {name: one.settings(algorithms="EdDSA") for name, one in self.providers.items()}
        self.doors = [
            self.make(self.server.url, clock=self.clock, strategy=strategy, issuers=issuers)
            for _ in range(2)
        ]
        self.subjects = [Subject(f"{issuer}#{sub}") for issuer, sub in SUBJECTS]
        self.made = 0

    @precondition(lambda self: self.made < MAX_TOKENS)
    @rule(
        who=st.integers(0, len(SUBJECTS) - 1),
        sid=st.sampled_from([None, "a", "b"]),
        iat=st.sampled_from(["whole", "fraction", "none"]),
    )
    def issue(self, who: int, sid: str | None, iat: str) -> None:
        (issuer, sub), now = SUBJECTS[who], self.clock.now
        told = {"whole": int(now), "fraction": now, "none": None}[iat]
        id = str(self.made)
        text = self.providers[issuer].sign(
            sub=sub, sid=sid, jti=id, iat=told, exp=int(now) + 10 * 86400
        )
        self.subjects[who].tokens.append(Token(text, id, sid, now, iat != "none"))
        self.made += 1

    @rule(data=st.data(), door=st.integers(0, 1))
    def see(self, data: st.DataObject, door: int) -> None:
        subject, token = self._some(data)
        if token is None:
            return
        try:
            assert self.doors[door].check(token.text).subject == subject.name
        except RevokedToken:
            assert subject.is_dead(token)
        else:
            assert not subject.is_dead(token)
            token.is_listed = True

    @rule(who=st.integers(0, len(SUBJECTS) - 1), door=st.integers(0, 1))
    def log_out_everywhere(self, who: int, door: int) -> None:
        subject = self.subjects[who]
        assert self.doors[door].logout_everywhere(subject.name) == len(subject.listed)
        subject.logouts.append(self.clock.now)
        for token in subject.tokens:
            token.is_listed = False

    @rule(data=st.data(), door=st.integers(0, 1))
    def revoke(self, data: st.DataObject, door: int) -> None:
        _, token = self._some(data)
        if token is not None:
            self.doors[door].revoke(token.text)
            token.is_revoked, token.is_listed = True, False

    @rule(who=st.integers(0, len(SUBJECTS) - 1), sid=st.sampled_from(["a", "b"]))
    def log_out_a_session(self, who: int, sid: str) -> None:
        subject = self.subjects[who]
        self.doors[0].logout_session(subject.name, sid)
        subject.ended.add(sid)
        for token in subject.tokens:
            token.is_listed = token.is_listed and token.sid != sid

    @rule(seconds=st.sampled_from([0.1, 0.3, 0.7, 1, 61]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def what_is_listed_is_what_was_seen_and_is_live(self) -> None:
        for subject in self.subjects:
            listed = {jti for jti, _ in self.doors[0].store.listed(subject.name)}
            assert listed == {token.id for token in subject.listed}

    def teardown(self) -> None:
        for subject in getattr(self, "subjects", ()):
            for token in subject.tokens:
                for door in self.doors:
                    assert self._is_live(door, token) is not subject.is_dead(token)
        for door in getattr(self, "doors", ()):
            door.close()

    def _some(self, data: st.DataObject) -> tuple[Subject, Token | None]:
        subject = data.draw(st.sampled_from(self.subjects))
        tokens = subject.tokens
        return subject, data.draw(st.sampled_from(tokens)) if tokens else None

    def _is_live(self, door: Authority, token: Token) -> bool:
        try:
            door.check(token.text)
        except RevokedToken:
            return False
        return True


def test_any_order_of_the_verbs(
    server: Server, make_provider: Callable[..., Provider], make_authority: Callable[..., Authority]
) -> None:
    class Bound(Machine):
        pass

    Bound.server, Bound.make = server, staticmethod(make_authority)
    Bound.providers = {name: make_provider(name, "EdDSA") for name in (SHOP, BANK)}
    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
