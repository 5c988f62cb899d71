"""The example app's pages, by their HTTP answers. What a browser does with them is tested in
test_pages_in_chromium."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from pathlib import Path

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from example_app.pages.words import since
from example_app.users import DEMO, Users

from ..servers import Server
from .conftest import MakeApp, after_the_pause

ALICE = {"username": "alice", "password": DEMO["alice"]}
BOB = {"username": "bob", "password": DEMO["bob"]}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
WRITES = [
    "/devices/sid/sign-out",
    "/devices/sign-out-others",
    "/devices/sign-out-everywhere",
    "/sign-out",
    "/password",
]


@pytest.fixture
def app(example: MakeApp, server: Server, own_folder: Path) -> Flask:
    return example(server.url, own_folder)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def signed_in(app: Flask, account: dict[str, str] = ALICE) -> FlaskClient:
    """A browser of its own."""
    client = app.test_client()
    answer = client.post("/sign-in", data=account, headers={"User-Agent": FIREFOX})
    assert (answer.status_code, answer.location) == (303, "/devices")
    return client


def press(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    """Send a form as a page of the app does."""
    proof = client.get_cookie("csrf_token")
    return client.post(path, data={"csrf_token": proof.value if proof else "", **fields})


def sessions(app: Flask, user: str = "alice") -> list[str]:
    return [one.id for one in app.extensions["jwt_revoke"].sessions(user)]


def session_of(client: FlaskClient) -> str:
    token = client.get_cookie("access_token").value
    return jwt.decode(token, options={"verify_signature": False})["sid"]


def text(page: TestResponse) -> str:
    """What a page says, its markup left out."""
    assert page.mimetype == "text/html"
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def forward(app: Flask, seconds: float) -> None:
    app.extensions["jwt_revoke"].clock = lambda: time.time() + seconds


class TestSigningIn:
    def test_the_way_in(self, app: Flask, client: FlaskClient) -> None:
        assert client.get("/").location == "/devices"
        assert client.get("/devices").location == "/sign-in"
        assert "Sign in" in text(client.get("/sign-in"))
        page = signed_in(app).get("/devices")
        assert page.status_code == 200
        for part in ("alice", "Firefox on Linux", "This device", "just now", "127.0.0.0/24"):
            assert part in text(page)

    def test_it_leads_back_to_the_page_that_was_asked_for(self, client: FlaskClient) -> None:
        assert client.get("/password").location == "/sign-in?next=/password"
        form = client.get("/sign-in?next=/password").text
        assert 'name="next" value="/password"' in form
        answer = client.post("/sign-in", data=ALICE | {"next": "/password"})
        assert answer.location == "/password"

    @pytest.mark.parametrize(
        "next",
        [
            "https://evil.test", "//evil.test", "/\\evil.test", "/\t/evil.test", "\\\\evil.test",
            "javascript:alert(1)", "/password//evil.test", "/password@evil.test", "", "/sign-out",
            "http:evil.test", " //evil.test", "/devices\r\nSet-Cookie: a=b", "/%2f/evil.test",
        ],
    )  # fmt: skip
    def test_it_leads_nowhere_else(self, client: FlaskClient, next: str) -> None:
        answer = client.post("/sign-in", data=ALICE | {"next": next})
        assert answer.location == "/devices"
        renewed = client.get("/auth/renew", query_string={"next": next})
        assert (renewed.status_code, renewed.location) == (303, "/devices")
        client.delete_cookie("refresh_token", path="/auth")
        refused = client.get("/auth/renew", query_string={"next": next})
        assert refused.location == "/sign-in"

    @pytest.mark.parametrize("wrong", [{"password": "not this"}, {"username": "nobody"}])
    def test_a_wrong_name_or_password(self, client: FlaskClient, wrong: dict[str, str]) -> None:
        answer = client.post("/sign-in", data=ALICE | wrong)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "The user name or the password is wrong." in text(answer)
        assert f'value="{(ALICE | wrong)["username"]}"' in answer.text
        assert "not this" not in answer.text
        assert client.get_cookie("access_token") is None

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({}, "The user name is missing."),
            ({"username": "alice"}, "The password is missing."),
            ({"username": "a" * 200}, "The user name is longer than 128 characters."),
            ({"username": "alice", "password": "x" * 2000}, "The password is longer than"),
        ],
    )
    def test_a_field_that_cannot_be_used(
        self, client: FlaskClient, fields: dict[str, str], said: str
    ) -> None:
        answer = client.post("/sign-in", data=fields)
        assert answer.status_code == 400
        assert said in text(answer)
        assert answer.text.count('aria-invalid="true"') == 1

    def test_what_was_typed_is_no_markup(self, client: FlaskClient) -> None:
        answer = client.post("/sign-in", data=ALICE | {"username": '"><script>'})
        assert "<script" not in answer.text

    def test_who_may_not_is_told_on_the_form(
        self, app: Flask, example: MakeApp, server: Server
    ) -> None:
        full = example(server.url, JWT_REVOKE_MAX_SESSIONS=1, JWT_REVOKE_ON_MAX_SESSIONS="refuse")
        signed_in(full)
        answer = full.test_client().post("/sign-in", data=ALICE)
        assert answer.status_code == 403
        assert "This account is signed in on too many devices." in text(answer)
        app.extensions["jwt_revoke"].block("bob")
        answer = app.test_client().post("/sign-in", data=BOB)
        assert answer.status_code == 403
        assert "This account is blocked." in text(answer)

    def test_the_same_browser_again_replaces_its_session(self, app: Flask) -> None:
        other, client = signed_in(app), signed_in(app)
        client.post("/sign-in", data=ALICE)
        press(client, "/sign-out")
        client.post("/sign-in", data=ALICE)
        assert len(sessions(app)) == 2
        assert other.get("/devices").status_code == 200

    def test_another_user_in_the_same_browser_ends_the_session_before(self, app: Flask) -> None:
        client = signed_in(app)
        client.post("/sign-in", data=BOB)
        assert (sessions(app, "alice"), len(sessions(app, "bob"))) == ([], 1)

    @pytest.mark.parametrize("value", ["x" * 3000, "é", "../../x", ""])
    def test_a_device_id_that_was_not_made_here(self, client: FlaskClient, value: str) -> None:
        client.set_cookie("device_id", value)
        assert client.post("/sign-in", data=ALICE).status_code == 303
        kept = client.get_cookie("device_id")
        assert kept.value != value
        assert kept.http_only

    def test_a_token_of_before_that_is_none(self, client: FlaskClient) -> None:
        client.set_cookie("access_token", "another app's on this host")
        assert client.get("/devices").location == "/sign-in"
        assert client.get_cookie("access_token") is None
        client.set_cookie("access_token", "another app's on this host")
        assert client.post("/sign-in", data=ALICE).location == "/devices"
        assert client.get("/devices").status_code == 200

    @pytest.mark.parametrize("path", ["/sign-in", "/register"])
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
            {"Origin": "https://evil.test"},
            {"Origin": "null"},
            {"Origin": "http://localhost.evil.test"},
        ],
    )
    def test_another_sites_form_signs_nobody_in(
        self, client: FlaskClient, path: str, headers: dict[str, str]
    ) -> None:
        answer = client.post(path, data=ALICE, headers=headers)
        assert answer.status_code == 403
        assert "another site" in text(answer)
        assert client.get_cookie("access_token") is None

    @pytest.mark.parametrize(
        "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}]
    )
    def test_its_own_form_does(self, client: FlaskClient, headers: dict[str, str]) -> None:
        assert client.post("/sign-in", data=ALICE, headers=headers).status_code == 303


class TestRegistering:
    NEW = {"username": "Carol.1", "password": "long enough"}  # noqa: RUF012

    def test_it_signs_in(self, app: Flask, client: FlaskClient) -> None:
        assert client.post("/register", data=self.NEW).location == "/devices"
        assert "carol.1" in text(client.get("/devices"))
        signed_in(app, self.NEW | {"username": "CAROL.1 "})

    @pytest.mark.parametrize("spelling", ["alice", "ALICE", " Alice ", "aliCe\t"])
    def test_a_name_that_is_taken(self, client: FlaskClient, spelling: str) -> None:
        answer = client.post("/register", data=self.NEW | {"username": spelling})
        assert answer.status_code == 400
        assert "The user name is taken: choose another." in text(answer)
        assert client.get_cookie("access_token") is None
        assert client.post("/sign-in", data=ALICE).status_code == 303

    @pytest.mark.parametrize(
        "name", ["a", "a" * 33, "two words", "\u0430lice", "a{b}", "a/b", "a\nb", "a\x00b", "ålice"]
    )
    def test_a_name_that_cannot_be_used(self, client: FlaskClient, name: str) -> None:
        answer = client.post("/register", data=self.NEW | {"username": name})
        assert answer.status_code == 400
        assert "The user name must be 2 to 32 letters a to z" in text(answer)

    def test_a_short_password(self, client: FlaskClient) -> None:
        answer = client.post("/register", data=self.NEW | {"password": "seven 7"})
        assert answer.status_code == 400
        assert "The password must be at least 8 characters long." in text(answer)
        assert "seven 7" not in answer.text


class TestDevices:
    def test_signing_out_one_of_them(self, app: Flask) -> None:
        here, other = signed_in(app), signed_in(app)
        answer = press(here, f"/devices/{session_of(other)}/sign-out")
        assert (answer.status_code, answer.location) == (303, "/devices")
        assert "The device is signed out." in text(here.get("/devices"))
        assert "The device is signed out." not in text(here.get("/devices"))
        assert other.get("/devices").location == "/sign-in"
        assert "You have been signed out" in text(other.get("/sign-in"))
        assert other.get_cookie("access_token") is None
        assert other.get_cookie("refresh_token", path="/auth") is None

    def test_one_of_somebody_else(self, app: Flask) -> None:
        alice, bob = signed_in(app), signed_in(app, BOB)
        for sid in (*sessions(app, "bob"), "unknown", "x" * 300, "%00", "{bob}:sessions"):
            answer = press(alice, f"/devices/{sid}/sign-out")
            assert answer.status_code == 404
            assert "There is no such device among yours." in text(answer)
        assert bob.get("/devices").status_code == 200
        assert len(sessions(app)) == 1

    def test_the_others(self, app: Flask) -> None:
        here, *others = (signed_in(app) for _ in range(3))
        press(here, "/devices/sign-out-others")
        page = here.get("/devices")
        assert "2 devices are signed out." in text(page)
        assert "Sign out the others" not in text(page)
        assert [one.get("/devices").status_code for one in others] == [303, 303]

    def test_everywhere(self, app: Flask) -> None:
        here, other = signed_in(app), signed_in(app)
        assert press(here, "/devices/sign-out-everywhere").location == "/sign-in"
        assert "You are signed out everywhere." in text(here.get("/sign-in"))
        assert other.get("/password").location == "/sign-in?next=/password"
        assert sessions(app) == []

    def test_a_button_of_a_browser_that_was_signed_out(self, app: Flask) -> None:
        here, other = signed_in(app), signed_in(app)
        press(here, "/devices/sign-out-everywhere")
        again = signed_in(app)
        for path in WRITES:
            assert press(other, path).location.startswith("/sign-in")
        assert "You have been signed out" in text(other.get("/sign-in"))
        assert again.get("/devices").status_code == 200

    @pytest.mark.parametrize("path", WRITES)
    @pytest.mark.parametrize("proof", [{}, {"csrf_token": ""}, {"csrf_token": "é" * 22}])
    def test_a_form_that_proves_nothing(self, app: Flask, path: str, proof: dict[str, str]) -> None:
        client = signed_in(app)
        (sid,) = sessions(app)
        fields = {"current_password": ALICE["password"], "new_password": "another one"}
        answer = client.post(path.replace("sid", sid), data=proof | fields)
        assert answer.status_code == 400
        assert "Nothing was changed." in text(answer)
        assert client.get("/devices").status_code == 200
        signed_in(app)

    @pytest.mark.parametrize("path", WRITES)
    def test_a_button_without_a_token(self, client: FlaskClient, path: str) -> None:
        assert press(client, path).location.startswith("/sign-in")
        assert "nothing was changed" in text(client.get("/sign-in"))

    @pytest.mark.parametrize("path", WRITES)
    def test_a_link_changes_nothing(self, app: Flask, path: str) -> None:
        client = signed_in(app)
        assert client.get(path).status_code in (200, 405)
        assert len(sessions(app)) == 1

    def test_the_label_of_a_program_is_no_markup(self, app: Flask) -> None:
        app.test_client().post("/login", json=ALICE | {"device": "<script>alert(1)</script>"})
        page = signed_in(app).get("/devices")
        assert "&lt;script&gt;" in page.text
        assert "<script" not in page.text


class TestRenewing:
    def test_an_expired_token_is_renewed_on_the_way(self, app: Flask) -> None:
        client = signed_in(app)
        forward(app, 1000)
        before = client.get_cookie("access_token").value
        answer = client.get("/password")
        assert (answer.status_code, answer.location) == (303, "/auth/renew?next=/password")
        page = client.get("/password", follow_redirects=True)
        assert (page.status_code, page.request.path) == (200, "/password")
        assert client.get_cookie("access_token").value != before

    def test_two_tabs_at_once(self, app: Flask) -> None:
        client = signed_in(app)
        forward(app, 1000)
        spent = client.get_cookie("refresh_token", path="/auth").value
        client.get("/auth/renew")
        client.set_cookie("refresh_token", spent, path="/auth")
        assert client.get("/auth/renew").location == "/devices"
        assert client.get("/devices").status_code == 200

    @pytest.mark.parametrize("path", [one for one in WRITES if one != "/sign-out"])
    def test_a_button_on_a_page_that_was_left_open(self, app: Flask, path: str) -> None:
        here, other = signed_in(app), signed_in(app)
        forward(app, 1000)
        path = path.replace("sid", session_of(other))
        fields = {"current_password": ALICE["password"], "new_password": "another one"}
        for way in (path, f"/auth/renew?next={path}"):
            answer = press(here, way, **fields)
            # The browser sends the form again: as it is, which the test client does not.
            assert answer.status_code == 307
        assert answer.location == path
        assert press(here, path, **fields).status_code == 303
        assert other.get("/devices", follow_redirects=True).request.path == "/sign-in"

    @pytest.mark.parametrize("path", WRITES)
    def test_it_proves_nothing_for_a_form_that_does_not(self, app: Flask, path: str) -> None:
        client = signed_in(app)
        forward(app, 1000)
        sent = client.post(path.replace("sid", session_of(client)), follow_redirects=True)
        assert sent.status_code == 400
        client.post("/auth/renew", query_string={"next": path}, follow_redirects=True)
        assert len(sessions(app)) == 1

    @pytest.mark.parametrize(
        "next",
        [
            "https://evil.test/password", "//evil.test/sign-out-others", "/devices/../sign-out",
            "/password?x=//evil.test", "/devices/é/sign-out", "/password\n", "/login", "/sign-in",
        ],
    )  # fmt: skip
    def test_it_sends_a_form_nowhere_else(self, app: Flask, next: str) -> None:
        answer = signed_in(app).post("/auth/renew", query_string={"next": next}, data=ALICE)
        assert (answer.status_code, answer.location) == (303, "/devices")

    def test_another_site_cannot_send_one_through_it(self, app: Flask) -> None:
        answer = signed_in(app).post("/auth/renew", headers={"Origin": "https://evil.test"})
        assert answer.status_code == 403

    def test_a_button_on_a_page_from_before_another_sign_in(self, app: Flask) -> None:
        client = signed_in(app)
        before = client.get_cookie("csrf_token").value
        client.post("/sign-in", data=BOB)
        answer = client.post("/password", data={"csrf_token": before})
        assert answer.status_code == 400
        assert "This page is out of date" in text(answer)
        assert 'href="/password"' in answer.text

    def test_signing_out_needs_no_renewing(self, app: Flask) -> None:
        client = signed_in(app)
        forward(app, 1000)
        assert press(client, "/sign-out").location == "/sign-in"
        assert sessions(app) == []

    def test_it_cannot_be_renewed_for_ever(self, app: Flask) -> None:
        client = signed_in(app)
        forward(app, 40 * 24 * 60 * 60)
        page = client.get("/devices", follow_redirects=True)
        assert page.request.path == "/sign-in"
        assert "You were away for long." in text(page)

    def test_a_browser_that_was_signed_out_meanwhile(self, app: Flask) -> None:
        here, other = signed_in(app), signed_in(app)
        press(here, "/devices/sign-out-others")
        forward(app, 1000)
        page = other.get("/password", follow_redirects=True)
        assert (page.request.path, page.request.args["next"]) == ("/sign-in", "/password")
        assert "You have been signed out" in text(page)

    def test_a_token_that_was_used_from_elsewhere(self, app: Flask) -> None:
        client = signed_in(app)
        stolen = client.get_cookie("refresh_token", path="/auth").value
        client.get("/auth/renew")
        forward(app, 60)
        client.set_cookie("refresh_token", stolen, path="/auth")
        page = client.get("/auth/renew", follow_redirects=True)
        assert "used from somewhere else" in text(page)
        assert sessions(app) == []


class TestThePassword:
    def change(self, client: FlaskClient, current: str, new: str) -> TestResponse:
        return press(client, "/password", current_password=current, new_password=new)

    def test_changing_it(self, app: Flask) -> None:
        here, other = signed_in(app), signed_in(app)
        old = here.get_cookie("access_token").value
        assert self.change(here, ALICE["password"], "another one").location == "/devices"
        assert "Your password is changed" in text(here.get("/devices"))
        assert other.get("/devices").location == "/sign-in"
        stolen = app.test_client().get("/me", headers={"Authorization": f"Bearer {old}"})
        assert stolen.json["reason"] == "revoked"
        assert app.test_client().post("/sign-in", data=ALICE).status_code == 401
        signed_in(app, ALICE | {"password": "another one"})

    @pytest.mark.parametrize(
        ("current", "new", "said"),
        [
            ("a wrong one", "another one", "The current password is wrong."),
            ("", "another one", "The current password is missing."),
            (ALICE["password"], "short", "The new password must be at least 8 characters long."),
        ],
    )
    def test_what_cannot_be(self, app: Flask, current: str, new: str, said: str) -> None:
        here, other = signed_in(app), signed_in(app)
        answer = self.change(here, current, new)
        assert answer.status_code == 400
        assert said in text(answer)
        assert other.get("/devices").status_code == 200
        signed_in(app)

    def test_a_session_that_ends_meanwhile_takes_the_others_along(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here, other = signed_in(app), signed_in(app)
        change = Users.change_password

        def end_first(users: Users, name: str, password: str) -> None:
            app.extensions["jwt_revoke"].logout_session(name, session_of(here))
            change(users, name, password)

        monkeypatch.setattr(Users, "change_password", end_first)
        answer = self.change(here, ALICE["password"], "another one")
        assert answer.location == "/sign-in?next=/password"
        assert other.get("/devices").location == "/sign-in"
        assert sessions(app) == []

    def test_an_outage_between_says_what_was_done(
        self, example: MakeApp, server: Server, own_folder: Path
    ) -> None:
        app = example(server.url, own_folder, RATELIMIT_STORAGE_URI="memory://")
        client = signed_in(app)
        with server.client() as store:
            store.config_set("maxmemory", 1)
            try:
                answer = self.change(client, ALICE["password"], "another one")
            finally:
                store.config_set("maxmemory", 0)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "Your password is changed, but" in text(answer)
        signed_in(app, ALICE | {"password": "another one"})


class TestLimits:
    def test_too_many_attempts(self, app: Flask, client: FlaskClient) -> None:
        for path in ("/sign-in", "/login"):
            for _ in range(10):
                wrong = ALICE | {"password": "wrong"}
                sent = {"json": wrong} if path == "/login" else {"data": wrong}
                assert client.post(path, **sent).status_code == 401
        answer = client.post("/sign-in", data=ALICE | {"username": " ALICE"})
        assert (answer.status_code, client.post("/login", json=ALICE).status_code) == (429, 429)
        assert "Too many requests" in text(answer)
        assert 1 <= int(answer.headers["Retry-After"]) <= 61
        signed_in(app, BOB)

    def test_of_guessing_the_password_in_a_session(self, example: MakeApp, server: Server) -> None:
        client = signed_in(example(server.url, LOGIN_LIMIT_PER_USER="3 per hour"))
        guesses = [press(client, "/password", current_password="no", new_password="x" * 8)
                   for _ in range(3)]  # fmt: skip
        assert [one.status_code for one in guesses] == [400, 400, 429]

    def test_of_registering_and_not_of_looking(self, example: MakeApp, server: Server) -> None:
        client = example(server.url, LOGIN_LIMIT_PER_ADDRESS="2 per hour").test_client()
        for path in ("/sign-in", "/register") * 2:
            assert client.get(path).status_code == 200
        codes = [client.post("/register", data={}).status_code for _ in range(3)]
        assert codes == [400, 400, 429]

    def test_of_the_ready_endpoints(self, example: MakeApp, server: Server) -> None:
        client = signed_in(example(server.url))
        codes = [client.get("/auth/sessions").status_code for _ in range(61)]
        assert (set(codes[:60]), codes[60]) == ({200}, 429)


class TestOutages:
    def test_they_are_a_page(self, example: MakeApp, server: Server) -> None:
        client = signed_in(example(server.url, JWT_REVOKE_TIMEOUT=0.3))
        server.pause()
        try:
            answers = [
                client.get("/devices"),
                client.get("/auth/renew"),
                press(client, "/devices/sign-out-everywhere"),
                client.post("/sign-in", data=BOB),
            ]
        finally:
            server.resume()
        for answer in answers:
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert "at the moment" in text(answer)
        answer = after_the_pause(lambda: client.get("/devices", follow_redirects=True))
        assert answer.status_code == 200


class TestEveryAnswer:
    def test_a_page_allows_nothing_but_itself(self, app: Flask) -> None:
        client = signed_in(app)
        for path in ("/devices", "/password", "/sign-in", "/register", "/nowhere", "/me"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"

    def test_the_cookies_are_kept_from_scripts_and_from_plain_http(self, app: Flask) -> None:
        client = app.test_client()
        cookies = client.post("/sign-in", data=ALICE).headers.getlist("Set-Cookie")
        press(client, "/devices/sign-out-others")
        cookies += client.post("/sign-out", data={}).headers.getlist("Set-Cookie")
        for cookie in cookies:
            assert "SameSite=Lax" in cookie
            assert "Secure" in cookie
            assert "HttpOnly" in cookie or cookie.startswith("csrf_token")

    def test_what_is_not_there_is_told_as_the_asker_reads_it(self, client: FlaskClient) -> None:
        browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
        for path, status in (("/nowhere", 404), ("/sign-out", 405)):
            page = client.get(path, headers=browser)
            assert (page.status_code, page.mimetype) == (status, "text/html")
            assert client.get(path).json["error"]

    def test_a_form_that_is_too_long(self, client: FlaskClient) -> None:
        answer = client.post("/sign-in", data=ALICE | {"username": "x" * 20_000})
        assert (answer.status_code, answer.mimetype) == (413, "text/html")

    def test_a_page_that_breaks(self, client: FlaskClient, own_folder: Path) -> None:
        (own_folder / "users.sqlite3").unlink()
        answer = client.post("/sign-in", data=ALICE)
        assert (answer.status_code, answer.mimetype) == (500, "text/html")


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("2026-03-05T12:00:30", "just now"),  # a clock that is ahead
        ("2026-03-05T11:59:01", "just now"),
        ("2026-03-05T11:59:00", "1 minute ago"),
        ("2026-03-05T11:00:01", "59 minutes ago"),
        ("2026-03-05T11:00:00", "1 hour ago"),
        ("2026-03-04T12:00:01", "23 hours ago"),
        ("2026-03-04T12:00:00", "yesterday"),
        ("2026-03-04T00:00:00", "yesterday"),
        ("2026-03-03T23:59:59", "on 3 March 2026"),
        ("2025-12-31T10:00:00", "on 31 December 2025"),
    ],
)
def test_a_time_in_words(then: str, said: str) -> None:
    now = datetime(2026, 3, 5, 12, tzinfo=timezone.utc)
    assert since(datetime.fromisoformat(f"{then}+00:00"), now) == said
