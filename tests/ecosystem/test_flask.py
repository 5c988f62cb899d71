"""Async views, blueprints, class-based views and ProxyFix, as Flask and Werkzeug have them."""

from __future__ import annotations

import asyncio

from flask import Blueprint, Flask
from flask.views import MethodView, View
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_jwt_revoke import JWTRevokeError, current_token
from flask_jwt_revoke.testing import Client


def test_async_views(app: Flask, client: Client) -> None:
    @app.get("/me")
    @app.revoke.required
    async def me() -> str:
        await asyncio.sleep(0)
        return current_token.subject

    alice = client.as_user("alice")
    assert alice.get("/me").text == "alice"
    with app.app_context():
        app.revoke.logout_everywhere("alice")
    assert alice.get("/me").json["reason"] == "revoked"


def test_blueprints_with_views_and_error_handlers_of_their_own(app: Flask, client: Client) -> None:
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__, url_prefix="/v1")

    @inner.get("/me")
    @app.revoke.required
    def me() -> str:
        return current_token.subject

    @outer.errorhandler(JWTRevokeError)
    def refused(error: JWTRevokeError) -> tuple[str, int]:
        return f"outer: {error.reason}", error.status

    @app.get("/me")
    @app.revoke.required
    def outside() -> str:
        return current_token.subject

    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert client.as_user("alice").get("/v1/me").text == "alice"
    assert client.get("/v1/me").text == "outer: missing"
    assert client.get("/me").json["reason"] == "missing"


def test_class_based_views(app: Flask, client: Client) -> None:
    class Whole(View):
        decorators = (app.revoke.required,)

        def dispatch_request(self) -> str:
            return current_token.subject

    class ByMethod(MethodView):
        def get(self) -> str:
            return "anybody"

        @app.revoke.required(fresh=True)
        def post(self) -> str:
            return current_token.subject

    app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
    app.add_url_rule("/method", view_func=ByMethod.as_view("method"))
    alice, stale = client.as_user("alice"), client.as_user("alice", fresh=False)
    assert alice.get("/whole").text == alice.post("/method").text == "alice"
    assert client.get("/method").text == "anybody"
    assert [client.get("/whole").status_code, client.post("/method").status_code] == [401, 401]
    assert stale.post("/method").json["reason"] == "not_fresh"


def test_a_session_has_the_address_that_proxy_fix_lets_through(app: Flask, client: Client) -> None:
    @app.post("/login")
    def login() -> dict[str, object]:
        return app.revoke.issue("alice").to_dict()

    forwarded = {"X-Forwarded-For": "198.51.100.7"}
    client.post("/login", headers=forwarded)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)
    client.post("/login", headers=forwarded)
    with app.app_context():
        found = {one.address for one in app.revoke.sessions("alice")}
    assert found == {"127.0.0.0/24", "198.51.100.0/24"}
