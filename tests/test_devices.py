from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from flask_jwt_revoke.devices import address_of, agent_of

PIXEL = "Mozilla/5.0 (Android 14; Mobile; rv:121.0) Gecko/121.0 Firefox/121.0"


@pytest.mark.parametrize(
    ("setting", "address", "kept"),
    [
        ("full", "203.0.113.77", "203.0.113.77"),
        ("network", "203.0.113.77", "203.0.113.0/24"),
        ("network", "2001:db8:1:2::3", "2001:db8:1::/48"),
        ("network", "unix:", None),
        ("none", "203.0.113.77", None),
        ("full", "", None),
    ],
)
def test_what_is_kept_of_an_address(
    make_app: Callable[..., Flask], setting: str, address: str, kept: str | None
) -> None:
    with make_app().test_request_context(environ_base={"REMOTE_ADDR": address}):
        assert address_of(setting) == kept


def test_browser_and_system_in_short(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    with app.test_request_context(headers={"User-Agent": PIXEL}):
        assert agent_of() == "Firefox Mobile on Android"
    with app.test_request_context(headers={"User-Agent": "curl/8.0"}):
        assert agent_of() == "curl"
    with app.test_request_context(headers={"User-Agent": "\x00" * 10_000}):
        assert agent_of() is None


def test_outside_a_request_nothing_is_kept() -> None:
    assert address_of("full") is None
    assert agent_of() is None


def test_a_sign_in_keeps_what_its_request_tells(make_app: Callable[..., Flask]) -> None:
    app = make_app(session_address="full")
    with app.test_request_context(
        headers={"User-Agent": PIXEL}, environ_base={"REMOTE_ADDR": "203.0.113.77"}
    ):
        app.revoke.issue("alice", device="Pixel 8")
        (session,) = app.revoke.sessions("alice")
    assert (session.address, session.agent) == ("203.0.113.77", "Firefox Mobile on Android")
    assert not session.current
