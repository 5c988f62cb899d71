from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from flask_jwt_revoke import Authority, Event, TokenRefused, signals

Heard = list[tuple[str, object, Event]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What was sent while the test ran: signal, sender and event."""
    found: Heard = []
    connected = []
    for signal in (
        signals.token_issued, signals.token_refused, signals.token_revoked,
        signals.token_rotated, signals.reuse_detected, signals.subject_blocked,
        signals.subject_unblocked,
        signals.logged_out, signals.logged_out_everywhere, signals.outage,
    ):  # fmt: skip

        def receive(sender: object, event: Event, name: str = signal.name) -> None:
            found.append((name, sender, event))

        connected.append((signal, receive))
        signal.connect(receive)
    yield found
    for signal, receive in connected:
        signal.disconnect(receive)


def test_each_verb_tells_what_it_did(make_app: Callable[..., Flask], heard: Heard) -> None:
    app = make_app()
    with app.app_context():
        pair = app.revoke.issue("alice")
        access = app.revoke.check(pair.access)
        app.revoke.record({"sub": "bob", "jti": "J1", "exp": time.time() + 60})
        app.revoke.revoke(pair.access, reason="stolen")
        with pytest.raises(TokenRefused):
            app.revoke.check(pair.access)
        app.revoke.logout(pair.refresh)
        app.revoke.issue("alice")
        app.revoke.logout_everywhere("alice", reason="password_changed")
    told = [(name, event.reason, event.subject, event.count) for name, _, event in heard]
    assert told == [
        ("token-issued", "issue", "alice", 2),
        ("token-issued", "record", "bob", 1),
        ("token-revoked", "stolen", "alice", 1),
        ("token-refused", "revoked", None, 1),
        ("logged-out", "logout", "alice", 1),
        ("token-issued", "issue", "alice", 2),
        ("logged-out-everywhere", "password_changed", "alice", 2),
    ]
    assert all(sender is app for _, sender, _ in heard)
    revoked, ended = heard[2][2], heard[4][2]
    assert (revoked.token_id, revoked.token_type) == (access.id, "access")
    assert ended.session_id == pair.session_id
    assert revoked.at == pytest.approx(time.time(), abs=60)


def test_reuse_tells_who_where_and_when(make_app: Callable[..., Flask], heard: Heard) -> None:
    app = make_app(refresh_grace=0)
    with app.app_context():
        first = app.revoke.issue("alice", device="Pixel 8")
        app.revoke.rotate(app.revoke.rotate(first.refresh).refresh)
        with pytest.raises(TokenRefused):
            app.revoke.rotate(first.refresh)
    names = [name for name, _, _ in heard]
    assert names == [
        "token-issued", "token-rotated", "token-rotated", "reuse-detected", "token-refused"
    ]  # fmt: skip
    assert [event.generation for _, _, event in heard[1:3]] == [1, 2]
    reuse = heard[3][2]
    assert (reuse.subject, reuse.device, reuse.generation) == ("alice", "Pixel 8", 2)
    assert reuse.session_id == first.session_id


def test_displaced_and_blocked(make_app: Callable[..., Flask], heard: Heard) -> None:
    app = make_app()
    with app.app_context():
        for _ in range(2):
            app.revoke.issue("alice", device_id="D1")
        app.revoke.block("alice", reason="fraud")
    assert [(name, event.reason) for name, _, event in heard] == [
        ("token-issued", "issue"),
        ("token-issued", "issue"),
        ("logged-out", "displaced"),
        ("subject-blocked", "fraud"),
    ]


def test_without_flask_the_authority_is_the_sender(
    make_authority: Callable[..., Authority], heard: Heard
) -> None:
    authority = make_authority("memory://")
    authority.issue("alice")
    assert heard[0][1] is authority


def test_a_request_without_a_token_is_no_refused_token(
    make_app: Callable[..., Flask], heard: Heard
) -> None:
    app = make_app(require_everywhere=True)
    app.add_url_rule("/", "view", lambda: "in")
    assert app.test_client().get("/").status_code == 401
    assert heard == []


@pytest.mark.parametrize("path", ["/me", "/auth/refresh"])
def test_a_refused_cookie_is_told_as_a_refused_header_is(
    make_app: Callable[..., Flask], heard: Heard, path: str
) -> None:
    app = make_app(token_location=["headers", "cookies"])
    app.register_blueprint(app.revoke.blueprint())
    app.add_url_rule("/me", "me", app.revoke.required(lambda: "in"), methods=["POST"])
    with app.app_context():
        pair = app.revoke.issue("alice")
    heard.clear()
    client = app.test_client(use_cookies=False)
    for access, refresh in [(pair.access, pair.refresh), ("a.b.c", "a.b.c")]:
        cookies = {"Cookie": f"access_token={access}; refresh_token={refresh}"}
        assert client.post(path, headers=cookies).status_code == 401
    told = [(name, sender, event.reason) for name, sender, event in heard]
    assert told == [("token-refused", app, "csrf"), ("token-refused", app, "malformed")]


def test_each_verb_of_the_extension_tells_its_actor(
    make_app: Callable[..., Flask], heard: Heard
) -> None:
    app = make_app()
    with app.app_context():
        revoke, by = app.revoke, {"actor": "admin"}
        pairs = [revoke.issue("alice", device_id=str(number)) for number in range(6)]
        heard.clear()
        revoke.revoke(pairs[0].access, **by)
        revoke.logout(pairs[0].access, **by)
        assert revoke.logout_session("alice", pairs[1].session_id, **by)
        assert revoke.end_listed("alice", pairs[2].session_id, **by)
        assert revoke.logout_device("alice", "3", **by) == 1
        assert revoke.logout_others("alice", keep=pairs[5].session_id, **by) == 1
        revoke.logout_everywhere("alice", keep=pairs[5].session_id, **by)
        assert revoke.logout_everywhere("alice", **by) == 2
        revoke.block("alice", **by)
        assert revoke.unblock("alice", **by) is True
        assert revoke.unblock("alice", **by) is False
    assert [event.actor for _, _, event in heard] == ["admin"] * 10
    assert heard[-1][0] == "subject-unblocked"
