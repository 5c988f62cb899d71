"""The contract that every strategy keeps, over every kind of store."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from flask_jwt_revoke import (
    Authority,
    ExpiredToken,
    ReusedToken,
    RevokedToken,
    SubjectBlocked,
    TokenPair,
)

from .conftest import SECRET, Clock, store_of
from .redis_page import TENANTS

Make = Callable[..., Authority]


def own_strategy() -> Any:
    """The one that the documentation shows."""
    page = Path(__file__).parents[1] / "docs" / "strategies.md"
    (program,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(program.splitlines()) <= 30
    found: dict[str, Any] = {}
    exec(program, found)
    return found["ByTenant"]()


STRATEGIES = ["blacklist", "allowlist", "version", own_strategy()]


@pytest.fixture(params=STRATEGIES, ids=["blacklist", "allowlist", "version", "own"])
def make(request: pytest.FixtureRequest, make_authority: Make, url: str) -> Make:
    def made(**settings: Any) -> Authority:
        return make_authority(TENANTS.at(url), strategy=request.param, **settings)

    return made


def live(authority: Authority, pair: TokenPair) -> tuple[bool, bool]:
    """Whether the access and the refresh token pass."""
    return (_passes(authority, pair.access, "access"), _passes(authority, pair.refresh, "refresh"))


def _passes(authority: Authority, token: str, type: Any) -> bool:
    try:
        authority.check(token, type=type)
    except RevokedToken:
        return False
    return True


def test_a_token_is_live_until_it_is_revoked(make: Make) -> None:
    authority = make()
    one, two = authority.issue("alice"), authority.issue("alice")
    assert live(authority, one) == live(authority, two) == (True, True)
    authority.revoke(one.access)
    authority.revoke(one.access)
    assert live(authority, one) == (False, True)
    authority.revoke(one.refresh)
    assert live(authority, one) == (False, False)
    assert live(authority, two) == (True, True)


def test_log_out_ends_the_session(make: Make) -> None:
    authority = make()
    one, two = authority.issue("alice"), authority.issue("alice")
    authority.logout(one.access)
    assert live(authority, one) == (False, False)
    assert live(authority, two) == (True, True)
    assert [session.id for session in authority.sessions("alice")] == [two.session_id]


def test_log_out_ends_the_session_whose_record_is_lost(make: Make) -> None:
    authority = make()
    pair = authority.issue("alice")
    store_of(authority).delete(authority.keys.sessions("alice"))
    authority.logout(pair.access)
    assert live(authority, pair) == (False, False)


def test_log_out_everywhere(make: Make) -> None:
    authority = make()
    pairs = [authority.issue("alice") for _ in range(3)]
    bystander = authority.issue("bob")
    assert authority.logout_everywhere("alice") >= 3
    assert {live(authority, pair) for pair in pairs} == {(False, False)}
    assert live(authority, bystander) == (True, True)
    assert authority.sessions("alice") == []
    after = authority.issue("alice")
    assert live(authority, after) == (True, True)
    assert [session.id for session in authority.sessions("alice")] == [after.session_id]


def test_log_out_everywhere_ends_a_recorded_token(make: Make) -> None:
    authority = make()
    claims = {"sub": "alice", "jti": "outside", "exp": int(time.time()) + 60}
    authority.record(claims)
    token = jwt.encode(claims, SECRET)
    assert authority.check(token)
    assert authority.logout_everywhere("alice") == 1
    with pytest.raises(RevokedToken):
        authority.check(token)


@pytest.mark.parametrize("idle", [None, 600])
def test_a_session_that_has_expired_begins_anew_with_a_recorded_token(
    make: Make, idle: int | None
) -> None:
    clock = Clock(int(time.time()))
    authority = make(clock=clock, session_idle_timeout=idle)
    for number in range(2):
        exp = clock.now + 1000
        claims = {"sub": "alice", "jti": f"J{number}", "sid": "S1", "exp": exp}
        authority.record(claims)
        assert [(one.id, one.ends) for one in authority.sessions("alice")] == [("S1", exp)]
        clock.now += 1000
    clock.now -= 500
    authority.issue("alice")
    assert authority.check(jwt.encode(claims, SECRET)).id == "J1"
    authority.logout_session("alice", "S1")
    with pytest.raises(RevokedToken):
        authority.check(jwt.encode(claims, SECRET))


def test_one_session_goes_on_with_a_new_pair(make: Make) -> None:
    authority = make()
    here, there = authority.issue("alice", device="laptop"), authority.issue("alice")
    new = authority.logout_everywhere("alice", keep=here.session_id, claims={"role": "admin"})
    assert live(authority, here) == live(authority, there) == (False, False)
    assert live(authority, new) == (True, True)
    (session,) = authority.sessions("alice")
    assert (session.id, session.device) == (here.session_id, "laptop")
    assert authority.check(new.access).claims["role"] == "admin"
    assert live(authority, authority.rotate(new.refresh)) == (True, True)


def test_a_session_that_was_ended_does_not_go_on(make: Make) -> None:
    authority = make()
    here, there = authority.issue("alice"), authority.issue("alice")
    authority.logout(here.access)
    with pytest.raises(RevokedToken):
        authority.logout_everywhere("alice", keep=here.session_id)
    assert live(authority, there) == (False, False)
    for sid in (there.session_id, "never seen"):
        with pytest.raises(RevokedToken):
            authority.logout_everywhere("alice", keep=sid)
    assert authority.sessions("alice") == []


@pytest.mark.parametrize(
    ("seconds", "limit"),
    [(601, {"session_idle_timeout": 600}), (905, {"session_lifetime": 900, "leeway": 10})],
    ids=["idle", "too old"],
)
def test_a_session_that_is_over_does_not_go_on(
    make: Make, seconds: int, limit: dict[str, int]
) -> None:
    clock = Clock(time.time())
    authority = make(clock=clock, **limit)
    here = authority.issue("alice")
    clock.now += seconds
    assert authority.check(here.access, strict=True)
    with pytest.raises(RevokedToken):
        authority.logout_everywhere("alice", keep=here.session_id)
    assert live(authority, here) == (False, False)


def test_a_blocked_subject_is_not_handed_a_pair(make: Make) -> None:
    authority = make()
    here = authority.issue("alice")
    authority.block("alice")
    with pytest.raises(SubjectBlocked):
        authority.logout_everywhere("alice", keep=here.session_id)
    authority.unblock("alice")
    assert live(authority, here) == (True, True)


def test_log_out_others_and_a_device(make: Make) -> None:
    authority = make()
    here = authority.issue("alice", device_id="D1")
    others = [authority.issue("alice", device_id=f"X{number}") for number in range(2)]
    phone = authority.issue("alice", device_id="D2")
    assert authority.logout_device("alice", "D2") == 1
    assert authority.logout_device("alice", "D2") == 0
    assert live(authority, phone) == (False, False)
    assert authority.logout_others("alice", keep=here.session_id) == 2
    assert {live(authority, pair) for pair in others} == {(False, False)}
    assert live(authority, here) == (True, True)


def test_a_session_of_somebody_else_is_not_ended(make: Make) -> None:
    authority = make()
    mine, hers = authority.issue("mallory"), authority.issue("alice")
    assert not authority.end_listed("mallory", hers.session_id)
    assert live(authority, hers) == live(authority, mine) == (True, True)


def test_a_blocked_subject(make: Make) -> None:
    authority = make()
    pair = authority.issue("alice")
    authority.block("alice", reason="fraud")
    assert live(authority, pair) == (False, False)
    for call in (lambda: authority.issue("alice"), lambda: authority.rotate(pair.refresh)):
        with pytest.raises((SubjectBlocked, RevokedToken)):
            call()
    authority.unblock("alice")
    assert live(authority, pair) == (True, True)
    assert live(authority, authority.issue("alice")) == (True, True)


class TestRotation:
    def test_promise_7_a_refresh_token_is_good_for_one_exchange(self, make: Make) -> None:
        authority = make(refresh_grace=0)
        first = authority.issue("alice", claims={"role": "admin"})
        second = authority.rotate(first.refresh)
        assert live(authority, second) == (True, True)
        assert live(authority, first) == (True, False)
        assert second.session_id == first.session_id
        claims = authority.check(second.access)
        assert (claims.claims["role"], claims.fresh) == ("admin", False)
        with pytest.raises(ReusedToken):
            authority.rotate(first.refresh)
        assert live(authority, second) == live(authority, first) == (False, False)
        with pytest.raises(RevokedToken):
            authority.rotate(second.refresh)

    def test_promise_7_the_same_pair_inside_the_grace_window(self, make: Make) -> None:
        clock = Clock(time.time())
        authority = make(clock=clock, refresh_grace=10)
        first = authority.issue("alice")
        second = authority.rotate(first.refresh)
        clock.now += 9.9
        again = authority.rotate(first.refresh)
        assert (again.access, again.refresh) == (second.access, second.refresh)
        clock.now += 0.2  # anchored at the first exchange: a repeat does not extend it
        with pytest.raises(ReusedToken):
            authority.rotate(first.refresh)
        assert live(authority, second) == (False, False)

    def test_promise_7_grace_is_for_the_immediate_predecessor(self, make: Make) -> None:
        authority = make()
        first = authority.issue("alice")
        second = authority.rotate(first.refresh)
        third = authority.rotate(second.refresh)
        assert authority.rotate(second.refresh).refresh == third.refresh
        with pytest.raises(ReusedToken):
            authority.rotate(first.refresh)
        assert live(authority, third) == (False, False)

    def test_promise_7_no_grace_for_what_was_logged_out(self, make: Make) -> None:
        authority = make()
        for end in (authority.logout, lambda token: authority.logout_everywhere("alice")):
            first = authority.issue("alice")
            second = authority.rotate(first.refresh)
            end(second.access)
            for token in (first.refresh, second.refresh):
                with pytest.raises(RevokedToken):
                    authority.rotate(token)

    def test_promise_7_no_grace_for_a_revoked_token(self, make: Make) -> None:
        authority = make()
        first = authority.issue("alice")
        authority.rotate(first.refresh)
        authority.revoke(first.refresh)
        with pytest.raises(RevokedToken):
            authority.rotate(first.refresh)

    def test_a_lifetime_that_was_shortened_ends_a_session_in_order(self, make: Make) -> None:
        clock = Clock(time.time())
        before = make(clock=clock)
        pair = before.issue("alice")
        clock.now += 100
        after = make(clock=clock, redis=before.store.client, session_lifetime=60)
        with pytest.raises(ExpiredToken):
            after.rotate(pair.refresh)
        assert after.sessions("alice") == []
        with pytest.raises(RevokedToken):
            before.rotate(pair.refresh)

    def test_an_entry_outlives_tokens_of_longer_lifetimes(self, make: Make) -> None:
        clock = Clock(time.time())
        before = make(clock=clock, refresh_lifetime=3600)
        pair = before.issue("alice")
        after = make(clock=clock, redis=before.store.client, access_lifetime=1, refresh_lifetime=2)
        after.logout(after.rotate(pair.refresh).access)
        key = after.keys.revoked("alice", pair.session_id)
        assert store_of(after).ttl(key) > 3500

    def test_grace_covers_clocks_that_differ(self, make: Make) -> None:
        ahead, behind = Clock(time.time() + 15), Clock(time.time())
        one = make(clock=behind, leeway=30)
        two = make(clock=ahead, leeway=30, redis=one.store.client)
        pair = one.issue("alice")
        assert one.rotate(pair.refresh).refresh == two.rotate(pair.refresh).refresh

    def test_many_exchanges_keep_the_record_small(self, make: Make) -> None:
        authority = make()
        pair = authority.issue("alice")
        for _ in range(50):
            pair = authority.rotate(pair.refresh)
        (record,) = authority.store.session_records("alice").values()
        assert len(record) < 2000
        assert live(authority, pair) == (True, True)

    def test_the_index_follows(self, make: Make) -> None:
        authority = make()
        pair = authority.issue("alice")
        for _ in range(3):
            pair = authority.rotate(pair.refresh)
        ended = authority.logout_everywhere("alice")
        assert ended == (1 if authority.config.strategy == "version" else 5)

    def test_an_idle_session_cannot_be_refreshed(self, make: Make) -> None:
        clock = Clock(time.time())
        authority = make(clock=clock, session_idle_timeout=1200)
        pair = authority.issue("alice")
        clock.now += 800
        authority.check(pair.access)
        clock.now += 1190
        pair = authority.rotate(pair.refresh)
        clock.now += 1201
        assert authority.sessions("alice") == []
        with pytest.raises(ExpiredToken):
            authority.rotate(pair.refresh)

    def test_an_idle_session_is_ended_when_it_is_swept(self, make: Make) -> None:
        clock = Clock(time.time())
        authority = make(clock=clock, session_idle_timeout=120)
        idle = authority.issue("alice")
        clock.now += 300
        assert authority.check(idle.access)  # which does not wake the session up
        assert authority.sessions("alice") == []
        authority.issue("alice")
        assert live(authority, idle) == (False, False)

    def test_a_session_has_an_absolute_end(self, make: Make) -> None:
        clock = Clock(time.time())
        authority = make(clock=clock, session_lifetime=3000, refresh_lifetime=2000)
        pair = authority.issue("alice")
        end = int(clock.now) + 3000
        for _ in range(2):
            clock.now += 1400
            pair = authority.rotate(pair.refresh)
        assert authority.check(pair.refresh, type="refresh").expires_at == end
        assert authority.check(pair.access).expires_at == end
        assert pair.expires_in == end - int(clock.now)
        clock.now = end
        with pytest.raises(ExpiredToken):
            authority.rotate(pair.refresh)


def test_an_authors_own_strategy(make_authority: Make, url: str) -> None:
    authority = make_authority(TENANTS.at(url), strategy=own_strategy())
    pair = authority.issue("alice", claims={"tenant": "acme"})
    store_of(authority).sadd(authority.keys.base("alice") + "tenants-out", "acme")
    assert live(authority, pair) == (False, False)
    assert live(authority, authority.issue("alice")) == (True, True)
    with pytest.raises(RevokedToken):
        authority.rotate(pair.refresh)


@pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
def test_refresh_tokens_alone_can_be_checked(make_authority: Make, url: str, strategy: str) -> None:
    authority = make_authority(url, strategy=strategy, checked_types=("refresh",))
    pair = authority.issue("alice")
    authority.logout_everywhere("alice")
    assert live(authority, pair) == (True, False)


class TestSessions:
    def test_the_list(self, make: Make) -> None:
        clock = Clock(time.time())
        authority = make(clock=clock)
        device = {"device": "Pixel 8", "device_id": "D1", "address": "203.0.113.0/24"}
        first = authority.issue("alice", **device, agent="Firefox on Android")
        clock.now += 10
        second = authority.issue("alice")
        listed = authority.sessions("alice")
        assert [one.id for one in listed] == [second.session_id, first.session_id]
        kept = listed[1]
        assert device == {name: getattr(kept, name) for name in device}
        assert (kept.agent, kept.created) == ("Firefox on Android", int(clock.now - 10))
        assert authority.sessions("nobody") == []

    def test_the_same_device_has_one_session(self, make: Make) -> None:
        authority = make()
        first = authority.issue("alice", device_id="D1")
        other = authority.issue("alice", device_id="D2")
        second = authority.issue("alice", device_id="D1")
        assert live(authority, first) == (False, False)
        assert live(authority, other) == live(authority, second) == (True, True)
        assert len(authority.sessions("alice")) == 2

    def test_the_oldest_goes_at_the_limit(self, make: Make) -> None:
        clock = Clock(time.time())
        authority = make(clock=clock, max_sessions=2)
        pairs = []
        for _ in range(4):
            pairs.append(authority.issue("alice"))
            clock.now += 1
        lives = [live(authority, pair) for pair in pairs]
        assert lives == [(False, False)] * 2 + [(True, True)] * 2

    def test_last_seen_is_written_once_a_minute(self, make: Make) -> None:
        clock = Clock(time.time())
        authority = make(clock=clock)
        pair = authority.issue("alice")
        began = int(clock.now)

        def seen() -> int:
            return authority.sessions("alice")[0].last_seen - began

        clock.now += 59
        authority.check(pair.access)
        assert seen() == 0
        clock.now += 61
        authority.check(pair.access)
        assert seen() == 120

    def test_ended_sessions_are_trimmed(self, make: Make) -> None:
        clock = Clock(time.time())
        authority = make(clock=clock, access_lifetime=10, refresh_lifetime=60)
        for _ in range(12):
            authority.issue("alice")
        clock.now += 61
        authority.issue("alice")
        assert store_of(authority).hlen(authority.keys.sessions("alice")) == 1
