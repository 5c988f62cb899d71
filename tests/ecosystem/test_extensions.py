"""Flask-Limiter, Flask-CORS, Flask-RESTful and flask-smorest, each as its documentation has it."""

from __future__ import annotations

from typing import Any

import flask_restful
import flask_smorest
import pytest
from flask import Flask
from flask.views import MethodView
from flask_cors import CORS
from flask_limiter import Limiter

from flask_jwt_revoke import JWTRevoke, current_token, rate_limit_key
from flask_jwt_revoke.testing import Client, client_of, outage

from ..conftest import SECRET
from .conftest import snippet

PAGE = "https://app.example.com"


def add_view(app: Flask) -> None:
    @app.route("/me", methods=["GET", "POST"])
    @app.revoke.required
    def me() -> dict[str, Any]:
        return {"user": current_token.subject}


@pytest.mark.parametrize(("order", "third_of_the_refused"), [("first", 429), ("last", 401)])
def test_flask_limiter_counts_for_each_verified_subject(
    order: str, third_of_the_refused: int
) -> None:
    app = Flask("limited")
    app.config.update(SECRET_KEY=SECRET, JWT_REVOKE_REDIS_URL="memory://")
    limits = Limiter(rate_limit_key, default_limits=["2 per hour"], storage_uri="memory://")
    app.revoke = JWTRevoke()
    extensions = [limits, app.revoke] if order == "first" else [app.revoke, limits]
    for extension in extensions:
        extension.init_app(app)
    add_view(app)
    client = client_of(app)
    phone, laptop, bob = (client.as_user(name) for name in ("alice", "alice", "bob"))
    assert [one.get("/me").status_code for one in (phone, laptop, phone)] == [200, 200, 429]
    forged = {"Authorization": f"Bearer {bob.pair.access[:-8]}AAAAAAAA"}
    refused = [client.get("/me", headers=forged).status_code for _ in range(3)]
    assert refused == [401, 401, third_of_the_refused]
    assert bob.get("/me").status_code == 200


def test_flask_cors_lets_a_page_send_tokens_and_read_every_answer(
    app: Flask, client: Client
) -> None:
    app.config["JWT_REVOKE_REQUIRE_EVERYWHERE"] = True
    exposed = ["WWW-Authenticate", "Retry-After"]
    CORS(app, origins=[PAGE], supports_credentials=True, expose_headers=exposed)
    add_view(app)
    asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    asks["Access-Control-Request-Headers"] = "authorization, x-csrf-token"
    alice = client.as_user("alice")
    preflight = client.options("/me", headers=asks)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Headers"] == "authorization, x-csrf-token"
    answers = [alice.post("/me", headers={"Origin": PAGE}), client.post("/me", headers=asks)]
    with outage(app):
        answers.append(alice.post("/me", headers={"Origin": PAGE}))
    assert [answer.status_code for answer in answers] == [200, 401, 503]
    for answer in (preflight, *answers):
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    for answer in answers:
        assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After, WWW-Authenticate"
    assert answers[1].headers["WWW-Authenticate"] == "Bearer"
    assert answers[2].headers["Retry-After"] == "1"
    elsewhere = client.post("/me", headers={"Origin": "https://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in elsewhere.headers


@pytest.mark.parametrize("hands_on", [False, True])
def test_flask_restful_keeps_the_answers(app: Flask, client: Client, hands_on: bool) -> None:
    names: dict[str, Any] = {}
    exec(snippet("Flask-RESTful"), names)

    class ByMethod(flask_restful.Resource):
        @app.revoke.required
        def get(self) -> dict[str, Any]:
            return {"user": current_token.subject}

        def delete(self) -> dict[str, Any]:
            return {"ended": app.revoke.logout_everywhere("alice")}

    class Whole(flask_restful.Resource):
        method_decorators = (app.revoke.required,)

        def get(self) -> dict[str, Any]:
            return {"user": current_token.subject}

    api = names["Api"](app) if hands_on else flask_restful.Api(app)
    api.add_resource(ByMethod, "/method")
    api.add_resource(Whole, "/whole")
    alice = client.as_user("alice")
    for path in ("/method", "/whole"):
        assert alice.get(path).json == {"user": "alice"}
        missing = client.get(path)
        assert (missing.status_code, missing.json["reason"]) == (401, "missing")
        assert missing.headers["WWW-Authenticate"] == "Bearer"
        with outage(app):
            assert alice.get(path).headers["Retry-After"] == "1"
    if hands_on:
        with outage(app):
            assert client.delete("/method").status_code == 503
    assert client.delete("/method").json == {"ended": 2}
    assert alice.get("/whole").json["reason"] == "revoked"


def test_flask_smorest_keeps_the_answers(app: Flask, client: Client) -> None:
    about = {"API_TITLE": "tests", "API_VERSION": "v1", "OPENAPI_VERSION": "3.0.3"}
    app.config.update(about)
    blueprint = flask_smorest.Blueprint("me", __name__)

    @blueprint.route("/method")
    class ByMethod(MethodView):
        @app.revoke.required
        @blueprint.response(200)
        def get(self) -> dict[str, Any]:
            return {"user": current_token.subject}

        @blueprint.response(200)
        @app.revoke.required(fresh=True)
        def post(self) -> dict[str, Any]:
            return {"user": current_token.subject}

        @blueprint.response(200)
        def delete(self) -> dict[str, Any]:
            return {"ended": app.revoke.logout_everywhere("alice")}

    @blueprint.route("/view")
    @app.revoke.required
    @blueprint.response(200)
    def view() -> dict[str, Any]:
        return {"user": current_token.subject}

    flask_smorest.Api(app).register_blueprint(blueprint)
    alice = client.as_user("alice")
    for method, path in (("GET", "/method"), ("POST", "/method"), ("GET", "/view")):
        assert alice.open(path, method=method).json == {"user": "alice"}
        missing = client.open(path, method=method)
        assert (missing.status_code, missing.json["reason"]) == (401, "missing")
        assert missing.headers["WWW-Authenticate"] == "Bearer"
    with outage(app):
        assert alice.get("/view").headers["Retry-After"] == "1"
        assert client.delete("/method").status_code == 503
    assert client.delete("/method").json == {"ended": 2}
    assert alice.post("/method").json["reason"] == "revoked"
