"""The ready blueprint, from clients with headers and with cookies."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from flask_limiter import Limiter

from flask_jwt_revoke import ConfigurationError, JWTRevoke, TokenPair, current_token, rate_limit_key

from .conftest import SECRET

MakeApp = Callable[..., Flask]
HTTPS = "https://localhost"
LOCATIONS = ["headers", "cookies"]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return with_views(make_app(token_location=LOCATIONS))


def with_views(app: Flask, **options: Any) -> Flask:
    revoke: JWTRevoke = app.revoke
    app.register_blueprint(revoke.blueprint(**options))

    @app.post("/login")
    @revoke.exempt
    def login() -> Any:
        pair = revoke.issue(request.json["user"], device_id=request.json.get("device_id"))
        if "cookies" not in request.json:
            return pair.to_dict()
        response = Response("", 204)
        revoke.set_cookies(response, pair)
        return response

    @app.route("/me", methods=["GET", "POST"])
    @revoke.required
    def me() -> dict[str, str]:
        return {"user": current_token.subject, "csrf": revoke.csrf_token()}

    return app


class Header:
    """A client that sends its tokens in the Authorization header."""

    def __init__(self, app: Flask, user: str = "alice", **options: Any) -> None:
        self.http = app.test_client()
        self.pair = self.http.post("/login", json={"user": user, **options}).json

    def send(self, method: str, path: str, token: str = "access_token") -> Any:
        headers = {"Authorization": f"Bearer {self.pair[token]}"}
        return self.http.open(path, method=method, headers=headers)

    def refresh(self) -> Any:
        answer = self.send("POST", "/auth/refresh", "refresh_token")
        if answer.status_code == 200:
            self.pair = answer.json
        return answer


class Browser:
    """A client that keeps its tokens in cookies, and sends the CSRF value back."""

    def __init__(self, app: Flask, user: str = "alice", **options: Any) -> None:
        self.http: FlaskClient = app.test_client()
        json = {"user": user, "cookies": True, **options}
        self.signed_in = self.http.post("/login", json=json, base_url=HTTPS)

    def send(self, method: str, path: str, csrf: str = "csrf_token") -> Any:
        found = self.http.get_cookie(csrf)
        headers = {"X-CSRF-Token": found.value if found else ""}
        return self.http.open(path, method=method, headers=headers, base_url=HTTPS)

    def refresh(self) -> Any:
        return self.send("POST", "/auth/refresh")

    def held(self) -> set[str]:
        names = ("access_token", "csrf_token")
        found = {name for name in names if self.http.get_cookie(name)}
        return found | (
            {"refresh_token"} if self.http.get_cookie("refresh_token", path="/auth") else set()
        )


@pytest.fixture(params=[Header, Browser])
def make_client(request: pytest.FixtureRequest, app: Flask) -> Callable[..., Any]:
    return lambda *arguments, **options: request.param(app, *arguments, **options)


class TestBothKinds:
    def test_refresh(self, make_client: Callable[..., Any]) -> None:
        client = make_client()
        answer = client.refresh()
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json["expires_in"] == 900
        assert client.send("GET", "/me").json["user"] == "alice"
        assert client.refresh().status_code == 200

    def test_log_out(self, make_client: Callable[..., Any]) -> None:
        here, there = make_client(), make_client()
        answer = here.send("POST", "/auth/logout")
        assert (answer.status_code, answer.data) == (204, b"")
        assert here.send("GET", "/me").status_code == 401
        assert there.send("GET", "/me").status_code == 200

    def test_log_out_others(self, make_client: Callable[..., Any]) -> None:
        here, there = make_client(), make_client()
        assert here.send("POST", "/auth/logout-others").json == {"sessions": 1}
        assert there.send("GET", "/me").json["reason"] == "revoked"
        assert here.send("GET", "/me").status_code == 200

    def test_log_out_everywhere(self, make_client: Callable[..., Any]) -> None:
        here, there = make_client(), make_client()
        assert here.send("POST", "/auth/logout-everywhere").json == {"revoked": 4}
        assert {one.send("GET", "/me").status_code for one in (here, there)} == {401}

    def test_sessions(self, make_client: Callable[..., Any]) -> None:
        here, there = make_client(device_id="D1"), make_client(device_id="D2")
        listed = here.send("GET", "/auth/sessions").json["sessions"]
        assert [(one["device_id"], one["current"]) for one in listed] in (
            [("D2", False), ("D1", True)],
            [("D1", True), ("D2", False)],
        )
        other = next(one["id"] for one in listed if not one["current"])
        assert here.send("DELETE", f"/auth/sessions/{other}").status_code == 204
        assert there.send("GET", "/me").json["reason"] == "revoked"
        assert here.send("DELETE", f"/auth/sessions/{other}").status_code == 404

    def test_the_session_of_somebody_else_is_not_found(
        self, app: Flask, make_client: Callable[..., Any]
    ) -> None:
        mine, hers = make_client("mallory"), make_client("alice")
        sid = hers.send("GET", "/auth/sessions").json["sessions"][0]["id"]
        client = app.extensions["jwt_revoke"].store.client
        before = sorted(client.keys("*"))
        for method in ("GET", "DELETE"):
            answer = mine.send(method, f"/auth/sessions/{sid}")
            assert (answer.status_code, answer.json["reason"]) == (404, "unknown_session")
        assert hers.send("GET", f"/auth/sessions/{sid}").json["current"] is True
        assert sorted(client.keys("*")) == before
        assert hers.send("GET", "/me").status_code == 200


class TestHeaders:
    def test_the_tokens_are_in_the_body(self, app: Flask) -> None:
        client = Header(app)
        answer = client.refresh()
        assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert "Set-Cookie" not in answer.headers

    def test_types_are_not_exchanged(self, app: Flask) -> None:
        client = Header(app)
        for path, token in (("/auth/refresh", "access_token"), ("/auth/logout", "refresh_token")):
            answer = client.send("POST", path, token)
            assert (answer.status_code, answer.json["reason"]) == (401, "wrong_type")
        assert app.test_client().post("/auth/refresh").json["reason"] == "missing"

    def test_reuse_is_answered_and_ends_the_session(self, make_app: MakeApp) -> None:
        app = with_views(make_app(refresh_grace=0))
        client = Header(app)
        stolen = Header.__new__(Header)
        stolen.http, stolen.pair = app.test_client(), client.pair
        assert client.refresh().status_code == 200
        answer = stolen.refresh()
        assert (answer.status_code, answer.json["reason"]) == (401, "reused")
        assert client.send("GET", "/me").json["reason"] == "revoked"

    def test_an_access_token_that_has_just_expired_logs_its_session_out(self, app: Flask) -> None:
        client = Header(app)
        claims = jwt.decode(client.pair["access_token"], options={"verify_signature": False})
        expired = jwt.encode({**claims, "exp": int(time.time()) - 1}, SECRET)
        client.pair["access_token"] = expired
        assert client.send("GET", "/me").json["reason"] == "expired"
        assert client.send("POST", "/auth/logout").status_code == 204
        assert client.refresh().json["reason"] == "revoked"

    def test_a_header_goes_before_a_cookie(self, app: Flask) -> None:
        browser, other = Browser(app, "alice"), Header(app, "bob")
        headers = {"Authorization": f"Bearer {other.pair['access_token']}"}
        answer = browser.http.post("/me", headers=headers, base_url=HTTPS)
        assert answer.json["user"] == "bob"
        headers = {"Authorization": "Bearer junk"}
        answer = browser.http.get("/me", headers=headers, base_url=HTTPS)
        assert answer.json["reason"] == "malformed"


class TestCookies:
    def test_their_attributes(self, app: Flask) -> None:
        cookies = {
            line.partition("=")[0]: line
            for line in Browser(app).signed_in.headers.getlist("Set-Cookie")
        }
        assert set(cookies) == {"access_token", "refresh_token", "csrf_token"}
        for name, line in cookies.items():
            assert "Secure;" in line
            assert "SameSite=Lax" in line
            assert ("HttpOnly" in line) == (name in ("access_token", "refresh_token"))
            assert f"Path={'/auth' if name == 'refresh_token' else '/'}" in line

    def test_the_tokens_are_not_in_the_body(self, app: Flask) -> None:
        browser = Browser(app)
        before = browser.http.get_cookie("access_token").value
        assert set(browser.refresh().json) == {"token_type", "expires_in"}
        assert browser.http.get_cookie("access_token").value != before

    @pytest.mark.parametrize("path", ["logout", "logout-everywhere"])
    def test_a_logout_clears_them_and_carries_no_token(self, app: Flask, path: str) -> None:
        browser = Browser(app)
        answer = browser.send("POST", f"/auth/{path}")
        assert all("Max-Age=0" in line for line in answer.headers.getlist("Set-Cookie"))
        assert browser.held() == set()

    def test_a_form_from_before_a_refresh_still_counts(self, app: Flask) -> None:
        browser = Browser(app)
        before = browser.http.get_cookie("csrf_token").value
        assert browser.refresh().status_code == 200
        headers = {"X-CSRF-Token": before}
        assert browser.http.post("/me", headers=headers, base_url=HTTPS).status_code == 200

    def test_a_late_answer_does_not_sign_a_browser_out(self, app: Flask) -> None:
        """Of a request that was under way while the password was changed, say."""
        browser = Browser(app)
        with app.app_context():
            app.revoke.logout_everywhere("alice")
        answer = browser.send("GET", "/me")
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers

    @pytest.mark.parametrize("value", [None, "", "x", "é"])
    def test_a_request_that_writes_needs_the_csrf_value(self, app: Flask, value: Any) -> None:
        browser = Browser(app)
        headers = {} if value is None else {"X-CSRF-Token": value}
        for path in ("/me", "/auth/logout", "/auth/refresh"):
            answer = browser.http.post(path, headers=headers, base_url=HTTPS)
            assert (answer.status_code, answer.json["reason"]) == (401, "csrf")
        assert browser.send("GET", "/me").status_code == 200

    def test_a_planted_csrf_cookie_is_worth_nothing(self, app: Flask) -> None:
        browser = Browser(app)
        browser.http.set_cookie("csrf_token", "planted")
        assert browser.send("POST", "/me").json["reason"] == "csrf"

    def test_a_form_may_carry_the_value(self, app: Flask) -> None:
        browser = Browser(app)
        value = browser.send("GET", "/me").json["csrf"]
        answer = browser.http.post("/me", data={"csrf_token": value}, base_url=HTTPS)
        assert answer.status_code == 200

    def test_the_value_belongs_to_one_session(self, app: Flask) -> None:
        one, two = Browser(app), Browser(app)
        headers = {"X-CSRF-Token": two.http.get_cookie("csrf_token").value}
        answer = one.http.post("/me", headers=headers, base_url=HTTPS)
        assert answer.json["reason"] == "csrf"

    def test_it_can_be_turned_off(self, make_app: MakeApp) -> None:
        app = with_views(make_app(token_location=["cookies"], csrf_protect=False))
        assert Browser(app).http.post("/me", base_url=HTTPS).status_code == 200

    def test_cookies_are_not_looked_at_unless_they_are_asked_for(self, make_app: MakeApp) -> None:
        app = with_views(make_app())
        assert Browser(app).send("GET", "/me").json["reason"] == "missing"


def test_a_blueprint_where_no_refresh_cookie_goes_is_refused(make_app: MakeApp) -> None:
    app = make_app(token_location=["cookies"])
    with pytest.raises(ConfigurationError, match="/authors"):
        app.register_blueprint(app.revoke.blueprint(url_prefix="/authors"))
    app = make_app(token_location=["cookies"])
    app.register_blueprint(app.revoke.blueprint(url_prefix="/auth/v1"))


@pytest.mark.parametrize(("path", "reaches"), [("/shop/auth", True), ("/auth", False)])
def test_the_refresh_cookie_of_an_app_below_a_path(
    make_app: MakeApp, path: str, reaches: bool
) -> None:
    app = make_app(token_location=["cookies"], refresh_cookie_path=path)
    app.config["APPLICATION_ROOT"] = "/shop"
    if reaches:
        app.register_blueprint(app.revoke.blueprint())
    else:
        with pytest.raises(ConfigurationError, match="the blueprint is at /shop/auth"):
            app.register_blueprint(app.revoke.blueprint())


def test_two_blueprints_have_limits_of_their_own(make_app: MakeApp) -> None:
    app = make_app()
    limiter = Limiter(rate_limit_key, app=app, storage_uri="memory://")
    with_views(app, limiter=limiter, limit="1 per minute")
    other = app.revoke.blueprint("v2", url_prefix="/v2", limiter=limiter, limit="3 per minute")
    app.register_blueprint(other)
    client = Header(app)
    assert [client.send("GET", "/v2/sessions").status_code for _ in range(4)] == [200] * 3 + [429]
    assert [client.send("GET", "/auth/sessions").status_code for _ in range(2)] == [200, 429]


class TestLimits:
    def test_each_subject_has_its_own(self, make_app: MakeApp) -> None:
        app = make_app()
        limiter = Limiter(rate_limit_key, app=app, storage_uri="memory://")
        with_views(app, limiter=limiter, limit="2 per minute")
        alice, bob = Header(app, "alice"), Header(app, "bob")
        statuses = [alice.send("GET", "/auth/sessions").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert bob.send("GET", "/auth/sessions").status_code == 200

    def test_one_that_is_switched_off_and_kept_by_nobody_else(self, make_app: MakeApp) -> None:
        app = make_app()
        app.config["RATELIMIT_ENABLED"] = False
        with_views(app, limiter=Limiter(rate_limit_key, app=app), limit="1 per minute")
        gc.collect()
        client = Header(app)
        assert [client.send("GET", "/auth/sessions").status_code for _ in range(3)] == [200] * 3

    def test_the_key(self, app: Flask) -> None:
        client = Header(app)

        def key(token: str) -> str:
            headers = {"Authorization": f"Bearer {token}"}
            with app.test_request_context(headers=headers, environ_base={"REMOTE_ADDR": "::1"}):
                return rate_limit_key()

        assert key(client.pair["access_token"]) == "subject:alice"
        assert key(client.pair["refresh_token"]) == "subject:alice"
        assert key(jwt.encode({"sub": "alice", "jti": "J", "exp": 2e9}, "x" * 40)) == "address:::1"


def test_a_pair_shows_no_token(app: Flask) -> None:
    assert "eyJ" not in repr(TokenPair("eyJ.a.b", "eyJ.c.d", "S1", 900))
