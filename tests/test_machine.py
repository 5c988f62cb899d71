"""The verbs in any order, under each strategy, against a plain-Python oracle.

The oracle knows tokens, sessions and generations, and nothing of keys, marks or TTLs: a token is
dead once it, its session or its generation has ended, and stays dead. A family is a session that
was issued here, with the one refresh token that may be exchanged. The application's clock and
Redis's move together: the machine shortens each TTL by the time that passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import jwt
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from flask_jwt_revoke import (
    Authority,
    ExpiredToken,
    ReusedToken,
    RevokedToken,
    SubjectBlocked,
    TokenPair,
)
from flask_jwt_revoke.sessions import load

from .conftest import SECRET, Clock, store_of
from .servers import Server

SUBJECTS = ("alice", "a:b", "{x}", "%7B", "🔑", "a\nb", "a", "}{", "x" * 256)
MINUTE = 60
ACCESS, REFRESH = 10 * MINUTE, 60 * MINUTE
GRACE = 2 * MINUTE
#: More would be checked at each step, and find no more.
MAX_TOKENS = 14
STRATEGIES = ("blacklist", "allowlist", "version")

#: What a step left behind, in one round trip: the index and the records of each subject in
#: KEYS (tokens, sessions, tokens, sessions), and every key with its TTL.
LOOK = """
local ttls, found = {}, {}
for _, key in ipairs(redis.call('KEYS', '*')) do
    ttls[#ttls + 1] = key
    ttls[#ttls + 1] = redis.call('PTTL', key)
end
for at = 1, #KEYS, 2 do
    found[#found + 1] = redis.call('ZRANGE', KEYS[at], 0, -1, 'WITHSCORES')
    found[#found + 1] = redis.call('HGETALL', KEYS[at + 1])
end
return {ttls, found}
"""
#: ARGV[1] milliseconds pass for Redis. What blocks a subject stays, and the canary.
PASS_TIME = """
for _, key in ipairs(redis.call('KEYS', '*')) do
    local ttl = redis.call('PTTL', key)
    if ttl >= 0 then redis.call('PEXPIRE', key, ttl - ARGV[1]) end
end
"""


@dataclass(eq=False)
class Token:
    text: str
    claims: dict[str, Any]
    generation: object = None

    @property
    def id(self) -> str:
        return self.claims["jti"]

    @property
    def session(self) -> str | None:
        return self.claims.get("sid")

    @property
    def ends(self) -> float:
        return self.claims["exp"]

    @property
    def type(self) -> str:
        return self.claims.get("type", "access")

    @property
    def is_refresh(self) -> bool:
        return self.type == "refresh"


@dataclass(eq=False)
class Family:
    """``answer`` is the pair that the last exchange gave, at ``rotated``."""

    current: Token
    previous: Token | None = None
    rotated: float = 0
    answer: tuple[str, str] = ("", "")
    is_lost: bool = False


@dataclass(eq=False)
class Subject:
    """What the oracle believes of one subject. Times are as in the tokens, without leeway."""

    name: str
    tokens: list[Token] = field(default_factory=list)
    listed: dict[str, float] = field(default_factory=dict)
    sessions: dict[str, set[str]] = field(default_factory=dict)
    dead_tokens: set[str] = field(default_factory=set)
    dead_sessions: set[str] = field(default_factory=set)
    families: dict[str, Family] = field(default_factory=dict)
    generation: object = None
    is_raised: bool = False
    is_blocked: bool = False

    def token(self, id: str) -> Token:
        return next(token for token in self.tokens if token.id == id)

    def kill(self, token: Token) -> None:
        self.dead_tokens.add(token.id)
        self.listed.pop(token.id, None)

    def end_session(self, sid: str) -> None:
        self.dead_sessions.add(sid)
        for id in self.sessions.pop(sid, ()):
            self.listed.pop(id, None)

    def end_all(self, strategy: str) -> None:
        # The allowlist forgets a token, and would take it if it were recorded again.
        if strategy != "allowlist":
            self.dead_tokens.update(self.listed)
        self.generation, self.is_raised = object(), True
        self.listed.clear()
        # Their records go, which matters once the version is lost too.
        self.lose_sessions()

    def lose_version(self) -> None:
        self.generation, self.is_raised = None, False

    def lose_sessions(self) -> None:
        self.sessions.clear()
        for family in self.families.values():
            family.is_lost = True

    def is_dead(self, token: Token, strategy: str, lost_data: str) -> bool:
        if self._is_ended(token):
            return True
        if self._lost_its_version(token):
            # Whether it was spent, its session's record knows all the same.
            return lost_data == "deny" or (token.is_refresh and self._is_spent(token, lost_data))
        if strategy == "allowlist" and token.id not in self.listed:
            return True
        return token.is_refresh and self._is_spent(token, lost_data)

    def is_exchangeable(self, token: Token, strategy: str, lost_data: str) -> bool:
        """Whether only its place in the family can refuse an exchange."""
        return not self._is_ended(token) and not (
            self._lost_its_version(token) and lost_data == "deny"
        )

    def _is_ended(self, token: Token) -> bool:
        return (
            self.is_blocked
            or token.id in self.dead_tokens
            or token.session in self.dead_sessions
            or (self.is_raised and token.generation not in (None, self.generation))
        )

    def _lost_its_version(self, token: Token) -> bool:
        """Nothing has ended it since the loss, whatever was begun after that."""
        return token.generation not in (None, self.generation) and not self.is_raised

    def _is_spent(self, token: Token, lost_data: str) -> bool:
        family = self.families[token.session or ""]
        return lost_data == "deny" if family.is_lost else family.current is not token


class Machine(RuleBasedStateMachine):
    """One run over one empty store."""

    def __init__(
        self, make: Callable[..., Authority], url: str, strategies: tuple[str, ...]
    ) -> None:
        super().__init__()
        self._make, self._url, self._strategies = make, url, strategies

    @initialize(
        names=st.lists(st.sampled_from(SUBJECTS), min_size=2, max_size=2, unique=True),
        leeway=st.sampled_from([0, 30.5, 2 * MINUTE]),
        lost_data=st.sampled_from(["deny", "allow"]),
        fraction=st.sampled_from([0, 0.25, 0.9999]),
        number=st.integers(0, len(STRATEGIES) - 1),
    )
    def start(
        self, names: list[str], leeway: float, lost_data: str, fraction: float, number: int
    ) -> None:
        self.started = time.monotonic()
        self.clock = Clock(1_800_000_000 + fraction)
        self.leeway, self.lost_data = leeway, lost_data
        self.strategy = self._strategies[number % len(self._strategies)]
        self.subjects = [Subject(name) for name in names]
        self.authority = self._make(
            self._url, clock=self.clock, leeway=leeway, on_lost_data=lost_data,
            access_lifetime=ACCESS, refresh_lifetime=REFRESH, refresh_grace=GRACE,
            strategy=self.strategy, timeout=5,
        )  # fmt: skip
        self.client, self.keys = store_of(self.authority), self.authority.keys
        self.client.flushall()
        self.made = 0

    def teardown(self) -> None:
        if hasattr(self, "authority"):
            self.authority.close()

    def pick(self, data: st.DataObject) -> Subject:
        return self.subjects[data.draw(st.integers(0, 1), "subject")]

    def pick_token(self, data: st.DataObject) -> tuple[Subject, Token]:
        found = [(subject, token) for subject in self.subjects for token in subject.tokens]
        return found[data.draw(st.integers(0, len(found) - 1), "token")]

    def unexpired(self, ends: float) -> bool:
        return ends + self.leeway > self.clock.now

    def has_tokens(self) -> bool:
        return any(subject.tokens for subject in self.subjects)

    def has_room(self) -> bool:
        return self.made < MAX_TOKENS

    # -- the verbs -----------------------------------------------------------

    @precondition(has_room)
    @rule(data=st.data())
    def issue(self, data: st.DataObject) -> None:
        subject = self.pick(data)
        if subject.is_blocked:
            with pytest.raises(SubjectBlocked):
                self.authority.issue(subject.name)
            return
        pair = self.authority.issue(subject.name, device="Pixel 8")
        subject.generation = subject.generation or object()
        refresh = self._add_pair(subject, pair)
        subject.families[pair.session_id] = Family(refresh)

    @precondition(has_tokens)
    @rule(data=st.data())
    def rotate(self, data: st.DataObject) -> None:
        found = [
            (subject, token)
            for subject in self.subjects
            for token in subject.tokens
            if token.is_refresh
        ]
        if not found:
            return
        subject, token = found[data.draw(st.integers(0, len(found) - 1), "refresh token")]
        family = subject.families[token.session or ""]
        refused = self._why_not_exchanged(subject, token, family)
        if refused is not None:
            with pytest.raises(refused):
                self.authority.rotate(token.text)
            if refused is ReusedToken:
                subject.end_session(token.session or "")
            return
        pair = self.authority.rotate(token.text)
        if self._is_repeat(token, family):
            # Under another version, only the other claims can be the same.
            if family.current.generation is subject.generation is not None:
                assert (pair.access, pair.refresh) == family.answer
            return
        subject.listed.pop(token.id, None)
        family.previous, family.rotated = token, int(self.clock.now * 1000) / 1000
        family.answer, family.is_lost = (pair.access, pair.refresh), False
        subject.generation = subject.generation or object()
        family.current = self._add_pair(subject, pair)

    @rule(data=st.data())
    def block_or_unblock(self, data: st.DataObject) -> None:
        subject = self.pick(data)
        subject.is_blocked = not subject.is_blocked
        verb = self.authority.block if subject.is_blocked else self.authority.unblock
        verb(subject.name)

    @rule(data=st.data())
    def logout_others(self, data: st.DataObject) -> None:
        subject = self.pick(data)
        kept = data.draw(st.sampled_from([*subject.sessions, "none"]), "kept")
        live = [one.id for one in self.authority.sessions(subject.name)]
        ended = [sid for sid in live if sid != kept]
        assert self.authority.logout_others(subject.name, keep=kept) == len(ended)
        for sid in ended:
            subject.end_session(sid)

    @precondition(has_room)
    @rule(data=st.data(), minutes=st.sampled_from([1, 10, 60]))
    def record(self, data: st.DataObject, minutes: int) -> None:
        """A token of an outside signer, in a session of its own, of ours, or of none."""
        subject = self.pick(data)
        sessions = ["S1", "S:2", *(token.session for token in subject.tokens if token.session)]
        sid = data.draw(st.none() | st.sampled_from(sessions), "sid")
        if not self._is_remembered(subject, sid):
            return
        claims = {"sub": subject.name, "jti": f"outside {self.made}"}
        claims["exp"] = int(self.clock.now) + minutes * MINUTE
        if sid is not None:
            claims["sid"] = sid
        self.authority.record(claims)
        self._add(subject, jwt.encode(claims, SECRET), None)

    @precondition(has_tokens)
    @rule(data=st.data())
    def record_again(self, data: st.DataObject) -> None:
        subject, token = self.pick_token(data)
        if not self.unexpired(token.ends):
            with pytest.raises(ValueError, match="expired"):
                self.authority.record(token.claims)
        elif token.generation is not None:
            self.authority.record(token.claims)
        elif self._is_remembered(subject, token.session):
            self.authority.record(token.claims)
            self._list(subject, token)

    @precondition(has_tokens)
    @rule(data=st.data(), form=st.sampled_from(["text", "mapping", "claims"]))
    def revoke(self, data: st.DataObject, form: str) -> None:
        subject, token = self.pick_token(data)
        self.authority.revoke(self._presented(token, form))
        subject.kill(token)

    @precondition(has_tokens)
    @rule(data=st.data(), form=st.sampled_from(["text", "mapping", "claims"]))
    def logout(self, data: st.DataObject, form: str) -> None:
        subject, token = self.pick_token(data)
        self.authority.logout(self._presented(token, form))
        if token.session is None:
            subject.kill(token)
        else:
            subject.end_session(token.session)

    @rule(data=st.data())
    def logout_session(self, data: st.DataObject) -> None:
        subject = self.pick(data)
        known = [token.session for token in subject.tokens if token.session]
        sid = data.draw(st.sampled_from(["S1", "S:2", "never seen", *known]), "sid")
        self.authority.logout_session(subject.name, sid)
        subject.end_session(sid)

    @rule(data=st.data())
    def logout_everywhere(self, data: st.DataObject) -> None:
        subject = self.pick(data)
        listed = sum(map(self.unexpired, subject.listed.values()))
        # Without an index a session counts as one.
        sessions = self.client.hlen(self.keys.sessions(subject.name))
        expected = listed + (sessions if self.strategy == "version" else 0)
        assert self.authority.logout_everywhere(subject.name) == expected
        subject.end_all(self.strategy)

    @precondition(has_room)
    @rule(data=st.data())
    def logout_everywhere_but_one(self, data: st.DataObject) -> None:
        subject = self.pick(data)
        if not subject.families:
            return
        kept = data.draw(st.sampled_from([*subject.families]), "kept")
        if subject.is_blocked:
            with pytest.raises(SubjectBlocked):
                self.authority.logout_everywhere(subject.name, keep=kept)
            return
        own = [token for token in subject.tokens if token.session == kept]
        if not any(self.unexpired(token.ends) for token in own):
            return
        if kept not in subject.sessions:
            if self.lost_data == "deny":
                with pytest.raises(RevokedToken):
                    self.authority.logout_everywhere(subject.name, keep=kept)
                subject.end_all(self.strategy)
            return
        pair = self.authority.logout_everywhere(subject.name, keep=kept)
        subject.end_all(self.strategy)
        family = subject.families[kept]
        family.is_lost, family.previous = False, None
        family.current = self._add_pair(subject, pair)

    # -- time, and what is lost ----------------------------------------------

    @rule(minutes=st.sampled_from([0, 1, 9, 10, 50, 60]), with_leeway=st.booleans())
    def time_passes(self, minutes: int, with_leeway: bool) -> None:
        seconds = minutes * MINUTE + self.leeway * with_leeway
        self.clock.now += seconds
        self.client.eval(PASS_TIME, 0, int(seconds * 1000))

    @rule(data=st.data(), lost=st.sampled_from(["tokens", "sessions", "both"]))
    def index_is_lost(self, data: st.DataObject, lost: str) -> None:
        subject = self.pick(data)
        if lost != "sessions":
            self.client.delete(self.keys.tokens(subject.name))
            subject.listed.clear()
        if lost != "tokens":
            self.client.delete(self.keys.sessions(subject.name))
            subject.lose_sessions()

    @rule(data=st.data())
    def version_is_lost(self, data: st.DataObject) -> None:
        subject = self.pick(data)
        self.client.delete(self.keys.version(subject.name))
        subject.lose_version()

    @rule()
    def everything_is_lost(self) -> None:
        self.client.flushall()
        for subject in self.subjects:
            subject.is_blocked = False
            subject.lose_version()
            subject.lose_sessions()
            for kept in (subject.listed, subject.dead_tokens, subject.dead_sessions):
                kept.clear()

    # -- what must hold after each step --------------------------------------

    @invariant()
    def the_oracle_is_right(self) -> None:
        self._promise_1_each_verdict_is_the_oracles()
        names = [subject.name for subject in self.subjects]
        keys = [key for name in names for key in (self.keys.tokens(name), self.keys.sessions(name))]
        ttls, found = self.client.eval(LOOK, len(keys), *keys)
        for number, subject in enumerate(self.subjects):
            index, records = map(_pairs, found[2 * number : 2 * number + 2])
            self._the_index_lists_what_is_live(subject, index)
            self._a_session_has_a_record_with_its_live_tokens(subject, records)
        self._promise_3_an_entry_outlives_what_it_refuses_and_then_goes(_pairs(ttls))

    def _promise_1_each_verdict_is_the_oracles(self) -> None:
        for subject in self.subjects:
            for token in subject.tokens:
                assert self._verdict(token) is self._expected(subject, token), token

    def _the_index_lists_what_is_live(self, subject: Subject, index: dict[bytes, bytes]) -> None:
        ends = {id.decode(): float(end) for id, end in index.items()}
        listed = {id: end for id, end in ends.items() if self.unexpired(end)}
        believed = {id: end for id, end in subject.listed.items() if self.unexpired(end)}
        assert listed == believed

    def _a_session_has_a_record_with_its_live_tokens(
        self, subject: Subject, found: dict[bytes, bytes]
    ) -> None:
        records = {sid.decode(): load(sid.decode(), text) for sid, text in found.items()}
        for sid, ids in subject.sessions.items():
            ends = {id: subject.listed[id] for id in ids & subject.listed.keys()}
            live = {id for id in ends if self.unexpired(ends[id])}
            if live:
                record = records.pop(sid)
                assert live <= set(record.token_ids) <= ids
                assert record.ends >= max(ends[id] for id in live)
            else:
                records.pop(sid, None)
        assert not records

    def _promise_3_an_entry_outlives_what_it_refuses_and_then_goes(
        self, ttls: dict[bytes, int]
    ) -> None:
        endless = {self.keys.blocked(one.name).encode() for one in self.subjects}
        endless.add(self.keys.canary().encode())
        timed = [ttl for key, ttl in ttls.items() if key not in endless]
        assert all(0 < ttl <= (REFRESH + self.leeway) * 1000 for ttl in timed)
        # Only here does the clock of Redis move by itself: while the test runs.
        late = (time.monotonic() - self.started) * 1000 + 2
        for subject in self.subjects:
            for key, ends in self._needed(subject):
                need = (ends + self.leeway - self.clock.now) * 1000
                assert need <= 0 or ttls.get(key.encode(), 0) >= need - late, key

    # -- the oracle's book-keeping --------------------------------------------

    def _add_pair(self, subject: Subject, pair: TokenPair) -> Token:
        """Answers the refresh token."""
        self._add(subject, pair.access, subject.generation)
        return self._add(subject, pair.refresh, subject.generation)

    def _add(self, subject: Subject, text: str, generation: object) -> Token:
        claims = jwt.decode(text, options={"verify_signature": False})
        token = Token(text, claims, generation)
        subject.tokens.append(token)
        self.made += 1
        self._list(subject, token)
        return token

    def _list(self, subject: Subject, token: Token) -> None:
        if token.id in subject.dead_tokens or token.session in subject.dead_sessions:
            return
        if self.strategy != "version" or token.generation is None:
            subject.listed[token.id] = token.ends
        if token.session is not None:
            subject.sessions.setdefault(token.session, set()).add(token.id)

    def _is_remembered(self, subject: Subject, sid: str | None) -> bool:
        """Redis knows what may become of another token of the session.

        It forgets an ended session when its last token has expired, and it cannot know how long
        the tokens live of which it lost the record.
        """
        unexpired = [token for token in subject.tokens if self.unexpired(token.ends)]
        ids = {token.id for token in unexpired if token.session == sid}
        if sid in subject.dead_sessions:
            return bool(ids)
        return sid is None or ids <= subject.sessions.get(sid, set())

    def _is_repeat(self, token: Token, family: Family) -> bool:
        return (
            not family.is_lost
            and family.previous is token
            and self.clock.now < family.rotated + GRACE + self.leeway
        )

    def _why_not_exchanged(
        self, subject: Subject, token: Token, family: Family
    ) -> type[Exception] | None:
        if not self.unexpired(token.ends):
            return ExpiredToken
        if not subject.is_exchangeable(token, self.strategy, self.lost_data):
            return RevokedToken
        if family.is_lost or family.current is token:
            dead = subject.is_dead(token, self.strategy, self.lost_data)
            return RevokedToken if dead else None
        return None if self._is_repeat(token, family) else ReusedToken

    def _presented(self, token: Token, form: str) -> Any:
        if form == "claims":
            return self.authority.tokens.claims_of(token.claims)
        return token.text if form == "text" else token.claims

    def _expected(self, subject: Subject, token: Token) -> type[Exception] | None:
        if not self.unexpired(token.ends):
            return ExpiredToken
        dead = subject.is_dead(token, self.strategy, self.lost_data)
        return RevokedToken if dead else None

    def _verdict(self, token: Token) -> type[Exception] | None:
        try:
            claims = self.authority.check(token.text, type=token.type)
        except (ExpiredToken, RevokedToken) as refused:
            return type(refused)
        assert claims.id == token.id
        return None

    def _needed(self, subject: Subject) -> list[tuple[str, float]]:
        """Each key without which a dead token would live, or a live one die; and until when."""
        needed = []
        for token in subject.tokens:
            if token.id in subject.dead_tokens:
                needed.append((self.keys.revoked(subject.name, token.id), token.ends))
            if token.session in subject.dead_sessions:
                needed.append((self.keys.revoked(subject.name, token.session), token.ends))
            if token.generation is not None and subject.generation is not None:
                needed.append((self.keys.version(subject.name), token.ends))
        needed += [(self.keys.tokens(subject.name), ends) for ends in subject.listed.values()]
        return needed


def _pairs(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def run(make: Callable[..., Authority], url: str, examples: int, *strategies: str) -> None:
    run_state_machine_as_test(
        lambda: Machine(make, url, strategies),
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            derandomize=False,
            database=None,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_promises_1_3_5_6_no_divergence_on_a_server(
    make_authority: Any, server: Server, strategy: str
) -> None:
    """With the others 500 runs: each of a strategy's own, for two workers to share."""
    run(make_authority, server.url, 167, strategy)


def test_promises_1_3_5_6_no_divergence_in_memory(make_authority: Any) -> None:
    run(make_authority, "memory://", 25, *STRATEGIES)


def test_promise_3_an_ended_session_outlives_a_token_that_joins_it_late(
    make_authority: Any, server: Server
) -> None:
    """Found by the machine: a token came to life when its session's entry went before it."""
    authority = make_authority(server.url)
    claims = {"sub": "alice", "sid": "S1", "exp": int(time.time()) + 60}
    authority.record({**claims, "jti": "short"})
    authority.logout_session("alice", "S1")
    late = {**claims, "jti": "long", "exp": claims["exp"] + 3600}
    authority.record(late)
    with pytest.raises(RevokedToken):
        authority.check(jwt.encode(late, SECRET))
    assert store_of(authority).ttl(authority.keys.revoked("alice", "S1")) > 3600
    assert authority.store.listed("alice") == []
    assert authority.store.session_records("alice") == {}
