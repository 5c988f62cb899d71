"""The example app's pages for operators, by their HTTP answers."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from example_app.pages.operators import chart, overview
from example_app.users import ADMIN, DEMO, Users
from flask_jwt_revoke import Authority, RevokedToken, SubjectBlocked
from flask_jwt_revoke.audit import Entry, glance, newest

from ..servers import Server
from .conftest import MakeApp, after_the_pause
from .test_pages import ALICE, BOB, forward, press, session_of, sessions, signed_in, text

OLGA = {"username": "olga", "password": DEMO["olga"]}
PAGES = ["/operators", "/operators/subject", "/operators/token", "/operators/doctor"]
HOSTILE = "<script>alert('1')</script>\"\u202egnihton/%2f\n"


@pytest.fixture
def app(example: MakeApp, server: Server, own_folder: Path) -> Flask:
    return example(server.url, own_folder)


@pytest.fixture
def olga(app: Flask) -> FlaskClient:
    return signed_in(app, OLGA)


@pytest.fixture
def accounts(own_folder: Path) -> Users:
    return Users(own_folder / "users.sqlite3")


def authority_of(app: Flask) -> Authority:
    return app.extensions["jwt_revoke"]


def act(client: FlaskClient, subject: str, action: str, **fields: str) -> TestResponse:
    path = f"/operators/subject?{urlencode({'subject': subject})}"
    return press(client, path, **{"action": action, "reason": "stolen"} | fields)


def show(client: FlaskClient, subject: str = "alice") -> TestResponse:
    return client.get("/operators/subject", query_string={"subject": subject})


def trail(app: Flask) -> list[Entry]:
    return list(newest(authority_of(app).store))


class TestWhoMaySeeThem:
    def test_an_operator_alone(self, app: Flask, olga: FlaskClient) -> None:
        assert 'href="/operators"' in olga.get("/devices").text
        alice = signed_in(app)
        assert "/operators" not in alice.get("/devices").text
        for page in PAGES:
            assert olga.get(page).status_code == 200
            answer = alice.get(page)
            assert answer.status_code == 403
            assert "This page is for operators." in text(answer)
            assert "/operators" not in answer.text
            assert app.test_client().get(page).location == f"/sign-in?next={page}"

    def test_whoever_may_not_changes_nothing(self, app: Flask) -> None:
        bob, alice = signed_in(app, BOB), signed_in(app)
        token = alice.get_cookie("access_token").value
        for action in ("session", "device", "others", "everywhere", "block"):
            assert act(bob, "alice", action, session=session_of(alice)).status_code == 403
        answer = press(bob, "/operators/token", token=token, action="revoke", reason="x")
        assert answer.status_code == 403
        assert alice.get("/devices").status_code == 200

    def test_the_claim_does_not_outlive_a_demotion(
        self, olga: FlaskClient, accounts: Users
    ) -> None:
        accounts.change_role("olga", None)
        assert olga.get("/operators").status_code == 403
        assert "/operators" not in olga.get("/devices").text

    def test_a_promotion_begins_at_the_next_sign_in(self, app: Flask, accounts: Users) -> None:
        before = signed_in(app)
        accounts.change_role("alice", ADMIN)
        assert before.get("/operators").status_code == 403
        assert signed_in(app).get("/operators").status_code == 200

    def test_a_token_of_the_api(self, app: Flask) -> None:
        token = app.test_client().post("/login", json=OLGA).json["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert app.test_client().get("/operators", headers=headers).status_code == 200

    def test_it_outlives_a_change_of_the_password(self, app: Flask, olga: FlaskClient) -> None:
        fields = {"current_password": OLGA["password"], "new_password": "another one"}
        assert press(olga, "/password", **fields).location == "/devices"
        assert olga.get("/operators").status_code == 200

    def test_another_sites_form_does_nothing(self, app: Flask, olga: FlaskClient) -> None:
        alice = signed_in(app)
        asked = {"reason": "x", "token": alice.get_cookie("access_token").value}
        for action, path in (
            ("everywhere", "subject?subject=alice"), ("why", "token"), ("revoke", "token"),
        ):  # fmt: skip
            sent = olga.post(f"/operators/{path}", data=asked | {"action": action})
            assert (sent.status_code, sent.mimetype) == (400, "text/html")
        assert alice.get("/devices").status_code == 200


class TestAnOldDatabase:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "old.sqlite3"
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE user (name TEXT PRIMARY KEY, password_hash TEXT)")
            database.execute("INSERT INTO user VALUES ('alice', 'hash')")
        database.close()
        return path

    def test_it_gets_roles_and_the_demo_operator(self, path: Path) -> None:
        for _ in range(2):
            found = Users(path)
            found.seed(DEMO)
        assert (found.role("alice"), found.role("olga"), found.role("bob")) == (None, ADMIN, None)
        assert found.authenticated("olga", DEMO["olga"])
        assert not found.authenticated("bob", DEMO["bob"])

    def test_whoever_has_the_name_is_not_promoted(self, path: Path) -> None:
        found = Users(path)
        assert found.add("olga", "her own password")
        found.seed(DEMO)
        assert found.role("olga") is None
        assert found.authenticated("olga", "her own password")

    def test_nobody_is_added_beside_an_operator(self, path: Path) -> None:
        found = Users(path)
        found.change_role("alice", ADMIN)
        found.seed(DEMO)
        assert found.role("olga") is None


class TestTheLastHour:
    def counts(self, page: TestResponse) -> list[tuple[int, int]]:
        """Of the table beside the picture: sign-ins and revocations by five minutes."""
        rows = re.findall(r"</time></th><td>(\d+)</td><td>(\d+)</td>", page.text)
        assert len(rows) == chart.COLUMNS
        return [(int(began), int(revoked)) for began, revoked in rows]

    @pytest.fixture
    def no_hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A busy machine may see less of it in a moment."""
        monkeypatch.setattr(overview, "PATIENCE", 20)

    @pytest.mark.usefixtures("no_hurry")
    def test_what_is_live_and_what_was_revoked(self, app: Flask, olga: FlaskClient) -> None:
        one, _ = signed_in(app), signed_in(app, BOB)
        act(olga, "alice", "session", session=session_of(one))
        act(olga, "bob", "block")
        act(olga, "bob", "unblock")
        page = olga.get("/operators")
        for tile in ("2 Live sessions", "2 Subjects signed in", "0 Blocked subjects"):
            assert tile in text(page)
        counts = self.counts(page)
        assert [sum(column) for column in zip(*counts, strict=True)] == [2, 2]
        assert counts[-1] != (0, 0) or counts[-2] != (0, 0)
        assert "Revoked: 2" in text(page)
        assert "logged out stolen" in text(page)
        assert "at least" not in text(page)

    def test_what_was_before_is_not_in_it(self, app: Flask, olga: FlaskClient) -> None:
        forward(app, 2 * 60 * 60)
        olga.get("/auth/renew")
        page = olga.get("/operators")
        assert sum(map(sum, self.counts(page))) == 0
        assert "1 Live sessions" in text(page)
        assert "None in the last hour." in text(page)

    def test_a_trail_that_begins_in_another_age(
        self, app: Flask, olga: FlaskClient, server: Server
    ) -> None:
        """Somebody wrote it with an id of his own, and those of all later entries follow it."""
        with server.client() as store:
            entry = {"subject": "bob", "event": "logged-out", "reason": "x"}
            store.xadd("jwtrevoke:audit", entry, id=f"{2**64 - 2}-0")
        act(olga, "bob", "block")
        assert "subject blocked stolen" in text(olga.get("/operators"))
        assert "subject blocked stolen" in text(show(olga, "bob"))

    def test_a_large_store_holds_no_worker(
        self, app: Flask, olga: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(overview, "PATIENCE", 0)
        page = olga.get("/operators")
        assert "at least 0 Live sessions" in text(page)
        assert "these are the least numbers" in text(page)

    @pytest.mark.usefixtures("no_hurry")
    def test_nor_does_a_long_trail(
        self, app: Flask, olga: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(overview, "MOST", 2)
        for number, said in ((2, False), (3, True)):
            while len(trail(app)) < number:
                authority_of(app).logout_session("alice", f"sid-{len(trail(app))}")
            page = olga.get("/operators")
            assert ("these are the least numbers" in text(page)) is said
            assert sum(revoked for _, revoked in self.counts(page)) == 2

    @pytest.mark.parametrize("url", ["cluster", "memory"], indirect=True)
    def test_where_the_trail_is_kept_in_another_way(self, example: MakeApp, url: str) -> None:
        app = example(url)
        olga, alice = signed_in(app, OLGA), signed_in(app)
        before = time.monotonic()
        assert act(olga, "alice", "session", session=session_of(alice)).status_code == 303
        assert "1 Live sessions" in text(olga.get("/operators"))
        assert "stolen" in text(show(olga))
        assert olga.get("/operators/doctor").status_code == 200
        assert time.monotonic() - before < 20
        # A cluster has 16,384 streams.
        whole = glance(authority_of(app).store, most=100, patience=0.05)[1]
        assert whole is (url == "memory://")

    @pytest.mark.parametrize(
        ("highest", "most", "shown"),
        [
            (0, 2, "0 1 2"),
            (2, 2, "0 1 2"),
            (3, 4, "0 2 4"),
            (5, 10, "0 5 10"),
            (11, 20, "0 10 20"),
            (401, 1000, "0 500 1k"),
            (3 * 10**6, 4 * 10**6, "0 2M 4M"),
        ],
    )
    def test_the_scale_ends_at_a_round_number(self, highest: int, most: int, shown: str) -> None:
        now = time.time()
        drawn = chart.drawn(now, {int(now) // 60: highest}, [])
        assert drawn.most == most
        assert " ".join(value for _, value in drawn.ticks) == shown
        assert max(bar.height for bar in drawn.began) == pytest.approx(
            (chart.BOTTOM - chart.TOP) * highest / most, abs=0.1
        )

    def test_what_is_little_beside_much_can_be_seen(self) -> None:
        now = time.time()
        drawn = chart.drawn(now, {int(now) // 60: 1, int(now) // 60 - 30: 9000}, [])
        assert sorted(bar.height for bar in drawn.began if bar.height)[0] == 2


class TestASubject:
    def test_a_session(self, app: Flask, olga: FlaskClient) -> None:
        one, other = signed_in(app), signed_in(app)
        answer = act(olga, "alice", "session", session=session_of(one))
        assert (answer.status_code, answer.location) == (303, "/operators/subject?subject=alice")
        page = show(olga)
        assert "Ended the session of alice." in text(page)
        assert one.get("/devices").location == "/sign-in"
        assert sessions(app) == [session_of(other)]
        (entry,) = trail(app)
        assert (entry.actor, entry.reason, entry.subject) == ("olga", "stolen", "alice")
        assert re.search("logged out stolen .*olga", text(page))

    def test_a_device(self, app: Flask, olga: FlaskClient) -> None:
        one, other = signed_in(app), signed_in(app)
        act(olga, "alice", "device", session=session_of(one))
        assert sessions(app) == [session_of(other)]
        assert [entry.actor for entry in trail(app)] == ["olga"]

    def test_one_of_no_device(self, app: Flask, olga: FlaskClient) -> None:
        sid = authority_of(app).issue("alice").session_id
        answer = act(olga, "alice", "device", session=sid)
        assert answer.status_code == 400
        assert "no device that is known" in text(answer)
        assert sessions(app) == [sid]

    def test_the_others(self, app: Flask, olga: FlaskClient) -> None:
        kept, *_ = (signed_in(app) for _ in range(3))
        act(olga, "alice", "others", session=session_of(kept))
        assert "Ended 2 sessions of alice, all but the chosen one." in text(show(olga))
        assert sessions(app) == [session_of(kept)]
        assert {entry.actor for entry in trail(app)} == {"olga"}

    def test_everywhere(self, app: Flask, olga: FlaskClient) -> None:
        one = signed_in(app)
        act(olga, "alice", "everywhere")
        assert "Signed alice out everywhere: 2 live tokens." in text(show(olga))
        assert one.get("/devices").location == "/sign-in"
        assert [(entry.actor, entry.count) for entry in trail(app)] == [("olga", 2)]

    def test_block_and_unblock(self, app: Flask, olga: FlaskClient) -> None:
        one = signed_in(app)
        act(olga, "alice", "block")
        page = show(olga)
        assert "Blocked: each token and each sign-in is refused." in text(page)
        assert 'value="block"' not in page.text
        assert one.get("/devices").location == "/sign-in"
        with pytest.raises(SubjectBlocked):
            authority_of(app).issue("alice")
        act(olga, "alice", "unblock")
        assert "Unblocked alice." in text(show(olga))
        signed_in(app)
        assert [(entry.event, entry.actor) for entry in trail(app)] == [
            ("subject-unblocked", "olga"), ("subject-blocked", "olga"),
        ]  # fmt: skip

    def test_not_oneself(self, app: Flask, olga: FlaskClient) -> None:
        answer = act(olga, "olga", "block")
        assert answer.status_code == 400
        assert "You cannot block yourself." in text(answer)
        assert olga.get("/operators").status_code == 200

    def test_what_cannot_be_changes_nothing(self, app: Flask, olga: FlaskClient) -> None:
        one = signed_in(app)
        for action, fields, status, said in (
            ("", {}, 400, "Choose what to do."),
            ("purge", {}, 400, "Choose what to do."),
            ("session", {}, 400, "Choose the session that is meant."),
            ("others", {"session": ""}, 400, "Choose the session that is meant."),
            ("others", {"session": "gone"}, 404, "no such session of this subject any more"),
            ("device", {"session": "gone"}, 404, "no such session of this subject any more"),
            ("session", {"session": "{bob}:sessions"}, 404, "no such session of this subject"),
            ("session", {"session": "x" * 300}, 404, "no such session of this subject"),
            ("unblock", {}, 404, "alice is not blocked."),
            ("everywhere", {"reason": ""}, 400, "The reason must be 1 to 64 letters"),
            ("everywhere", {"reason": "two words"}, 400, "The reason must be 1 to 64 letters"),
            ("block", {"reason": "x@1"}, 400, "The reason must be 1 to 64 letters"),
            ("block", {"reason": "x" * 65}, 400, "The reason is longer than 64 characters."),
        ):
            answer = act(olga, "alice", action, **fields)
            assert (answer.status_code, answer.mimetype) == (status, "text/html")
            assert said in text(answer)
        assert one.get("/devices").status_code == 200
        assert trail(app) == []

    def test_none_that_can_be(self, olga: FlaskClient) -> None:
        for subject in ("", " ", "x" * 257, "é" * 129):
            assert show(olga, subject).status_code == 400
            assert act(olga, subject, "everywhere").status_code == 400

    def test_text_from_outside_is_no_markup(self, app: Flask, olga: FlaskClient) -> None:
        authority_of(app).issue(HOSTILE, device=HOSTILE.strip(), device_id="<b>")
        sid = authority_of(app).issue(HOSTILE, device=HOSTILE.strip(), agent="<i>").session_id
        pages = [
            show(olga, HOSTILE),
            act(olga, HOSTILE, "session", session=sid, reason="<s>"),
            act(olga, HOSTILE, "session", session=sid),
            show(olga, HOSTILE),
            olga.get("/operators"),
            show(olga, "x" * 250 + HOSTILE),
            press(olga, "/operators/token", token=HOSTILE, action="why"),
            press(olga, "/operators/token", action="why",
                  token=authority_of(app).issue(HOSTILE).access),
        ]  # fmt: skip
        for page in pages:
            assert not re.search(r"<(script|b|i|s)>", page.text), page.text
            assert "\u202e" not in text(page)
        assert "Ended the session of &lt;script&gt;" in pages[3].text
        assert "\\u202e" in pages[4].text
        assert "&lt;script&gt;" in pages[7].text
        assert len(sessions(app, HOSTILE)) == 2


class TestAToken:
    def ask(self, olga: FlaskClient, token: str, action: str = "why") -> TestResponse:
        answer = press(olga, "/operators/token", token=token, action=action, reason="stolen")
        assert not token.strip() or token not in answer.text
        return answer

    def test_a_live_one(self, app: Flask, olga: FlaskClient) -> None:
        token = signed_in(app).get_cookie("access_token").value
        page = text(self.ask(olga, f"\n {token} "))
        for said in ("Live", "The access token", "of alice , session", "signature passed"):
            assert said in page, page

    def test_one_that_is_revoked_here(self, app: Flask, olga: FlaskClient) -> None:
        one = signed_in(app)
        token = one.get_cookie("access_token").value
        answer = self.ask(olga, token, "revoke")
        assert (answer.status_code, answer.location) == (303, "/operators/token")
        assert "Revoked the access token" in text(olga.get("/operators/token"))
        assert one.get("/devices").location == "/sign-in"
        with pytest.raises(RevokedToken):
            authority_of(app).check(token)
        (entry,) = trail(app)
        assert (entry.event, entry.actor, entry.reason) == ("token-revoked", "olga", "stolen")
        page = self.ask(olga, token)
        assert "Refused, revoked" in text(page)
        assert "stolen, just now" in text(page)
        assert "jwtrevoke:{alice}:revoked:" in page.text

    def test_a_refresh_token(self, app: Flask, olga: FlaskClient) -> None:
        one = signed_in(app)
        token = one.get_cookie("refresh_token", path="/auth").value
        assert "Exchanged now: it is answered with a new pair." in text(self.ask(olga, token))
        assert one.get("/auth/renew").location == "/devices"

    def test_an_expired_one(self, app: Flask, olga: FlaskClient) -> None:
        token = signed_in(app).get_cookie("access_token").value
        forward(app, 1000)
        olga.get("/auth/renew")
        assert "Refused, expired" in text(self.ask(olga, token))

    def test_none(self, olga: FlaskClient) -> None:
        for token in ("nonsense", "é.b.c"):
            assert "Refused, malformed" in text(self.ask(olga, token))
            answer = self.ask(olga, token, "revoke")
            assert answer.status_code == 400
            assert "Nothing was changed." in text(answer)
        for action in ("why", "revoke"):
            answer = self.ask(olga, " ", action)
            assert answer.status_code == 400
            assert "The token is missing." in text(answer)


class TestAnOldSignIn:
    @pytest.fixture
    def renewed(self, app: Flask, olga: FlaskClient) -> FlaskClient:
        forward(app, 1000)
        olga.get("/auth/renew")
        return olga

    def test_it_may_look(self, renewed: FlaskClient) -> None:
        for page in PAGES:
            assert renewed.get(page).status_code == 200

    def test_it_may_not_act(self, app: Flask, renewed: FlaskClient) -> None:
        alice = authority_of(app).issue("alice")
        answer = act(renewed, "alice", "everywhere")
        assert answer.location == "/sign-in?next=/operators/subject?subject%3Dalice"
        assert "nothing was changed" in text(renewed.get(answer.location))
        assert len(sessions(app)) == 1
        page = "/operators/subject?subject=alice"
        assert renewed.post("/sign-in", data=OLGA | {"next": page}).location == page
        revoking = {"token": alice.access, "action": "revoke", "reason": "x"}
        forward(app, 2000)
        renewed.get("/auth/renew")
        answer = press(renewed, "/operators/token", **revoking)
        assert answer.location == "/sign-in?next=/operators/token"
        assert trail(app) == [one for one in trail(app) if one.reason == "displaced"]

    def test_an_expired_one_is_renewed_on_the_way(self, app: Flask, olga: FlaskClient) -> None:
        forward(app, 1000)
        page = "/operators/subject?subject=a%2Fb%3Cc"
        answer = olga.get(page, follow_redirects=True)
        assert (answer.status_code, answer.request.full_path) == (200, page)
        forward(app, 2000)
        sent = press(olga, "/operators/token", token="x", action="why")
        assert sent.location == "/auth/renew?next=/operators/token"
        assert press(olga, sent.location).location == "/operators/token"
        forward(app, 3000)
        sent = act(olga, "a/b<c", "everywhere")
        renewed = press(olga, sent.location)
        assert (renewed.status_code, renewed.location) == (307, page)

    def test_nobody_is_led_elsewhere(self, olga: FlaskClient) -> None:
        for next in (
            "/operators/subject?subject=x&a=b", "/operators/subject?subject=x#y",
            "/operators/subject?subject=\r\n", "/operators/subject//evil.test?subject=x",
            "/operators/nowhere", "/operators/token?x", "/operators//evil.test", "/operators\n",
        ):  # fmt: skip
            assert olga.get("/auth/renew", query_string={"next": next}).location == "/devices"


class TestTheDoctor:
    def test_the_report(self, olga: FlaskClient) -> None:
        page = text(olga.get("/operators/doctor"))
        for line in ("OK eviction", "OK write", "OK canary", "UNKNOWN feed_buffer", "OK acl "):
            assert line in page
        assert re.search(r"\d+ FAIL, \d+ WARN, \d+ UNKNOWN, \d+ OK", page)
        assert "Not looked at here, since it takes all keys: shared_database, prefix." in page

    def test_the_worst_comes_first(self, app: Flask, olga: FlaskClient, server: Server) -> None:
        with server.client() as store:
            store.config_set("maxmemory", "1gb")
            store.config_set("maxmemory-policy", "allkeys-lru")
            try:
                page = text(olga.get("/operators/doctor"))
            finally:
                store.config_set("maxmemory", 0)
                store.config_set("maxmemory-policy", "noeviction")
        assert page.index("FAIL eviction") < page.index("OK reachable")


def test_an_outage_is_a_page(app: Flask, olga: FlaskClient, server: Server) -> None:
    server.pause()
    try:
        answers = [olga.get("/operators"), act(olga, "alice", "everywhere")]
    finally:
        server.resume()
    for answer in answers:
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "at the moment" in text(answer)
    assert after_the_pause(lambda: olga.get("/operators")).status_code == 200


def test_nobody_passes_in_an_outage_that_lets_others_pass(
    example: MakeApp, server: Server, own_folder: Path
) -> None:
    app = example(server.url, own_folder, JWT_REVOKE_ON_OUTAGE="allow")
    olga = signed_in(app, OLGA)
    server.pause()
    try:
        assert olga.get("/operators/token").status_code == 503
    finally:
        server.resume()


def test_bob_is_not_alice(app: Flask, olga: FlaskClient) -> None:
    signed_in(app)
    sid = session_of(signed_in(app, BOB))
    assert act(olga, ALICE["username"], "session", session=sid).status_code == 404
    assert sessions(app, "bob") == [sid]
