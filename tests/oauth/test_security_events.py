"""CAEP session-revoked, in security event tokens (RFC 8417) that are pushed (RFC 8935)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from flask import Flask, request
from flask.testing import FlaskClient

from ..conftest import Clock
from ..issuers.provider import Provider
from ..servers import BINARIES, Server
from .conftest import IDP, is_live, keys_of
from .examples import (
    COMPLEX,
    CREATION,
    DEVICE,
    ISS_SUB,
    JWT_ID,
    OPAQUE,
    PASSWORD_RESET,
    SESSION_REVOKED,
)

MakeApp = Callable[..., Flask]
SET = "application/secevent+jwt"
ALICE = {"format": "iss_sub", "iss": IDP, "sub": "alice"}


@pytest.fixture
def event(provider: Provider, clock: Clock) -> Callable[..., str]:
    """A good one; what is None is left out."""

    def make(*, header: dict[str, Any] | None = None, **claims: Any) -> str:
        good = {
            "iss": provider.name, "aud": "shop-events", "sub": None, "jti": "E1",
            "iat": int(clock()), "exp": None, "sub_id": ALICE,
            "events": {SESSION_REVOKED: {"event_timestamp": int(clock())}},
        }  # fmt: skip
        return provider.sign(header={"typ": "secevent+jwt"} | (header or {}), **good | claims)

    return make


def push(client: FlaskClient, token: str | bytes, **headers: str) -> Any:
    headers = {"Content-Type": SET, "Accept": "application/json"} | headers
    answer = client.post("/oauth/security-events", data=token, headers=headers)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


def refused(answer: Any) -> str:
    assert answer.status_code == 400
    assert answer.mimetype == "application/json"
    assert answer.headers["Content-Language"] == "en"
    assert set(answer.json) == {"err", "description"}
    return str(answer.json["err"])


def access(provider: Provider, **claims: Any) -> str:
    return provider.sign(**{"sub": "alice", "sid": "S1", "jti": "A1"} | claims)


PRINTED = {
    "opaque, of a user": (OPAQUE, {"sub": OPAQUE["sub_id"]["id"]}, {"sub": "bob"}),
    "opaque, of a session": (OPAQUE, {"sid": OPAQUE["sub_id"]["id"]}, {"sid": "S2", "jti": "A2"}),
    "iss_sub": (ISS_SUB, {"sub": "145234573"}, {"sub": "bob"}),
    "jwt_id": (JWT_ID, {"jti": JWT_ID["sub_id"]["jti"]}, {"jti": "A2"}),
    "complex": (
        COMPLEX,
        {"sub": COMPLEX["sub_id"]["user"]["sub"], "sid": COMPLEX["sub_id"]["session"]["id"]},
        {"sub": COMPLEX["sub_id"]["user"]["sub"], "sid": "S2", "jti": "A2"},
    ),
    "device": (DEVICE, {"sub": DEVICE["sub_id"]["user"]["sub"]}, {"sub": "bob"}),
}


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("format", PRINTED)
def test_the_printed_events_end_whom_they_name(
    make_endpoints: MakeApp, provider: Provider, clock: Clock, format: str, seen: bool
) -> None:
    claims, ended, left = PRINTED[format]
    client = make_endpoints(claims["iss"]).test_client()
    clock.now = claims["iat"] + 1
    dates = {"iat": claims["iat"] - 200, "exp": claims["iat"] + 600}
    ending, leaving = access(provider, **ended, **dates), access(provider, **left, **dates)
    if seen:
        assert is_live(client, ending)
    token = provider.sign(header={"typ": "secevent+jwt"}, **{"sub": None, "exp": None} | claims)
    answer = push(client, token)
    assert (answer.status_code, answer.data) == (202, b"")
    assert not is_live(client, ending)
    assert is_live(client, leaving)


def test_both_that_an_opaque_subject_may_be_end_where_replicas_are_missing(
    make_endpoints: MakeApp, provider: Provider, event: Callable[..., str]
) -> None:
    client = make_endpoints(wait_replicas=1).test_client()
    user, session = access(provider, sub="S7"), access(provider, sid="S7", jti="A2")
    answer = push(client, event(sub_id={"format": "opaque", "id": "S7"}))
    assert (answer.status_code, answer.json["reason"]) == (503, "not_replicated")
    assert [is_live(client, one) for one in (user, session)] == [False, False]


@pytest.mark.parametrize("claims", [PASSWORD_RESET, CREATION], ids=["reset", "creation"])
def test_a_printed_event_of_another_kind_is_accepted_and_ignored(
    make_app: MakeApp, server: Server, provider: Provider, clock: Clock, claims: dict[str, Any]
) -> None:
    provider.name = claims["iss"]
    issuer = provider.settings(algorithms=["ES256"])
    app = make_app(server.url, issuers={provider.name: issuer})
    app.extensions["jwt_revoke"].clock = clock
    audience = {provider.name: claims["aud"][1]}
    app.register_blueprint(app.revoke.oauth_blueprint(event_audience=audience))
    clock.now = claims["iat"] + 1
    token = provider.sign(header={"typ": "secevent+jwt"}, **{"sub": None, "exp": None} | claims)
    assert push(app.test_client(), token).status_code == 202
    assert keys_of(server) == []


@pytest.mark.parametrize(
    "sub_id",
    [
        {"format": "complex", "session": {"format": "opaque", "id": "S1"}},
        {"format": "complex", "user": ALICE, "device": {"format": "opaque", "id": "D1"}},
        {"format": "complex", "user": {"format": "opaque", "id": "alice"}},
    ],
)
def test_complex_subjects(
    client: FlaskClient, provider: Provider, event: Callable[..., str], sub_id: object
) -> None:
    token = access(provider)
    assert is_live(client, token)
    assert push(client, event(sub_id=sub_id)).status_code == 202
    assert not is_live(client, token)


def test_an_event_that_comes_twice_is_answered_twice_and_done_once(
    client: FlaskClient, provider: Provider, event: Callable[..., str], clock: Clock
) -> None:
    token = event()
    assert push(client, token).status_code == 202
    clock.now += 2
    again = access(provider, iat=int(clock()))
    assert is_live(client, again)
    assert push(client, token).status_code == 202
    assert is_live(client, again)


def test_an_event_is_remembered_for_as_long_as_it_is_accepted(
    client: FlaskClient, event: Callable[..., str], clock: Clock, server: Server
) -> None:
    now, week = int(clock()), 7 * 24 * 3600
    assert push(client, event(iat=now - 60)).status_code == 202
    with server.client() as redis:
        (key,) = redis.keys("*:received:E1")
        assert abs(redis.pttl(key) / 1000 - (week - 60)) < 10
    assert refused(push(client, event(iat=now - week, jti="E2"))) == "invalid_request"


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown issuer": ({"iss": "https://evil.example"}, "invalid_issuer"),
    "no issuer": ({"iss": None}, "invalid_issuer"),
    "another audience": ({"aud": "shop"}, "invalid_audience"),
    "the audience of logout tokens": ({"aud": "s6BhdRkqt3"}, "invalid_audience"),
    "no audience": ({"aud": None}, "invalid_audience"),
    "an unknown key": ({"header": {"kid": "12345"}}, "invalid_key"),
    "another algorithm": ({"header": {"alg": "HS256"}}, "invalid_key"),
    "the typ of a logout token": ({"header": {"typ": "logout+jwt"}}, "invalid_request"),
    "no typ": ({"header": {"typ": None}}, "invalid_request"),
    "no iat": ({"iat": None}, "invalid_request"),
    "an iat to come": ({"iat": 4_000_000_000}, "invalid_request"),
    "one that has expired": ({"exp": 1_000_000_000}, "invalid_request"),
    "an exp of text": ({"exp": "never"}, "invalid_request"),
    "no jti": ({"jti": None}, "invalid_request"),
    "no events": ({"events": None}, "invalid_request"),
    "no event among them": ({"events": {}}, "invalid_request"),
    "events that are a list": ({"events": [SESSION_REVOKED]}, "invalid_request"),
    "an event that is no object": ({"events": {SESSION_REVOKED: True}}, "invalid_request"),
    "a time of text": (
        {"events": {SESSION_REVOKED: {"event_timestamp": "now"}}},
        "invalid_request",
    ),
    "no subject": ({"sub_id": None}, "invalid_request"),
    "sub for a subject": ({"sub_id": None, "sub": "alice"}, "invalid_request"),
    "a subject of text": ({"sub_id": "alice"}, "invalid_request"),
    "an unknown format": (
        {"sub_id": {"format": "email", "email": "alice@example.com"}},
        "invalid_request",
    ),
    "no format": ({"sub_id": {"iss": IDP, "sub": "alice"}}, "invalid_request"),
    "no sub": ({"sub_id": {"format": "iss_sub", "iss": IDP}}, "invalid_request"),
    "an empty id": ({"sub_id": {"format": "opaque", "id": ""}}, "invalid_request"),
    "a number for an id": ({"sub_id": {"format": "opaque", "id": 7}}, "invalid_request"),
    "a list for a jti": (
        {"sub_id": {"format": "jwt_id", "iss": IDP, "jti": []}},
        "invalid_request",
    ),
    "a complex subject of nobody": (
        {"sub_id": {"format": "complex", "tenant": {"format": "opaque", "id": "T"}}},
        "invalid_request",
    ),
    "somebody else's user": (
        {"sub_id": {**ALICE, "iss": "https://other.example"}},
        "access_denied",
    ),
    "somebody else's token": (
        {"sub_id": {"format": "jwt_id", "iss": "https://other.example", "jti": "A1"}},
        "access_denied",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_event_is_refused_by_its_code_and_ends_nothing(
    client: FlaskClient,
    provider: Provider,
    event: Callable[..., str],
    server: Server,
    case: str,
) -> None:
    token = access(provider)
    assert is_live(client, token)
    before, (claims, err) = keys_of(server), BAD[case]
    assert refused(push(client, event(**claims))) == err
    assert is_live(client, token)
    assert keys_of(server) == before


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"a.b.c", b"\xff\x00", b"x" * 9_000, b"x" * 20_000]
)
def test_nonsense_is_400(client: FlaskClient, body: bytes, server: Server) -> None:
    assert refused(push(client, body)) == "invalid_request"
    assert keys_of(server) == []


@pytest.mark.parametrize("is_logged", [False, True])
def test_an_event_may_come_in_chunks(
    app: Flask,
    live: str,
    provider: Provider,
    event: Callable[..., str],
    is_logged: bool,
) -> None:
    @app.before_request
    def log() -> None:
        if is_logged:
            request.get_data()

    def push_in_chunks(token: bytes) -> Any:
        chunks = iter([token[:10], token[10:]])
        headers = {"Content-Type": SET}
        return requests.post(f"{live}/oauth/security-events", chunks, headers=headers, timeout=30)

    token = access(provider)
    assert push_in_chunks(event().encode()).status_code == 202
    assert not is_live(app.test_client(), token)
    for length in (11, 16_385):
        answer = push_in_chunks(b"x" * length)
        assert (answer.status_code, answer.json()["err"]) == (400, "invalid_request")


def test_another_media_type_is_400(client: FlaskClient, event: Callable[..., str]) -> None:
    for type in ("application/jwt", "application/x-www-form-urlencoded", ""):
        assert refused(push(client, event(), **{"Content-Type": type})) == "invalid_request"


def test_the_transmitter_authenticates_where_the_author_says_how(
    make_app: MakeApp,
    server: Server,
    provider: Provider,
    event: Callable[..., str],
    clock: Clock,
) -> None:
    provider.name = IDP
    app = make_app(server.url, issuers={IDP: provider.settings(algorithms=["ES256"])})
    app.extensions["jwt_revoke"].clock = clock
    blueprint = app.revoke.oauth_blueprint(
        event_audience={IDP: "shop-events"}, event_authorization="Bearer a secret"
    )
    app.register_blueprint(blueprint)
    client = app.test_client()
    for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xe9"}):
        assert refused(push(client, event(), **wrong)) == "authentication_failed"
    right = push(client, event(), Authorization="Bearer a secret")
    assert right.status_code == 202


def test_an_outage_is_503_and_the_event_is_done_when_it_comes_again(
    make_endpoints: MakeApp, provider: Provider, event: Callable[..., str]
) -> None:
    own = Server(BINARIES["valkey"])
    client = make_endpoints(url=own.url, breaker_pause=0.01).test_client()
    token, told = access(provider), event()
    assert is_live(client, token)
    own.kill()
    answer = push(client, told)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    own.start()
    assert push(client, told).status_code == 202
    assert not is_live(client, token)
    own.close()
