"""RFC 7662."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask
from flask.testing import FlaskClient

from ..conftest import SECRET as KEY
from ..conftest import Clock
from ..issuers.provider import Provider
from ..servers import Server
from .conftest import PUBLIC, is_live
from .examples import (
    BASIC,
    CLIENT,
    INTROSPECTED,
    INTROSPECTION_BY_BEARER,
    INTROSPECTION_BY_CLIENT,
    SECRET,
)

MakeApp = Callable[..., Flask]


def asked(client: FlaskClient, token: str, **form: str) -> Any:
    headers = {"Authorization": BASIC}
    answer = client.post("/oauth/introspect", data={"token": token, **form}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


def test_the_printed_answer(make_endpoints: MakeApp, clock: Clock) -> None:
    said = {name: value for name, value in INTROSPECTED.items() if name != "active"}
    app = make_endpoints(issuer=said["iss"], audience=said["aud"])
    clock.now = said["iat"] + 1
    token = jwt.encode(said | {"jti": "J1", "extension_field": "twenty-seven"}, KEY)
    more = {"token_type": "Bearer", "jti": "J1"}
    assert asked(app.test_client(), token) == INTROSPECTED | more


def test_the_printed_request_by_a_client(client: FlaskClient) -> None:
    answer = client.post("/oauth/introspect", **INTROSPECTION_BY_CLIENT)
    assert (answer.status_code, answer.json) == (200, {"active": False})


def test_the_printed_request_by_a_bearer_token(make_app: MakeApp) -> None:
    app = make_app()

    def known(here: Any) -> str | None:
        return "orders" if here.authorization.token == "23410913-abewfq.123483" else None

    app.register_blueprint(app.revoke.oauth_blueprint(introspectors=known))
    answer = app.test_client().post("/oauth/introspect", **INTROSPECTION_BY_BEARER)
    assert (answer.status_code, answer.json) == (200, {"active": False})


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", None])
def test_authlib_asks_about_a_live_token(app: Flask, live: str, hint: str | None) -> None:
    with app.app_context():
        pair = app.revoke.issue("alice", claims={"scope": "read write", "client_id": "shop"})
    session = OAuth2Session(CLIENT, SECRET)
    answer = session.introspect_token(f"{live}/oauth/introspect", pair.access, hint).json()
    claims = jwt.decode(pair.access, options={"verify_signature": False})
    assert answer == {
        "active": True,
        "token_type": "Bearer",
        "scope": "read write",
        "client_id": "shop",
        **{name: claims[name] for name in ("sub", "jti", "sid", "exp", "iat")},
    }


def test_a_refresh_token_is_told_apart(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        pair = app.revoke.issue("alice")
    assert asked(client, pair.refresh)["token_type"] == "refresh_token"
    with app.app_context():
        app.revoke.rotate(pair.refresh)
    assert asked(client, pair.refresh) == {"active": False}


def test_claims_of_another_kind_are_left_out(client: FlaskClient, clock: Clock) -> None:
    said = {"sub": "alice", "jti": "J1", "exp": clock() + 60, "nbf": clock() - 1}
    token = jwt.encode(said | {"scope": ["read"], "username": 7, "client_id": {}}, KEY)
    assert set(asked(client, token)) == {"active", "token_type", "sub", "jti", "exp", "nbf"}


def test_of_what_is_not_live_nothing_is_told(app: Flask, client: FlaskClient, clock: Clock) -> None:
    with app.app_context():
        revoked, ended, blocked = (app.revoke.issue(name) for name in ("a", "b", "c"))
        app.revoke.revoke(revoked.access)
        app.revoke.logout_everywhere("b")
        app.revoke.block("c")
    now = int(clock())
    claims = {"sub": "alice", "jti": "J1", "exp": now + 60}
    others = [
        revoked.access, ended.access, ended.refresh, blocked.access, "nonsense", "a.b.c", "\x00",
        "x" * 10_000, jwt.encode(claims, "another secret, long enough for HS256 to take."),
        jwt.encode(claims | {"exp": now - 60}, KEY), jwt.encode(claims | {"nbf": now + 60}, KEY),
        jwt.encode(claims, None, algorithm="none"),
    ]  # fmt: skip
    for token in others:
        assert asked(client, token) == {"active": False}


def test_an_outside_token_is_told_by_its_issuers_names(
    client: FlaskClient, provider: Provider
) -> None:
    token = provider.sign(sub="248", sid="S1", jti=None)
    answer = asked(client, token)
    assert (answer["iss"], answer["sub"], answer["sid"]) == (provider.name, "248", "S1")
    assert answer["aud"] == "shop"


def test_a_near_verdict_is_never_told(make_endpoints: MakeApp, server: Server) -> None:
    """Of a revocation that this process does not hear of."""
    app = make_endpoints(near_cache_staleness=30)
    client, door = app.test_client(), app.extensions["jwt_revoke"]
    pair = door.issue("alice")
    assert is_live(client, pair.access)
    jti = door.tokens.verify(pair.access, door.clock()).id
    with server.client() as redis:
        redis.set(door.keys.revoked("alice", jti), "revoked@1", px=60_000)
    assert is_live(client, pair.access)
    assert asked(client, pair.access) == {"active": False}


def test_a_public_client_may_not_ask(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        pair = app.revoke.issue("alice")
    answer = client.post("/oauth/introspect", data={"token": pair.access, "client_id": PUBLIC})
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
