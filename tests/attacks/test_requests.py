"""Attacks over HTTP: smuggled headers, planted cookies, forged requests, replays."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_jwt_revoke import JWTRevoke, TokenPair, current_token

from ..servers import Server
from .forge import claims, nothing_written, signed

ROUTES = (
    ("GET", "/me"), ("POST", "/me"), ("GET", "/maybe"), ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"), ("POST", "/auth/logout-others"), ("POST", "/auth/logout-everywhere"),
    ("GET", "/auth/sessions"), ("GET", "/auth/sessions/S1"), ("DELETE", "/auth/sessions/S1"),
)  # fmt: skip
PARTS = b'--a\r\nContent-Disposition: form-data; name="n"\r\n\r\nx\r\n'
WRITES = tuple(route for route in ROUTES if route[0] != "GET")


def short(value: object) -> str:
    """A test's name that can be read, and fits into the environment of a process."""
    return repr(value)[:50]


@pytest.fixture
def app(make_app: Callable[..., Flask], server: Server) -> Flask:
    return with_views(make_app(server.url, token_location=["headers", "cookies"], timeout=5))


def with_views(app: Flask) -> Flask:
    revoke: JWTRevoke = app.revoke
    app.register_blueprint(revoke.blueprint())

    @app.route("/me", methods=["GET", "POST"])
    @revoke.required
    def me() -> dict[str, str]:
        return {"user": current_token.subject}

    @app.route("/maybe", methods=["GET", "POST"])
    @revoke.optional
    def maybe() -> dict[str, str | None]:
        return {"user": current_token.subject if current_token else None}

    @app.route("/open", methods=["GET", "POST"])
    @revoke.exempt
    def opened() -> dict[str, str | None]:
        return {"user": current_token.subject if current_token else None}

    return app


def issue(app: Flask, user: str = "alice") -> TokenPair:
    with app.app_context():
        return app.revoke.issue(user)


def csrf(app: Flask, pair: TokenPair) -> str:
    return app.extensions["jwt_revoke"].tokens.derived("csrf", pair.session_id)


def send(app: Flask, method: str, path: str, **environ: Any) -> tuple[int, dict[str, Any], Headers]:
    """A request as a WSGI server would hand it over, with none of a client's corrections."""
    made = EnvironBuilder(path, method=method).get_environ() | environ
    body, status, headers = run_wsgi_app(app, made)
    text = b"".join(body)
    is_json = headers.get("Content-Type") == "application/json"
    return int(status.partition(" ")[0]), json.loads(text) if text and is_json else {}, headers


def cookies(pair: TokenPair) -> str:
    return f"access_token={pair.access}; refresh_token={pair.refresh}"


