"""RFC 7009, and the client authentication that it shares with RFC 7662."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask, request
from flask.testing import FlaskClient

from flask_jwt_revoke import JWTRevokeError, RevokedToken
from flask_jwt_revoke.routes.oauth import client_credentials

from ..conftest import SECRET as KEY
from ..conftest import Clock
from ..servers import BINARIES, Server
from .conftest import PUBLIC, is_live, keys_of
from .examples import BASIC, CLIENT, FORM, REVOCATION, SECRET

MakeApp = Callable[..., Flask]


def basic(id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{id}:{secret}".encode()).decode()}


def revoke(client: FlaskClient, token: str, **form: str) -> Any:
    headers = {"Authorization": BASIC}
    return client.post("/oauth/revoke", data={"token": token, **form}, headers=headers)


def test_the_printed_request_is_answered_200_for_an_unknown_token(
    client: FlaskClient, server: Server
) -> None:
    answer = client.post("/oauth/revoke", **REVOCATION)
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Cache-Control"] == "no-store"
    assert keys_of(server) == []


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_revokes_a_token(app: Flask, live: str, client: FlaskClient, method: str) -> None:
    with app.app_context():
        phone, laptop = app.revoke.issue("alice"), app.revoke.issue("alice")
    session = OAuth2Session(CLIENT, SECRET, revocation_endpoint_auth_method=method)
    answer = session.revoke_token(f"{live}/oauth/revoke", phone.access, "access_token")
    assert (answer.status_code, answer.text) == (200, "")
    assert not is_live(client, phone.access)
    assert is_live(client, laptop.access)
    with app.app_context():
        assert app.revoke.rotate(phone.refresh)


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "saml2", None])
def test_a_refresh_token_takes_its_session_along(
    app: Flask, live: str, client: FlaskClient, hint: str | None
) -> None:
    with app.app_context():
        phone, laptop = app.revoke.issue("alice"), app.revoke.issue("alice")
    session = OAuth2Session(CLIENT, SECRET)
    assert session.revoke_token(f"{live}/oauth/revoke", phone.refresh, hint).status_code == 200
    assert not is_live(client, phone.access)
    assert is_live(client, laptop.access)
    with app.app_context(), pytest.raises(RevokedToken):
        app.revoke.rotate(phone.refresh)


def test_a_public_client_gives_its_id_alone(app: Flask, live: str, client: FlaskClient) -> None:
    with app.app_context():
        pair = app.revoke.issue("alice")
    session = OAuth2Session(PUBLIC, revocation_endpoint_auth_method="none")
    assert session.revoke_token(f"{live}/oauth/revoke", pair.refresh).status_code == 200
    assert not is_live(client, pair.access)


def test_revoking_twice_or_too_late_is_200(app: Flask, client: FlaskClient, clock: Clock) -> None:
    with app.app_context():
        pair = app.revoke.issue("alice")
    for _ in range(2):
        assert revoke(client, pair.refresh).status_code == 200
    clock.now += 40 * 24 * 3600
    assert revoke(client, pair.access).status_code == 200


def test_a_token_that_is_not_valid_yet_never_will_be(
    app: Flask, client: FlaskClient, clock: Clock
) -> None:
    now = int(clock())
    claims = {"sub": "alice", "jti": "J1", "nbf": now + 60, "exp": now + 600}
    token = jwt.encode(claims, KEY)
    assert revoke(client, token).status_code == 200
    clock.now += 61
    assert not is_live(client, token)


def test_another_clients_token_is_left_alone(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        theirs = app.revoke.issue("alice", claims={"client_id": "other"})
        ours = app.revoke.issue("alice", claims={"client_id": CLIENT})
    for token in (theirs.access, theirs.refresh):
        answer = revoke(client, token)
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")
    assert is_live(client, theirs.access)
    assert revoke(client, ours.access).status_code == 200
    assert not is_live(client, ours.access)


def test_what_would_be_accepted_all_the_same_is_not_said_to_be_revoked(
    make_endpoints: MakeApp,
) -> None:
    app = make_endpoints(checked_types=("refresh",))
    client = app.test_client()
    with app.app_context():
        pair = app.revoke.issue("alice")
    answer = revoke(client, pair.access)
    assert (answer.status_code, answer.json["error"]) == (400, "unsupported_token_type")
    assert revoke(client, pair.refresh).status_code == 200
    with app.app_context(), pytest.raises(RevokedToken):
        app.revoke.rotate(pair.refresh)


def form(headers: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {"data": fields, "headers": headers}


KNOWN = {"Authorization": BASIC}
AS_FORM = {**KNOWN, "Content-Type": FORM}
NOT_UTF_8 = "Basic " + b64encode(b"\xff:\xff").decode()

INVALID_REQUESTS: dict[str, dict[str, Any]] = {
    "no token": {"data": "", "headers": AS_FORM},
    "an empty token": form(KNOWN, token=""),
    "two tokens": form(KNOWN, token=["x", "y"]),
    "a token in the URL": {"query_string": {"token": "x"}, "headers": AS_FORM},
    "JSON": {"json": {"token": "x"}, "headers": KNOWN},
    "no body": {"headers": KNOWN},
    "a client in two ways": form(KNOWN, token="x", client_id=CLIENT, client_secret=SECRET),
    "two clients": form(KNOWN, token="x", client_id=PUBLIC),
}
INVALID_CLIENTS: dict[str, dict[str, Any]] = {
    "nobody": form({}, token="x"),
    "an unknown client": form(basic("eve", SECRET), token="x"),
    "a wrong secret": form(basic(CLIENT, "wrong"), token="x"),
    "no secret": form({}, token="x", client_id=CLIENT),
    "an empty secret": form(basic(CLIENT, ""), token="x"),
    "a public client's secret": form(basic(PUBLIC, "guess"), token="x"),
    "a bearer": form({"Authorization": "Bearer abc"}, token="x"),
    "no base64": form({"Authorization": "Basic %%%"}, token="x"),
    "no UTF-8": form({"Authorization": NOT_UTF_8}, token="x"),
    "an empty header": form({"Authorization": ""}, token="x"),
}
BAD = {case: (sent, 400, "invalid_request") for case, sent in INVALID_REQUESTS.items()} | {
    case: (sent, 401, "invalid_client") for case, sent in INVALID_CLIENTS.items()
}


@pytest.mark.parametrize("endpoint", ["revoke", "introspect"])
@pytest.mark.parametrize("case", BAD)
def test_bad_requests_are_refused_as_rfc_6749_says(
    client: FlaskClient, endpoint: str, case: str, server: Server
) -> None:
    sent, status, error = BAD[case]
    answer = client.post(f"/oauth/{endpoint}", **sent)
    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert set(answer.json) == {"error", "error_description"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert keys_of(server) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_it_takes_post_alone(client: FlaskClient, method: str) -> None:
    assert client.open("/oauth/revoke?token=x", method=method).status_code == 405


def test_names_and_secrets_are_form_encoded_before_base64(make_app: MakeApp) -> None:
    app = make_app()
    clients = {"https://shop.example:8443/": "a+b c%:d"}
    app.register_blueprint(app.revoke.oauth_blueprint(clients=clients))
    client = app.test_client()
    encoded = basic("https%3A%2F%2Fshop.example%3A8443%2F", "a%2Bb+c%25%3Ad")
    assert client.post("/oauth/revoke", data={"token": "x"}, headers=encoded).status_code == 200


def test_a_secret_that_was_not_encoded_is_accepted_as_it_is(make_app: MakeApp) -> None:
    app = make_app()
    app.register_blueprint(app.revoke.oauth_blueprint(clients={"shop": "a+b%c:d"}))
    client = app.test_client()
    for secret, status in [("a+b%c:d", 200), ("a b%c:d", 401)]:
        answer = client.post("/oauth/revoke", data={"token": "x"}, headers=basic("shop", secret))
        assert answer.status_code == status


def test_a_client_may_say_twice_who_it_is_however_it_writes_that(make_app: MakeApp) -> None:
    app = make_app()
    app.register_blueprint(app.revoke.oauth_blueprint(clients={"my+shop": "secret"}))
    client = app.test_client()
    for written, said, status in [
        ("my+shop", "my+shop", 200), ("my%2Bshop", "my+shop", 200),
        ("my+shop", "my shop", 401), ("my+shop", "shop", 400),
    ]:  # fmt: skip
        body = {"token": "x", "client_id": said}
        answer = client.post("/oauth/revoke", data=body, headers=basic(written, "secret"))
        assert answer.status_code == status


def test_a_function_may_know_the_clients(make_app: MakeApp) -> None:
    def known(here: Any) -> str | None:
        assert here.path == request.path
        id, secret = client_credentials(here)
        return id if secret == id[::-1] else None

    app = make_app()
    app.register_blueprint(app.revoke.oauth_blueprint(clients=known))
    client = app.test_client()
    for secret, status in [("pohs", 200), ("shop", 401), ("", 401)]:
        answer = client.post("/oauth/revoke", data={"token": "x"}, headers=basic("shop", secret))
        assert answer.status_code == status


def test_an_empty_secret_and_no_endpoint_are_refused_at_the_start(make_app: MakeApp) -> None:
    revoke = make_app().revoke
    with pytest.raises(ValueError, match="secret must not be empty"):
        revoke.oauth_blueprint(clients={"shop": ""})
    with pytest.raises(ValueError, match="must have a secret"):
        revoke.oauth_blueprint(introspectors={"shop": None})
    with pytest.raises(ValueError, match="event_authorization must not be empty"):
        revoke.oauth_blueprint(event_audience={"https://id.example": "us"}, event_authorization="")
    with pytest.raises(ValueError, match="without event_audience"):
        revoke.oauth_blueprint(clients={"shop": None}, event_authorization="Bearer X")
    with pytest.raises(ValueError, match="takes clients"):
        revoke.oauth_blueprint()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"clients": {"shop": b"secret"}}, "secret must be a string"),
        ({"introspectors": {"shop": 5}}, "secret must be a string"),
        ({"clients": ["shop"]}, "a mapping"),
        (
            {"event_audience": {"https://id.example": "us"}, "event_authorization": b"Bearer X"},
            "event_authorization must be a string",
        ),
    ],
)
def test_a_secret_of_another_kind_is_refused_at_the_start(
    make_app: MakeApp, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        make_app().revoke.oauth_blueprint(**given)


def test_an_outage_is_503_and_never_200(make_app: MakeApp) -> None:
    broken = Server(BINARIES["valkey"])
    app = with_endpoints_of(make_app, broken)
    # The app's own form of errors is not the standards'.
    app.register_error_handler(JWTRevokeError, lambda error: ("sorry", 418))
    client = app.test_client()
    with app.app_context():
        pair = app.revoke.issue("alice")
    broken.kill()
    for endpoint in ("revoke", "introspect"):
        for token in (pair.access, pair.refresh):
            answer = client.post(
                f"/oauth/{endpoint}", data={"token": token}, headers={"Authorization": BASIC}
            )
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.json["error"] == "temporarily_unavailable"
    broken.close()


def with_endpoints_of(make_app: MakeApp, server: Server) -> Flask:
    app = make_app(server.url, on_outage="allow", near_cache_staleness=30)
    clients = {CLIENT: SECRET}
    app.register_blueprint(app.revoke.oauth_blueprint(clients=clients, introspectors=clients))
    return app
