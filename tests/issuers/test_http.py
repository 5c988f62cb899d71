"""A Flask app whose users sign in elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from flask import Flask

from flask_jwt_revoke import current_token, rate_limit_key
from flask_jwt_revoke.cli import jwt

from .conftest import SHOP
from .provider import Provider, saying

ALICE = f"{SHOP}#alice"


@pytest.fixture
def app(make_app: Callable[..., Flask], provider: Provider) -> Flask:
    app = make_app(issuers={SHOP: provider.settings()})
    app.register_blueprint(app.revoke.blueprint(url_prefix="/auth"))

    @app.get("/me")
    @app.revoke.required
    def me() -> dict[str, str | None]:
        return {
            "subject": current_token.subject,
            "issuer": current_token.issuer,
            "limit": rate_limit_key(),
        }

    return app


def bearer(token: str) -> dict[str, dict[str, str]]:
    return {"headers": {"Authorization": f"Bearer {token}"}}


def test_from_the_first_request_to_the_last(app: Flask, provider: Provider) -> None:
    client, then = app.test_client(), int(time.time()) - 5
    phone, laptop, tablet = (provider.sign(jti=n, sid=n, iat=then) for n in "abc")
    known = {"subject": ALICE, "issuer": SHOP, "limit": f"subject:{ALICE}"}
    assert client.get("/me", **bearer(phone)).json == known
    assert client.get("/me", **bearer(laptop)).json == known
    listed = client.get("/auth/sessions", **bearer(phone)).json["sessions"]
    assert sorted(one["id"] for one in listed) == ["a", "b"]

    assert client.post("/auth/logout", **bearer(phone)).status_code < 300
    assert client.get("/me", **bearer(phone)).json["reason"] == "revoked"
    assert client.get("/me", **bearer(laptop)).status_code == 200

    assert client.post("/auth/logout-everywhere", **bearer(laptop)).status_code < 300
    for token in (laptop, tablet):
        assert client.get("/me", **bearer(token)).json["reason"] == "revoked"
    assert client.post("/auth/refresh", **bearer(tablet)).json["reason"] == "wrong_type"


def test_a_hostile_token_is_a_401(app: Flask, provider: Provider) -> None:
    good = provider.sign()
    for token in (good[:-4] + "AAAA", good + "=", provider.sign(iss="x"), provider.sign(aud="x")):
        assert app.test_client().get("/me", **bearer(token)).status_code == 401


def test_the_commands_take_an_outside_subject(app: Flask, provider: Provider) -> None:
    token = provider.sign(sid="s", iat=int(time.time()) - 5)
    app.extensions["jwt_revoke"].check(token)
    run = app.test_cli_runner().invoke
    assert "s" in run(jwt, ["sessions", ALICE]).output
    assert run(jwt, ["logout", ALICE]).exit_code == 0
    assert "the subject's tokens that its issuer signed" in run(jwt, ["keys", ALICE]).output
    found = run(jwt, ["why", token])
    assert found.exit_code == 1
    assert "not-before" in found.output


def test_why_says_that_it_is_the_issuer_who_cannot_be_asked(app: Flask, provider: Provider) -> None:
    provider.answer = saying(b"", 500)
    found = app.test_cli_runner().invoke(jwt, ["why", provider.sign()])
    assert "The issuer's keys cannot be fetched" in found.output
    assert "Redis" not in found.output