class TestHeaderSmuggling:
    @pytest.mark.parametrize(
        "written",
        ["Bearer {a},Bearer {b}", "Bearer {a}, Bearer {b}", "Bearer {a} Bearer {b}", "Bearer {a},",
         "Bearer ,{a}", "Bearer {a}\t{b}", "Bearer {a} {b}", "Bearer {a}, Basic YTpi", "Bearer",
         "Bearer token={a}", "Bearer \x1f", "Bearer {a},{a}"],
    )  # fmt: skip
    @pytest.mark.parametrize("planted", [False, True])
    def test_a_header_that_can_be_read_in_two_ways(
        self, app: Flask, server: Server, written: str, planted: bool
    ) -> None:
        """A cookie beside it does not help it out."""
        alice, bob = issue(app), issue(app, "bob")
        header = written.format(a=alice.access, b=bob.access)
        extra = {"HTTP_COOKIE": cookies(alice)} if planted else {}
        with nothing_written(server):
            for method, path in ROUTES:
                code, body, _ = send(app, method, path, HTTP_AUTHORIZATION=header, **extra)
                assert (code, body["reason"]) in ((400, "malformed"), (401, "malformed"))

    @pytest.mark.parametrize(
        "written",
        ["Basic YTpi, Bearer {a}", "Bearer\t{a}", "Bearer:{a}", "Bearer={a}", "JWT {a}", "{a}",
         "Token {a}", "DPoP {a}", "bearerr {a}", "\x00Bearer {a}", "\xef\xbb\xbfBearer {a}"],
    )  # fmt: skip
    def test_another_scheme_is_no_credential(self, app: Flask, written: str) -> None:
        pair = issue(app)
        header = written.format(a=pair.access)
        for method, path in ROUTES:
            code, body, headers = send(app, method, path, HTTP_AUTHORIZATION=header)
            if path == "/maybe":
                assert (code, body) == (200, {"user": None})
            else:
                assert (code, body["reason"]) == (401, "missing")
                assert headers["WWW-Authenticate"] == "Bearer"

    def test_two_headers_from_a_client(self, app: Flask) -> None:
        alice, bob = issue(app), issue(app, "bob")
        for one, other in itertools.product((alice, bob), repeat=2):
            pairs = [("Authorization", f"Bearer {pair.access}") for pair in (one, other)]
            assert app.test_client().get("/me", headers=pairs).status_code == 400

    def test_a_header_goes_before_a_cookie_that_disagrees(self, app: Flask) -> None:
        alice, bob = issue(app), issue(app, "bob")
        both = {"HTTP_AUTHORIZATION": f"Bearer {alice.access}", "HTTP_COOKIE": cookies(bob)}
        assert send(app, "POST", "/me", **both)[1] == {"user": "alice"}
        code, _, headers = send(app, "POST", "/auth/logout", **both)
        assert code == 204
        assert "Set-Cookie" not in headers
        # Bob, whose cookie was there, is still in; alice is out, and bob's cookie does not serve.
        assert send(app, "GET", "/me", HTTP_COOKIE=cookies(bob))[1] == {"user": "bob"}
        assert send(app, "GET", "/me", **both)[1]["reason"] == "revoked"

    @pytest.mark.parametrize(
        "name",
        ["HTTP_FLASK_JWT_REVOKE.CLAIMS", "HTTP_FLASK_JWT_REVOKE_CLAIMS", "HTTP_X_AUTHORIZATION",
         "HTTP_PROXY_AUTHORIZATION", "HTTP_X_FORWARDED_AUTHORIZATION", "HTTP_AUTHORIZATION_",
         "REMOTE_USER", "HTTP_X_ACCESS_TOKEN", "HTTP_ACCESS_TOKEN"],
    )  # fmt: skip
    def test_no_other_header_is_a_credential(self, app: Flask, name: str) -> None:
        token = issue(app).access
        for value in (token, f"Bearer {token}"):
            assert send(app, "GET", "/me", **{name: value})[1]["reason"] == "missing"
            assert send(app, "GET", "/maybe", **{name: value})[1] == {"user": None}

    def test_a_token_in_the_url_or_the_body_is_no_credential(self, app: Flask) -> None:
        """RFC 6750 sections 2.2 and 2.3: URLs end up in logs."""
        pair, client = issue(app), app.test_client()
        for name in ("access_token", "token", "jwt", "refresh_token"):
            found = {name: pair.refresh if name == "refresh_token" else pair.access}
            assert client.get("/me", query_string=found).status_code == 401
            assert client.post("/me", data=found).status_code == 401
            assert client.post("/auth/refresh", json=found).status_code == 401

    def test_an_app_does_not_trust_what_another_app_found(
        self, app: Flask, make_app: Callable[..., Flask], server: Server
    ) -> None:
        """A server may ask one app after the other, with the same environ."""
        second = with_views(make_app(server.url, secret_key="k" * 64))
        token = f"Bearer {issue(app).access}"
        environ = EnvironBuilder("/me", headers={"Authorization": token}).get_environ()
        assert b"alice" in b"".join(app(environ, lambda *_: lambda _: None))
        del environ["HTTP_AUTHORIZATION"]
        for path in ("/maybe", "/open"):
            answer = b"".join(second({**environ, "PATH_INFO": path}, lambda *_: lambda _: None))
            assert json.loads(answer) == {"user": None}

    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "get", "Get", "X" * 999])
    def test_no_method_gets_around_the_check(self, app: Flask, method: str) -> None:
        code, body, _ = send(app, method, "/me")
        assert code in (401, 405) or (method == "OPTIONS" and not body)

    def test_a_method_in_a_header_is_not_used(self, app: Flask) -> None:
        pair = issue(app)
        code, body, _ = send(
            app, "POST", "/me", HTTP_COOKIE=cookies(pair), HTTP_X_HTTP_METHOD_OVERRIDE="GET"
        )
        assert (code, body["reason"]) == (401, "csrf")


