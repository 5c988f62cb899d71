"""The hook, the decorators and the answers, over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask import Blueprint, Flask, jsonify
from flask.testing import FlaskClient
from flask.views import MethodView

from flask_jwt_revoke import (
    JWTRevoke,
    JWTRevokeError,
    RevokedToken,
    TokenRefused,
    current_token,
)

from .conftest import SECRET
from .redis_page import PREFIXED
from .servers import Server

MakeApp = Callable[..., Flask]


def add_views(app: Flask) -> Flask:
    revoke: JWTRevoke = app.revoke

    def who() -> dict[str, Any]:
        return {"user": current_token.subject if current_token else None}

    def view(path: str, decorate: Callable[..., Any] | None = None) -> None:
        app.add_url_rule(path, path, decorate(who) if decorate else who)

    view("/required", revoke.required)
    view("/optional", revoke.optional)
    view("/exempt", revoke.exempt)
    view("/plain")
    view("/fresh", revoke.required(fresh=True))
    view("/refresh", revoke.required(type="refresh"))
    view("/late", revoke.required(allow_expired=True))
    return app


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return add_views(make_app())


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def issue(app: Flask, subject: str = "alice", **options: Any) -> Any:
    with app.app_context():
        return app.revoke.issue(subject, **options)


def test_a_live_token_reaches_its_view(app: Flask, client: FlaskClient) -> None:
    pair = issue(app)
    for path in ("/required", "/optional", "/plain", "/fresh", "/late"):
        answer = client.get(path, headers=bearer(pair.access))
        assert (answer.status_code, answer.json) == (200, {"user": "alice"})
    assert client.get("/refresh", headers=bearer(pair.refresh)).json == {"user": "alice"}


def test_without_credentials(client: FlaskClient) -> None:
    answer = client.get("/required")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["reason"] == "missing"
    for path in ("/optional", "/plain", "/exempt"):
        assert client.get(path).json == {"user": None}


def test_a_revoked_token_is_refused_everywhere_but_on_exempt_views(
    app: Flask, client: FlaskClient
) -> None:
    pair = issue(app)
    with app.app_context():
        app.revoke.revoke(pair.access)
    for path in ("/required", "/optional", "/plain", "/fresh", "/late"):
        answer = client.get(path, headers=bearer(pair.access))
        assert answer.status_code == 401
        assert answer.json == {
            "error": "invalid_token",
            "error_description": "The token has been revoked.",
            "reason": "revoked",
        }
        assert answer.headers["WWW-Authenticate"] == (
            'Bearer error="invalid_token", error_description="The token has been revoked."'
        )
    assert client.get("/exempt", headers=bearer(pair.access)).json == {"user": None}
    assert client.get("/nowhere", headers=bearer(pair.access)).status_code == 404


def test_the_type_and_the_freshness_that_a_view_asks_for(app: Flask, client: FlaskClient) -> None:
    pair, stale = issue(app), issue(app, fresh=False)
    for path, token, reason in (
        ("/required", pair.refresh, "wrong_type"),
        ("/plain", pair.refresh, "wrong_type"),
        ("/refresh", pair.access, "wrong_type"),
        ("/fresh", stale.access, "not_fresh"),
    ):
        answer = client.get(path, headers=bearer(token))
        assert (answer.status_code, answer.json["reason"]) == (401, reason)


def test_an_expired_token_is_accepted_where_the_view_allows_it(
    app: Flask, client: FlaskClient
) -> None:
    expired = jwt.encode({"sub": "alice", "jti": "J1", "exp": int(time.time()) - 5}, SECRET)
    assert client.get("/late", headers=bearer(expired)).json == {"user": "alice"}
    assert client.get("/required", headers=bearer(expired)).json["reason"] == "expired"


def hostile() -> dict[str, tuple[dict[str, str], int, str]]:
    """Name to headers, status and reason."""
    plain = {"sub": "alice", "jti": "J1", "exp": int(time.time()) + 60}

    def made(change: dict[str, Any], key: str = SECRET, algorithm: str = "HS256") -> dict[str, str]:
        payload = {name: value for name, value in {**plain, **change}.items() if value is not None}
        return bearer(jwt.PyJWS().encode(json.dumps(payload).encode(), key, algorithm))

    good = made({})["Authorization"]
    return {
        "another key": (made({}, "k" * 64), 401, "bad_signature"),
        "another algorithm": (made({}, algorithm="HS384"), 401, "bad_signature"),
        "none": (bearer(jwt.encode(plain, None, "none")), 401, "bad_signature"),
        "no exp": (made({"exp": None}), 401, "missing_claim"),
        "no jti": (made({"jti": None}), 401, "missing_claim"),
        "no sub": (made({"sub": None}), 401, "missing_claim"),
        "expired": (made({"exp": 5}), 401, "expired"),
        "not yet valid": (made({"nbf": plain["exp"]}), 401, "not_yet_valid"),
        "wrong type": (made({"type": "refresh"}), 401, "wrong_type"),
        "unknown type": (made({"type": "id"}), 401, "malformed"),
        "huge exp": (made({"exp": 10**18}), 401, "malformed"),
        "1 MB": (bearer("x" * 1_000_000), 401, "malformed"),
        "no JWT": (bearer("hello"), 401, "malformed"),
        "another charset": (bearer("é.é.é"), 401, "malformed"),
        "empty header": ({"Authorization": ""}, 401, "missing"),
        "blank header": ({"Authorization": "   "}, 401, "missing"),
        "another scheme": ({"Authorization": "Basic YTpi"}, 401, "missing"),
        "no token": ({"Authorization": "Bearer"}, 400, "malformed"),
        "blank token": ({"Authorization": "Bearer  "}, 400, "malformed"),
        "two words": ({"Authorization": f"{good} {good}"}, 400, "malformed"),
        "doubled": ({"Authorization": f"{good},{good}"}, 400, "malformed"),
        "doubled, spaced": ({"Authorization": f"{good}, {good}"}, 400, "malformed"),
    }


@pytest.mark.parametrize("name", list(hostile()))
def test_promise_11_a_hostile_token_gets_its_reason_and_writes_nothing(
    make_app: MakeApp, server: Server, name: str
) -> None:
    app = add_views(make_app(server.url))
    headers, status, reason = hostile()[name]
    answer = app.test_client().get("/required", headers=headers)
    assert (answer.status_code, answer.json["reason"]) == (status, reason)
    assert "WWW-Authenticate" in answer.headers
    with server.client() as client:
        assert client.keys("*") == []


FORGED = [name for name, case in hostile().items() if case[2] in ("bad_signature", "malformed")]


@pytest.mark.parametrize("name", FORGED)
def test_promise_8_revoking_a_forged_token_writes_nothing(
    make_app: MakeApp, server: Server, name: str
) -> None:
    app = make_app(server.url)
    token = hostile()[name][0]["Authorization"].partition(" ")[2]
    for verb in (app.revoke.revoke, app.revoke.logout):
        with app.app_context(), pytest.raises(TokenRefused):
            verb(token)
    with server.client() as client:
        assert client.keys("*") == []


def test_two_authorization_headers(app: Flask, client: FlaskClient) -> None:
    token = bearer(issue(app).access)["Authorization"]
    answer = client.get("/required", headers=[("Authorization", token), ("Authorization", token)])
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_the_scheme_is_read_in_any_case(app: Flask, client: FlaskClient) -> None:
    token = issue(app).access
    assert client.get("/required", headers={"Authorization": f"bEARER  {token} "}).json


def test_options_are_left_alone(app: Flask, client: FlaskClient) -> None:
    assert client.options("/required").status_code == 200
    assert client.options("/required", headers=bearer("junk")).status_code == 200


def test_a_view_that_answers_options_itself_is_left_alone(make_app: MakeApp) -> None:
    app = make_app()

    @app.route("/", methods=["OPTIONS", "GET"])
    @app.revoke.required
    def view() -> str:
        return "mine"

    assert app.test_client().options("/").text == "mine"
    assert app.test_client().get("/").status_code == 401


def test_a_token_can_be_required_everywhere(make_app: MakeApp) -> None:
    app = add_views(make_app(require_everywhere=True))
    client = app.test_client()
    assert client.get("/plain").status_code == 401
    assert client.get("/plain", headers=bearer(issue(app).access)).status_code == 200
    assert client.get("/exempt").status_code == 200
    assert client.get("/optional").status_code == 200
    assert client.get("/static/nothing.css").status_code == 404


def test_class_based_views(make_app: MakeApp) -> None:
    app = make_app(require_everywhere=True)

    class ByMethod(MethodView):
        @app.revoke.exempt
        def get(self) -> str:
            return "open"

        @app.revoke.required(type="refresh")
        def post(self) -> str:
            return current_token.subject

    class ByClass(MethodView):
        decorators = [app.revoke.required(fresh=True)]  # noqa: RUF012 - as Flask documents it

        def get(self) -> str:
            return current_token.subject

    app.add_url_rule("/method", view_func=ByMethod.as_view("method"))
    app.add_url_rule("/class", view_func=ByClass.as_view("class"))
    client, pair, stale = app.test_client(), issue(app), issue(app, fresh=False)
    assert client.get("/method").text == "open"
    assert client.head("/method").status_code == 200
    assert client.post("/method").status_code == 401
    assert client.post("/method", headers=bearer(pair.refresh)).text == "alice"
    assert client.get("/class", headers=bearer(pair.access)).text == "alice"
    assert client.get("/class", headers=bearer(stale.access)).json["reason"] == "not_fresh"


def test_blueprints_and_coroutines(make_app: MakeApp) -> None:
    app = make_app()
    blueprint = Blueprint("api", __name__, url_prefix="/api")

    @blueprint.get("/me")
    @app.revoke.required
    async def me() -> str:
        return current_token.subject

    app.register_blueprint(blueprint)
    client = app.test_client()
    assert client.get("/api/me").status_code == 401
    assert client.get("/api/me", headers=bearer(issue(app).access)).text == "alice"


def test_a_rule_holds_under_a_decorator_that_hides_it(make_app: MakeApp) -> None:
    app = make_app()

    def careless(view: Callable[..., Any]) -> Callable[..., Any]:
        def hiding() -> Any:
            return view()

        return hiding

    app.add_url_rule("/", "view", careless(app.revoke.required(fresh=True)(lambda: "in")))
    client = app.test_client()
    assert client.get("/").json["reason"] == "missing"
    stale = issue(app, fresh=False).access
    assert client.get("/", headers=bearer(stale)).json["reason"] == "not_fresh"
    assert client.get("/", headers=bearer(issue(app).access)).text == "in"


class TestErrorHandlers:
    def test_the_root_can_be_overridden(self, app: Flask, client: FlaskClient) -> None:
        @app.errorhandler(JWTRevokeError)
        def answer(error: JWTRevokeError) -> tuple[str, int]:
            return f"sorry: {error.reason}", 418

        assert client.get("/required").text == "sorry: missing"

    def test_one_class_can_be_overridden(self, app: Flask, client: FlaskClient) -> None:
        @app.errorhandler(RevokedToken)
        def answer(error: RevokedToken) -> tuple[str, int]:
            return "signed out", 440

        pair = issue(app)
        with app.app_context():
            app.revoke.revoke(pair.access)
        assert client.get("/required", headers=bearer(pair.access)).status_code == 440
        assert client.get("/required").json["reason"] == "missing"

    def test_a_handler_from_before_init_app_stays(self) -> None:
        app = Flask("before")
        app.config.update(SECRET_KEY=SECRET, JWT_REVOKE_REDIS_URL="memory://")
        app.register_error_handler(JWTRevokeError, lambda error: ("mine", 499))
        app.revoke = JWTRevoke(app)
        add_views(app)
        assert app.test_client().get("/required").status_code == 499

    def test_a_general_handler_does_not_take_over(self, app: Flask, client: FlaskClient) -> None:
        app.register_error_handler(Exception, lambda error: ("broken", 500))
        assert client.get("/required").status_code == 401

    def test_an_authors_own_refusal(self, app: Flask) -> None:
        class Suspended(TokenRefused):
            reason = "suspended"

        @app.get("/own")
        def own() -> str:
            raise Suspended("Pay first.")

        assert app.test_client().get("/own").json["reason"] == "suspended"


class TestApps:
    def test_one_object_serves_two_apps(self) -> None:
        revoke = JWTRevoke()
        apps = []
        for number in range(2):
            app = Flask(f"app{number}")
            app.config.update(SECRET_KEY=SECRET, JWT_REVOKE_REDIS_URL="memory://")
            revoke.init_app(app)
            app.revoke = revoke
            apps.append(add_views(app))
        one, two = apps
        token = issue(one).access
        with one.app_context():
            revoke.revoke(token)
        assert one.test_client().get("/required", headers=bearer(token)).status_code == 401
        with two.app_context():
            other = revoke.issue("alice").access
        assert two.test_client().get("/required", headers=bearer(other)).status_code == 200

    def test_two_apps_keep_to_their_own_prefix(self, make_app: MakeApp, server: Server) -> None:
        one, two = (make_app(user.at(server.url), key_prefix=user.name) for user in PREFIXED)
        token = issue(one).access
        with two.app_context():
            two.revoke.issue("alice")
            two.revoke.logout_everywhere("alice")
        with one.app_context():
            assert one.revoke.check(token)

    def test_a_second_registration_is_refused(self, app: Flask) -> None:
        with pytest.raises(RuntimeError, match="already"):
            JWTRevoke(app)

    def test_an_app_that_was_never_registered(self) -> None:
        with Flask("bare").app_context(), pytest.raises(RuntimeError, match="init_app"):
            JWTRevoke().issue("alice")


def test_a_request_inside_an_app_context_does_not_inherit_a_token(app: Flask) -> None:
    token = issue(app).access
    with app.app_context():
        client = app.test_client()
        assert client.get("/optional", headers=bearer(token)).json == {"user": "alice"}
        assert client.get("/optional").json == {"user": None}
        assert client.get("/required").status_code == 401


def test_the_current_token_logs_out(make_app: MakeApp) -> None:
    app = make_app()

    @app.post("/logout")
    @app.revoke.required(allow_expired=True)
    def logout() -> tuple[str, int]:
        app.revoke.logout()
        return "", 204

    @app.post("/anonymous")
    def anonymous() -> str:
        app.revoke.logout()
        return "never"

    client, pair = app.test_client(), issue(app)
    assert client.post("/logout", headers=bearer(pair.access)).status_code == 204
    assert client.post("/logout", headers=bearer(pair.access)).json["reason"] == "revoked"
    assert client.post("/anonymous").json["reason"] == "missing"


def test_current_token_has_the_claims(make_app: MakeApp) -> None:
    app = make_app()

    @app.get("/")
    @app.revoke.required
    def view() -> Any:
        token = current_token
        return jsonify(token.subject, token.id, token.session_id, token.claims["role"])

    pair = issue(app, claims={"role": "admin"})
    subject, id, sid, role = app.test_client().get("/", headers=bearer(pair.access)).json
    assert (subject, sid, role) == ("alice", pair.session_id, "admin")
    assert len(id) == 22
    assert not current_token
