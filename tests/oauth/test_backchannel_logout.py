"""OpenID Connect Back-Channel Logout 1.0: each rule of section 2.6, and what ends."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_jwt_revoke import ConfigurationError, Event, signals

from ..conftest import SECRET as KEY
from ..conftest import Clock
from ..issuers.provider import Provider, b64, saying
from ..servers import Proxy, Server
from .conftest import IDP, is_live, keys_of
from .examples import BACKCHANNEL, CLIENT, LOGOUT_TOKEN, SECRET

MakeApp = Callable[..., Flask]
Post = Callable[..., Any]


@pytest.fixture
def logout_token(provider: Provider, clock: Clock) -> Callable[..., str]:
    """A good one; what is None is left out."""

    def make(*, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(clock())
        good = {
            "iss": provider.name, "aud": "s6BhdRkqt3", "sub": "alice", "jti": "L1",
            "iat": now, "exp": now + 120, "events": {BACKCHANNEL: {}},
        }  # fmt: skip
        return provider.sign(header={"typ": "logout+jwt"} | (header or {}), **good | claims)

    return make


def post(client: FlaskClient, token: str, **more: str) -> Any:
    answer = client.post("/oauth/backchannel-logout", data={"logout_token": token, **more})
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


def access(provider: Provider, **claims: Any) -> str:
    return provider.sign(**{"sub": "alice", "sid": "S1", "jti": "A1"} | claims)


@pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
def test_the_printed_logout_token_ends_the_session_that_it_names(
    make_endpoints: MakeApp, provider: Provider, clock: Clock, strategy: str
) -> None:
    client = make_endpoints(LOGOUT_TOKEN["iss"], strategy=strategy).test_client()
    clock.now = LOGOUT_TOKEN["iat"] + 1
    dates = {"iat": LOGOUT_TOKEN["iat"] - 60, "exp": LOGOUT_TOKEN["iat"] + 600}
    seen, never_seen, other = (
        access(provider, sub=LOGOUT_TOKEN["sub"], jti=jti, sid=sid, **dates)
        for jti, sid in [("A1", LOGOUT_TOKEN["sid"]), ("A2", LOGOUT_TOKEN["sid"]), ("A3", "S2")]
    )
    assert is_live(client, seen)
    token = provider.sign(header={"typ": "logout+jwt"}, **LOGOUT_TOKEN)
    answer = post(client, token)
    assert (answer.status_code, answer.data) == (200, b"")
    assert [is_live(client, one) for one in (seen, never_seen, other)] == [False, False, True]


def test_without_sid_everything_of_the_subject_ends(
    client: FlaskClient, provider: Provider, logout_token: Callable[..., str]
) -> None:
    tokens = [access(provider, jti=jti, sid=sid) for jti, sid in [("A1", "S1"), ("A2", "S2")]]
    bob = access(provider, sub="bob", jti="B1", sid="S3")
    assert all(is_live(client, one) for one in [*tokens[:1], bob])
    assert post(client, logout_token()).status_code == 200
    assert not any(is_live(client, one) for one in tokens)
    assert is_live(client, bob)


@pytest.mark.parametrize("near_cache_staleness", [None, 30])
def test_without_sub_the_session_ends_whoevers_it_is(
    make_endpoints: MakeApp,
    provider: Provider,
    logout_token: Callable[..., str],
    near_cache_staleness: float | None,
) -> None:
    client = make_endpoints(near_cache_staleness=near_cache_staleness).test_client()
    seen, never_seen = access(provider), access(provider, jti="A2")
    other = access(provider, jti="A3", sid="S2")
    for _ in range(2):  # the first check of each indexes it, which ends what is near
        assert is_live(client, seen)
        assert is_live(client, other)
    assert post(client, logout_token(sub=None, sid="S1")).status_code == 200
    assert [is_live(client, one) for one in (seen, never_seen, other)] == [False, False, True]


def test_another_process_hears_of_a_session_without_a_subject(
    make_endpoints: MakeApp, provider: Provider, logout_token: Callable[..., str]
) -> None:
    here, there = make_endpoints(near_cache_staleness=1), make_endpoints()
    client, token = here.test_client(), access(provider)
    assert is_live(client, token)
    assert is_live(client, token)
    assert post(there.test_client(), logout_token(sub=None, sid="S1")).status_code == 200
    until_stale(here)
    assert not is_live(client, token)


def until_stale(app: Flask) -> None:
    time.sleep(app.extensions["jwt_revoke"].config.near_cache_staleness + 0.1)


def test_nothing_to_end_is_200(client: FlaskClient, logout_token: Callable[..., str]) -> None:
    assert post(client, logout_token(sub="nobody")).status_code == 200


def test_the_app_hears_and_ends_sessions_of_its_own(
    app: Flask, client: FlaskClient, logout_token: Callable[..., str]
) -> None:
    with app.app_context():
        own = app.revoke.issue("alice")

    @signals.logged_out_everywhere.connect_via(app)
    def end_ours(sender: Flask, event: Any) -> None:
        issuer, _, name = event.subject.partition("#")
        if issuer == IDP and event.reason == "backchannel_logout":
            app.revoke.logout_everywhere(name)

    assert post(client, logout_token()).status_code == 200
    assert not is_live(client, own.access)


def test_access_tokens_without_sid_end_where_the_app_ends_everything(
    app: Flask, client: FlaskClient, provider: Provider, logout_token: Callable[..., str]
) -> None:
    token = access(provider, sid=None)
    assert post(client, logout_token(sid="S1")).status_code == 200
    assert is_live(client, token)

    @signals.logged_out.connect_via(app)
    def end_everything(sender: Flask, event: Event) -> None:
        if event.reason == "backchannel_logout" and event.subject:
            app.revoke.logout_everywhere(event.subject, reason=event.reason)

    assert post(client, logout_token(sid="S1", jti="L2")).status_code == 200
    assert not is_live(client, token)


BAD: dict[str, dict[str, Any]] = {
    "no iss": {"iss": None},
    "an unknown iss": {"iss": "https://evil.example"},
    "no aud": {"aud": None},
    "the aud of access tokens": {"aud": "shop"},
    "the aud of events": {"aud": "https://sp.example.com/caep"},
    "no iat": {"iat": None},
    "an iat to come": {"iat": 4_000_000_000},
    "an iat of text": {"iat": "now"},
    "no exp": {"exp": None},
    "expired": {"exp": 1_000_000_000},
    "an endless exp": {"exp": 10**18},
    "neither sub nor sid": {"sub": None},
    "an empty sub": {"sub": ""},
    "a sub of another kind": {"sub": 7},
    "a long sub": {"sub": "x" * 250},
    "an empty sid": {"sid": ""},
    "a sid of another kind": {"sid": ["S1"]},
    "no events": {"events": None},
    "events that are a list": {"events": [BACKCHANNEL]},
    "another event": {"events": {"https://example.com/event": {}}},
    "an event that is no object": {"events": {BACKCHANNEL: True}},
    "a nonce": {"nonce": "n-0S6_WzA2Mj"},
    "an empty nonce": {"nonce": ""},
    "no jti": {"jti": None},
    "an empty jti": {"jti": ""},
    "a long jti": {"jti": "x" * 257},
    "the typ of an access token": {"header": {"typ": "at+jwt"}},
    "the typ of an event": {"header": {"typ": "secevent+jwt"}},
    "no algorithm": {"header": {"alg": "none"}},
    "an algorithm that is not allowed": {"header": {"alg": "HS256"}},
    "an unknown key": {"header": {"kid": "another"}},
}


@pytest.mark.parametrize("case", BAD)
def test_a_token_that_breaks_a_rule_ends_nothing(
    client: FlaskClient,
    provider: Provider,
    logout_token: Callable[..., str],
    server: Server,
    case: str,
) -> None:
    token = access(provider)
    assert is_live(client, token)
    before = keys_of(server)
    answer = post(client, logout_token(**BAD[case]))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert set(answer.json) == {"error", "error_description"}
    assert is_live(client, token)
    assert keys_of(server) == before


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "\x00", "x" * 100_000, "é.é.é"])
def test_nonsense_is_400(client: FlaskClient, token: str, server: Server) -> None:
    assert post(client, token).status_code == 400
    assert keys_of(server) == []


def test_a_forged_signature_is_400(
    client: FlaskClient, logout_token: Callable[..., str], server: Server
) -> None:
    head, payload, _ = logout_token().split(".")
    for signature in ("", b64(b"\x00" * 64)):
        assert post(client, f"{head}.{payload}.{signature}").status_code == 400
    signed_by_us = jwt.encode(json.loads(_decoded(payload)), KEY, headers={"typ": "logout+jwt"})
    assert post(client, signed_by_us).status_code == 400
    assert keys_of(server) == []


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_logout_token_is_no_access_token_and_the_other_way_round(
    client: FlaskClient, provider: Provider, logout_token: Callable[..., str]
) -> None:
    token = logout_token(aud=["shop", "s6BhdRkqt3"], header={"typ": "JWT"})
    answer = client.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert post(client, access(provider, aud="s6BhdRkqt3")).status_code == 400


@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "JWT", None])
def test_typ_may_be_missing(
    client: FlaskClient, logout_token: Callable[..., str], typ: str | None
) -> None:
    assert post(client, logout_token(header={"typ": typ})).status_code == 200


def test_a_replay_is_refused_until_the_token_expires(
    client: FlaskClient,
    provider: Provider,
    logout_token: Callable[..., str],
    clock: Clock,
    server: Server,
) -> None:
    token = logout_token()
    assert post(client, token).status_code == 200
    clock.now += 2
    again = access(provider, iat=int(clock()), jti="A2")
    assert is_live(client, again)
    replay = post(client, token)
    assert (replay.status_code, replay.json["error"]) == (400, "invalid_request")
    assert is_live(client, again)
    with server.client() as redis:
        (key,) = redis.keys("*:received:*")
        assert key == f"jwtrevoke:{{https%3A//id.example#}}:received:{'L1'}".encode()
        assert 100_000 < redis.pttl(key) <= 120_000
        assert redis.get(key).startswith(b"done@")


def test_a_logout_that_failed_is_done_when_it_comes_again(
    make_endpoints: MakeApp, provider: Provider, logout_token: Callable[..., str], server: Server
) -> None:
    """Redis hears that the token came, and is gone before anything has ended."""
    wire = Proxy(server)
    client = make_endpoints(url=wire.url, breaker_pause=0.01).test_client()
    token, told = access(provider), logout_token()
    assert is_live(client, token)
    wire.mute_at = b"not-before"
    answer = post(client, told)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    wire.mute_at = None
    with server.client() as redis:
        (key,) = redis.keys("*:received:*")
        assert redis.get(key).startswith(b"pending@")
        assert redis.pttl(key) <= 5_000
        assert post(client, told).status_code == 503
        redis.delete(key)  # as it is by itself, soon
    assert post(client, told).status_code == 200
    assert not is_live(client, token)
    wire.close()


def test_an_issuer_whose_keys_cannot_be_fetched_is_an_outage(
    make_endpoints: MakeApp, provider: Provider, logout_token: Callable[..., str]
) -> None:
    app = make_endpoints()
    was, provider.answer = provider.answer, saying(b"", 500)
    heard: list[str] = []

    def hear(sender: object, event: Event) -> None:
        heard.append(event.reason)

    client, about = (
        app.test_client(),
        {"data": {"token": access(provider)}, "auth": (CLIENT, SECRET)},
    )
    try:
        with signals.outage.connected_to(hear):
            answers = [
                post(client, logout_token()),
                client.post("/oauth/introspect", **about),
                client.post("/oauth/revoke", **about),
            ]
    finally:
        provider.answer = was
    assert heard == ["issuer"] * 3
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]


def test_one_issuers_audience_is_not_anothers(
    make_app: MakeApp,
    server: Server,
    provider: Provider,
    logout_token: Callable[..., str],
    clock: Clock,
) -> None:
    provider.name = IDP
    issuer = provider.settings(algorithms=["ES256"])
    app = make_app(server.url, issuers={IDP: issuer, "https://other.example": issuer})
    app.extensions["jwt_revoke"].clock = clock
    audiences = {IDP: "mine", "https://other.example": "s6BhdRkqt3"}
    app.register_blueprint(app.revoke.oauth_blueprint(logout_audience=audiences))
    client = app.test_client()
    assert post(client, logout_token()).status_code == 400
    assert post(client, logout_token(aud="mine")).status_code == 200


def test_an_issuer_without_keys_is_refused_at_the_start(make_app: MakeApp) -> None:
    app = make_app()
    blueprint = app.revoke.oauth_blueprint(logout_audience={"https://id.example": "shop"})
    with pytest.raises(ConfigurationError, match="ISSUERS lacks 'https:"):
        app.register_blueprint(blueprint)