class TestReflection:
    MARK = "s3cr3tmark"

    def hostile(self) -> list[str]:
        odd = f'{self.MARK}"\r\nX-Evil: 1<script>'
        return [
            self.MARK,
            signed(claims(), {"alg": odd}),
            signed(claims(), {"alg": "HS256", "kid": odd, "crit": [odd]}),
            *(signed(claims(**{name: [odd]})) for name in ("sub", "jti", "sid", "exp", "type")),
            *(signed(claims(**{name: odd})) for name in ("exp", "nbf", "type", "aud")),
            *(signed(claims(**{name: odd * 30})) for name in ("sub", "jti", "sid")),
            signed(b"{" + odd.encode()),
            signed(claims(**{odd: 1, "nbf": 4102444800})),
        ]

    @pytest.mark.parametrize("by", ["header", "cookie"])
    def test_an_answer_repeats_nothing_of_what_was_sent(self, app: Flask, by: str) -> None:
        for token in self.hostile():
            sent = (
                {"HTTP_AUTHORIZATION": f"Bearer {token}"}
                if by == "header"
                else {"HTTP_COOKIE": f"access_token={token}; refresh_token={token}"}
            )
            for method, path in ROUTES:
                code, body, headers = send(app, method, path, **sent)
                assert code in (400, 401)
                assert self.MARK not in json.dumps(body) + str(headers)
                assert token not in json.dumps(body) + str(headers)

    @pytest.mark.parametrize("sid", ["%0d%0aX-Evil:1", "..%2f..", "%00", "x" * 5000, "%ff", "*"])
    def test_a_session_id_in_the_url(self, app: Flask, server: Server, sid: str) -> None:
        header = {"HTTP_AUTHORIZATION": f"Bearer {issue(app).access}"}
        with nothing_written(server):
            for method in ("GET", "DELETE"):
                answer = app.test_client().open(
                    f"/auth/sessions/{sid}", method=method, environ_overrides=header
                )
                assert answer.status_code == 404
                assert sid not in str(answer.headers)


