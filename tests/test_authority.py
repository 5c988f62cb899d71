"""The verbs, and what they leave in Redis, over every kind of store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import redis

from flask_jwt_revoke import Authority, MalformedToken, RevokedToken, WrongType
from flask_jwt_revoke.tokens.claims import MAX_TOKEN

from .conftest import SECRET, Clock, store_of
from .servers import Server

Make = Callable[..., Authority]


def ttl(authority: Authority, subject: str, id: str) -> float:
    """Seconds that an entry has to live."""
    return store_of(authority).pttl(authority.keys.revoked(subject, id)) / 1000


def index(authority: Authority, subject: str = "alice") -> dict[str, float]:
    return dict(authority.store.listed(subject))


def test_a_token_that_would_outgrow_what_is_accepted_is_not_exchanged(
    make_authority: Callable[..., Authority], server: Server
) -> None:
    """Another signer writes é in two bytes, and this one in six."""
    authority = make_authority(server.url)
    pair = authority.issue("alice")
    grown = {**payload(pair.refresh), "x": "é" * 1500}
    body = json.dumps(grown, ensure_ascii=False).encode()
    token = jwt.PyJWS().encode(body, SECRET, "HS256")
    assert len(token) < MAX_TOKEN
    with server.client() as client:
        before = {key: client.dump(key) for key in client.keys("*")}
        with pytest.raises(MalformedToken, match="too large"):
            authority.rotate(token)
        assert {key: client.dump(key) for key in client.keys("*")} == before
    assert authority.rotate(pair.refresh)


def payload(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_issue_check_and_index(make_authority: Make, url: str) -> None:
    authority = make_authority(url)
    pair = authority.issue("alice", device="Pixel 8", claims={"role": "admin"})
    access = authority.check(pair.access)
    assert (access.subject, access.session_id, access.fresh) == ("alice", pair.session_id, True)
    assert access.claims["role"] == "admin"
    refresh = authority.check(pair.refresh, type="refresh")
    assert not refresh.fresh
    assert index(authority) == {t.id: t.expires_at for t in (access, refresh)}
    assert pair.to_dict() == {
        "access_token": pair.access, "refresh_token": pair.refresh,
        "token_type": "Bearer", "expires_in": 900,
    }  # fmt: skip
    assert pair.access not in repr(pair)


def test_a_token_is_of_one_type(make_authority: Make) -> None:
    authority = make_authority("memory://")
    pair = authority.issue("alice")
    with pytest.raises(WrongType):
        authority.check(pair.refresh)
    with pytest.raises(WrongType):
        authority.check(pair.access, type="refresh")


@pytest.mark.parametrize("leeway", [0, 30])
def test_promise_3_an_entry_lives_as_long_as_its_token(
    make_authority: Make, url: str, leeway: int
) -> None:
    authority = make_authority(url, leeway=leeway)
    pair = authority.issue("alice")
    for token in (pair.access, pair.refresh):
        authority.revoke(token)
        claims = payload(token)
        expected = claims["exp"] + leeway - time.time()
        assert ttl(authority, "alice", claims["jti"]) == pytest.approx(expected, abs=5)


def test_promise_3_a_session_entry_outlives_the_sessions_longest_token(
    make_authority: Make, url: str
) -> None:
    authority = make_authority(url, leeway=30)
    pair = authority.issue("alice")
    authority.logout(pair.access)
    expected = payload(pair.refresh)["exp"] + 30 - time.time()
    assert ttl(authority, "alice", pair.session_id) == pytest.approx(expected, abs=5)


def test_promise_3_an_entry_is_never_for_ever(make_authority: Make, url: str) -> None:
    clock = Clock(time.time())
    authority = make_authority(url, clock=clock, access_lifetime=60)
    pair = authority.issue("alice")
    clock.now += 59.9996
    authority.revoke(pair.access)
    clock.now += 1
    authority.revoke(authority.issue("bob").access)
    authority.revoke(pair.access)
    keys = store_of(authority).keys("jwtrevoke:{*")
    assert keys
    assert all(store_of(authority).pttl(key) > 0 for key in keys)


def test_promise_5_log_out_everywhere_is_complete_without_the_index(
    make_authority: Make, url: str
) -> None:
    authority = make_authority(url)
    pair = authority.issue("alice")
    store_of(authority).delete(authority.keys.tokens("alice"))
    assert authority.logout_everywhere("alice") == 0
    with pytest.raises(RevokedToken):
        authority.check(pair.access)
    assert authority.check(authority.issue("alice").access)


def test_promise_6_revoking_is_idempotent(make_authority: Make, url: str) -> None:
    authority = make_authority(url)
    pair = authority.issue("alice")
    for reason in ("stolen", "logout"):
        authority.revoke(pair.access, reason=reason)
    key = authority.keys.revoked("alice", payload(pair.access)["jti"])
    assert store_of(authority).get(key).startswith(b"stolen@")


def test_promise_6_an_expired_token_can_still_log_out(make_authority: Make, url: str) -> None:
    clock = Clock(time.time())
    authority = make_authority(url, clock=clock)
    pair = authority.issue("alice")
    clock.now += 901
    authority.revoke(pair.access)
    authority.logout(pair.access)
    with pytest.raises(RevokedToken):
        authority.check(pair.refresh, type="refresh")


def test_log_out_ends_one_session(make_authority: Make, url: str) -> None:
    authority = make_authority(url)
    phone, laptop = authority.issue("alice"), authority.issue("alice")
    authority.logout(phone.access)
    for token, type in ((phone.access, "access"), (phone.refresh, "refresh")):
        with pytest.raises(RevokedToken):
            authority.check(token, type=type)
    assert authority.check(laptop.access)
    assert set(index(authority)) == {payload(t)["jti"] for t in (laptop.access, laptop.refresh)}
    assert list(authority.store.session_records("alice")) == [laptop.session_id]


def test_log_out_everywhere_in_one_pipeline(make_authority: Make, url: str) -> None:
    authority = make_authority(url, leeway=10)
    pairs = [authority.issue("alice") for _ in range(3)]
    bystander = authority.issue("bob")
    version = payload(pairs[0].access)["ver"]
    assert authority.logout_everywhere("alice", reason="password_changed") == 6
    for pair in pairs:
        with pytest.raises(RevokedToken):
            authority.check(pair.access)
        claims = payload(pair.refresh)
        expected = claims["exp"] + 10 - time.time()
        assert ttl(authority, "alice", claims["jti"]) == pytest.approx(expected, abs=5)
    assert authority.check(bystander.access)
    client, keys = store_of(authority), authority.keys
    assert int(client.get(keys.version("alice"))) != version
    assert not client.exists(keys.tokens("alice"))
    assert not client.exists(keys.sessions("alice"))
    assert authority.logout_everywhere("alice") == 0
    again = authority.issue("alice")
    assert authority.check(again.access)
    assert len(index(authority)) == 2


def test_each_issue_trims_what_has_expired(make_authority: Make, url: str) -> None:
    clock = Clock(time.time())
    authority = make_authority(url, clock=clock, access_lifetime=10, refresh_lifetime=60, leeway=5)
    first = authority.issue("alice")
    clock.now += 16
    second = authority.issue("alice")
    expected = {payload(t)["jti"] for t in (first.refresh, second.access, second.refresh)}
    assert set(index(authority)) == expected
    clock.now += 50
    third = authority.issue("alice")
    assert payload(first.refresh)["jti"] not in index(authority)
    assert set(authority.store.session_records("alice")) == {second.session_id, third.session_id}


class TestOutsideTokens:
    def token(self, **claims: object) -> dict[str, Any]:
        return {"sub": "alice", "jti": "outside-1", "exp": int(time.time()) + 100, **claims}

    def check(self, authority: Authority, claims: dict[str, Any]) -> bool:
        try:
            authority.check(jwt.encode(claims, SECRET))
        except RevokedToken:
            return False
        return True

    def test_log_out_everywhere_ends_a_recorded_token(self, make_authority: Make, url: str) -> None:
        authority, claims = make_authority(url), self.token()
        assert self.check(authority, claims)
        authority.record(claims)
        assert self.check(authority, claims)
        assert authority.logout_everywhere("alice") == 1
        assert not self.check(authority, claims)

    def test_it_can_be_revoked_by_its_claims(self, make_authority: Make, url: str) -> None:
        authority, claims = make_authority(url), self.token()
        authority.record(claims)
        authority.revoke(claims)
        assert not self.check(authority, claims)
        assert index(authority) == {}
        authority.record(claims)
        assert index(authority) == {}

    def test_one_that_is_not_valid_yet_can_be_ended(self, make_authority: Make, url: str) -> None:
        clock = Clock(time.time())
        authority, opens = make_authority(url, clock=clock), int(clock.now) + 60
        for number, end in enumerate((authority.revoke, authority.logout)):
            claims = self.token(jti=str(number), nbf=opens)
            token = jwt.encode(claims, SECRET)
            authority.record(token)
            end(token)
            clock.now = opens + 1
            assert not self.check(authority, claims)
            clock.now = opens - 60

    def test_its_session_is_ended_with_the_longest_token(
        self, make_authority: Make, url: str
    ) -> None:
        authority = make_authority(url)
        long = self.token(sid="S1", jti="long", exp=int(time.time()) + 10**8)
        for claims in (long, self.token(sid="S1")):
            authority.record(claims)
        authority.logout(self.token(sid="S1"))
        assert not self.check(authority, long)
        assert ttl(authority, "alice", "S1") == pytest.approx(10**8, abs=2)
        assert index(authority) == {}

    def test_without_a_session_it_is_logged_out_alone(self, make_authority: Make, url: str) -> None:
        authority, claims = make_authority(url), self.token()
        authority.logout(claims)
        assert not self.check(authority, claims)

    @pytest.mark.parametrize(
        "change", [{"jti": None}, {"exp": None}, {"sub": ""}, {"exp": 5}, {"exp": "soon"}]
    )
    def test_promise_11_unusable_claims_change_nothing(
        self, make_authority: Make, change: dict[str, object]
    ) -> None:
        authority = make_authority("memory://")
        with pytest.raises(ValueError, match=r"."):
            authority.record(self.token(**change))
        assert store_of(authority).keys("*") == []


@pytest.mark.parametrize("subject", ["", None, 7, "x" * 257, "🔑" * 65, "\ud800", b"alice"])
def test_promise_11_an_unusable_subject_changes_nothing(
    make_authority: Make, subject: object
) -> None:
    authority = make_authority("memory://")
    for verb in (authority.issue, authority.logout_everywhere):
        with pytest.raises(ValueError, match="subject"):
            verb(subject)
    with pytest.raises(ValueError, match="subject"):
        authority.logout_session(subject, "S1")
    assert store_of(authority).keys("*") == []


@pytest.mark.parametrize("reason", ["", "a b", "x" * 65, "a@b", "a\nb", None])
def test_promise_11_an_unusable_reason_changes_nothing(
    make_authority: Make, reason: object
) -> None:
    authority = make_authority("memory://")
    pair = authority.issue("alice")
    for call in (authority.revoke, authority.logout):
        with pytest.raises(ValueError, match="reason"):
            call(pair.access, reason=reason)
    with pytest.raises(ValueError, match="reason"):
        authority.logout_everywhere("alice", reason=reason)
    assert authority.check(pair.access)


@pytest.mark.parametrize(
    "arguments",
    [{"device": 7}, {"device": "\ud800"}, {"claims": {"exp": 1}}, {"claims": {"x": {1}}}],
)
def test_promise_11_an_unusable_sign_in_keeps_nothing(
    make_authority: Make, arguments: dict[str, Any]
) -> None:
    authority = make_authority("memory://")
    with pytest.raises(ValueError, match=r"."):
        authority.issue("alice", **arguments)
    assert store_of(authority).keys("*") == []


SUBJECTS = ["a:b", "{x}", "}x{", "../", "🔑", "a\nb", "a%0Ab", "x" * 256, "a", "a:", "é" * 128]


def test_each_subject_has_its_own_keys(make_authority: Make, url: str) -> None:
    authority = make_authority(url)
    pairs = {subject: authority.issue(subject) for subject in SUBJECTS}
    for number, subject in enumerate(SUBJECTS):
        assert authority.logout_everywhere(subject) == 2
        for other in SUBJECTS[number + 1 :]:
            assert authority.check(pairs[other].access).subject == other


@pytest.mark.parametrize("answer", ["deny", "allow"])
def test_lost_data_gets_the_configured_answer(
    make_authority: Make, server: Server, answer: str
) -> None:
    authority = make_authority(server.url, on_lost_data=answer)
    pair = authority.issue("alice")
    with server.client() as client:
        client.flushall()
    if answer == "allow":
        assert authority.check(pair.access)
    else:
        with pytest.raises(RevokedToken):
            authority.check(pair.access)
    authority.issue("alice")
    if answer == "allow":
        assert authority.check(pair.access)
    authority.logout_everywhere("alice")
    with pytest.raises(RevokedToken):
        authority.check(pair.access)


@pytest.mark.parametrize("options", [{"decode_responses": True}, {"protocol": 3}, {}])
def test_a_client_that_was_handed_in_is_used_as_it_is(
    make_authority: Make, server: Server, options: dict[str, Any]
) -> None:
    with redis.Redis(unix_socket_path=str(server.socket), **options) as client:
        authority = make_authority(None, redis=client)
        phone, laptop = authority.issue("alice"), authority.issue("alice")
        authority.record({"sub": "alice", "jti": "J1", "exp": time.time() + 60, "sid": "S1"})
        authority.logout(phone.access)
        authority.revoke(laptop.access)
        for pair in (phone, laptop):
            with pytest.raises(RevokedToken):
                authority.check(pair.access)
        assert authority.logout_everywhere("alice") == 2
        authority.close()
        assert client.ping()


def test_promise_12_redis_holds_no_token_and_no_key(make_authority: Make, server: Server) -> None:
    authority = make_authority(server.url)
    pair = authority.issue("alice")
    authority.logout(pair.access)
    with server.client() as client:
        held = b"".join(name + client.dump(name) for name in client.keys("*"))
    for secret in (SECRET, pair.access, pair.refresh, *pair.access.split(".")):
        assert secret.encode() not in held