class TestCsrf:
    @pytest.mark.parametrize("route", WRITES)
    def test_a_forged_request_writes_nothing(
        self, app: Flask, server: Server, route: tuple[str, str]
    ) -> None:
        """What another site's page can send: the cookies, and a body of its own."""
        alice, mallory = issue(app), issue(app, "mallory")
        guesses = [
            "", " ", "null", "undefined", "0" * 22, alice.session_id, csrf(app, mallory),
            csrf(app, alice)[:-1], csrf(app, alice) + "=", csrf(app, alice).swapcase(),
        ]  # fmt: skip
        with nothing_written(server):
            for guess in guesses:
                sent = {"HTTP_COOKIE": f"{cookies(alice)}; csrf_token={guess}"}
                for more in ({}, {"HTTP_X_CSRF_TOKEN": guess}, {"HTTP_ORIGIN": "https://evil"}):
                    code, body, _ = send(app, *route, **sent, **more)
                    assert (code, body["reason"]) == (401, "csrf")

    def test_a_value_is_good_for_as_long_as_the_key_that_it_comes_from(
        self, make_app: Callable[..., Flask], server: Server
    ) -> None:
        """Otherwise a new key would sign every browser out."""

        def app(**keys: str) -> Flask:
            return with_views(
                make_app(server.url, keys=keys, token_location=["cookies"], timeout=5)
            )

        old, other = "o" * 64, "x" * 64
        before = app(old=old)
        pair = issue(before)
        sent = {"HTTP_COOKIE": cookies(pair), "HTTP_X_CSRF_TOKEN": csrf(before, pair)}
        foreign = {**sent, "HTTP_X_CSRF_TOKEN": csrf(app(other=other), pair)}
        after = app(new="n" * 64, old=old)
        assert send(after, "POST", "/me", **foreign)[1]["reason"] == "csrf"
        assert send(after, "POST", "/me", **sent)[1] == {"user": "alice"}
        assert send(after, "POST", "/auth/refresh", **sent)[0] == 200

    @pytest.mark.parametrize("kind", ["query", "json", "text", "cookie"])
    def test_the_value_is_taken_from_a_header_or_a_form_alone(self, app: Flask, kind: str) -> None:
        pair, client = issue(app), app.test_client(use_cookies=False)
        value = {"csrf_token": csrf(app, pair)}
        sent: dict[str, Any] = {
            "query": {"query_string": value},
            "json": {"json": value},
            "text": {"data": f"csrf_token={value['csrf_token']}", "content_type": "text/plain"},
            "cookie": {},
        }[kind]
        header = f"{cookies(pair)}; csrf_token={value['csrf_token']}"
        answer = client.post("/me", environ_overrides={"HTTP_COOKIE": header}, **sent)
        assert (answer.status_code, answer.json["reason"]) == (401, "csrf")

    def test_a_right_field_does_not_make_up_for_a_wrong_header(self, app: Flask) -> None:
        pair = issue(app)
        answer = app.test_client(use_cookies=False).post(
            "/me",
            data={"csrf_token": csrf(app, pair)},
            headers={"X-CSRF-Token": "x"},
            environ_overrides={"HTTP_COOKIE": cookies(pair)},
        )
        assert answer.json["reason"] == "csrf"

    @pytest.mark.parametrize("value", ["\xff\xfe", "é", "\x00", "x" * 100_000], ids=short)
    def test_a_value_of_strange_characters(self, app: Flask, value: str) -> None:
        pair = issue(app)
        sent = {"HTTP_COOKIE": cookies(pair), "HTTP_X_CSRF_TOKEN": value}
        assert send(app, "POST", "/me", **sent)[1]["reason"] == "csrf"

    @pytest.mark.parametrize(
        ("type", "body"),
        [("multipart/form-data", b"x"), ("multipart/form-data; boundary=", b"--\r\n"),
         ("multipart/form-data; boundary=a", b"--a\r\n\xff\xff"),
         ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data\r\n\r\nx"),
         ("multipart/form-data; boundary=a", PARTS * 2000),
         ("application/x-www-form-urlencoded", b"csrf_token=%ff%fe%ED%A0%80&=&&;"),
         ("application/x-www-form-urlencoded; charset=utf-16", b"\xff\xfe"),
         ("application/x-www-form-urlencoded", b"csrf_token=" + b"x" * 1_000_000),
         ("\xff/\x00; =", b"x")],
        ids=short,
    )  # fmt: skip
    def test_a_broken_form_is_a_clear_4xx(
        self, app: Flask, server: Server, type: str, body: bytes
    ) -> None:
        pair = issue(app)
        environ = {
            "HTTP_COOKIE": cookies(pair), "CONTENT_TYPE": type, "CONTENT_LENGTH": str(len(body)),
        }  # fmt: skip
        with nothing_written(server):
            for method, path in WRITES:
                made = EnvironBuilder(path, method=method).get_environ() | environ
                made["wsgi.input"] = io.BytesIO(body)
                status = run_wsgi_app(app, made)[1]
                assert status.startswith(("401", "413", "400"))

    def test_the_body_is_not_read_for_a_token_that_does_not_verify(self, app: Flask) -> None:
        class Untouched(io.BytesIO):
            def read(self, *_: object) -> bytes:
                raise AssertionError("read")

            readline = readinto = read

        forged = signed(claims(), key="k" * 64)
        code, body, _ = send(
            app, "POST", "/me", HTTP_COOKIE=f"access_token={forged}",
            CONTENT_TYPE="application/x-www-form-urlencoded", CONTENT_LENGTH="1000000000",
            **{"wsgi.input": Untouched()},
        )  # fmt: skip
        assert (code, body["reason"]) == (401, "bad_signature")


class TestCookieTossing:
    """A sibling subdomain may set cookies for the whole domain, and send them first."""

    def test_a_planted_session_is_no_way_into_the_victims(self, app: Flask) -> None:
        alice, mallory = issue(app), issue(app, "mallory")
        planted = f"access_token={mallory.access}; {cookies(alice)}; csrf_token={csrf(app, alice)}"
        sent = {"HTTP_COOKIE": planted, "HTTP_X_CSRF_TOKEN": csrf(app, alice)}
        # The victim's page writes with the victim's value, and the write does not take place.
        assert send(app, "POST", "/me", **sent)[1]["reason"] == "csrf"
        assert send(app, "GET", "/me", **sent)[1] == {"user": "mallory"}

    def test_a_planted_value_is_worth_nothing(self, app: Flask, server: Server) -> None:
        alice, mallory = issue(app), issue(app, "mallory")
        value = csrf(app, mallory)
        sent = {"HTTP_COOKIE": f"csrf_token={value}; {cookies(alice)}", "HTTP_X_CSRF_TOKEN": value}
        with nothing_written(server):
            for method, path in WRITES:
                assert send(app, method, path, **sent)[1]["reason"] == "csrf"

    def test_a_planted_refresh_token_is_no_access_token(self, app: Flask) -> None:
        alice, mallory = issue(app), issue(app, "mallory")
        for token in (mallory.refresh, alice.refresh):
            sent = {"HTTP_COOKIE": f"access_token={token}; {cookies(alice)}"}
            assert send(app, "GET", "/me", **sent)[1]["reason"] == "wrong_type"

    @pytest.mark.parametrize(
        "cookie",
        ["access_token", "access_token=", 'access_token="', 'access_token="\\377\\000"', "=; ;;;",
         "access_token=\xff\xfe", "access_token==", "a" * 60_000, "access_token=a.b.c; " * 2000,
         "Access_Token={t}", " access_token ={t}x", "$Version=1; access_token=x"],
        ids=lambda cookie: cookie[:30],
    )  # fmt: skip
    def test_a_broken_cookie_is_a_clear_4xx(self, app: Flask, server: Server, cookie: str) -> None:
        token = issue(app).access
        with nothing_written(server):
            for method, path in ROUTES:
                code, body, _ = send(app, method, path, HTTP_COOKIE=cookie.format(t=token))
                assert code in (400, 401) or body == {"user": None}

    def test_names_that_no_other_host_may_set(
        self, make_app: Callable[..., Flask], server: Server
    ) -> None:
        app = make_app(
            server.url, token_location=["cookies"], access_cookie="__Host-access",
            refresh_cookie="__Host-refresh", csrf_cookie="__Host-csrf", refresh_cookie_path="/",
        )  # fmt: skip
        pair = issue(app)
        with app.test_request_context():
            response = app.response_class()
            app.revoke.set_cookies(response, pair)
        for line in response.headers.getlist("Set-Cookie"):
            assert line.startswith("__Host-")
            assert "Secure" in line
            assert "Path=/" in line.split("; ")
            assert "Domain" not in line


class TestReplay:
    @pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
    @pytest.mark.parametrize("end", ["logout", "logout_everywhere", "device", "block", "reuse"])
    def test_no_token_of_an_ended_session_comes_back(
        self, make_app: Callable[..., Flask], server: Server, strategy: str, end: str
    ) -> None:
        app = with_views(
            make_app(
                server.url,
                strategy=strategy,
                refresh_grace=0,
                token_location=["headers", "cookies"],
            )
        )
        with app.app_context():
            first = app.revoke.issue("alice", device_id="d1")
            second = app.revoke.rotate(first.refresh)
            third = app.revoke.rotate(second.refresh)
            generations = [first, second, third]
            self._end(app, end, generations)
        value = csrf(app, first)
        with nothing_written(server):
            for pair, (method, path) in itertools.product(generations, ROUTES):
                token = pair.refresh if path == "/auth/refresh" else pair.access
                by_header = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
                by_cookie = {"HTTP_COOKIE": cookies(pair), "HTTP_X_CSRF_TOKEN": value}
                for sent in (by_header, by_cookie):
                    code, body, headers = send(app, method, path, **sent)
                    assert (code, body["reason"]) == (401, "revoked")
                    assert "Set-Cookie" not in headers

    @staticmethod
    def _end(app: Flask, end: str, generations: list[TokenPair]) -> None:
        revoke: JWTRevoke = app.revoke
        last = generations[-1]
        if end == "logout":
            revoke.logout(last.access)
        elif end == "logout_everywhere":
            revoke.logout_everywhere("alice")
        elif end == "device":
            assert revoke.logout_device("alice", "d1") == 1
        elif end == "block":
            revoke.block("alice")
        else:
            client: FlaskClient = app.test_client()
            header = {"Authorization": f"Bearer {generations[0].refresh}"}
            assert client.post("/auth/refresh", headers=header).json["reason"] == "reused"

    def test_a_forged_token_is_refused_without_redis_too(
        self, make_app: Callable[..., Flask]
    ) -> None:
        app = with_views(make_app("redis://127.0.0.1:1", on_outage="allow", timeout=0.1))
        assert send(app, "GET", "/me", HTTP_AUTHORIZATION=f"Bearer {signed(claims())}")[0] == 200
        forged = signed(claims(), key="k" * 64)
        for method, path in ROUTES:
            code, body, _ = send(app, method, path, HTTP_AUTHORIZATION=f"Bearer {forged}")
            assert (code, body["reason"]) == (401, "bad_signature")

    def test_an_exempt_view_knows_nobody(self, app: Flask) -> None:
        pair = issue(app)
        sent = {"HTTP_AUTHORIZATION": f"Bearer {pair.access}", "HTTP_COOKIE": cookies(pair)}
        assert send(app, "POST", "/open", **sent)[1] == {"user": None}
