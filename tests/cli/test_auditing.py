"""``flask jwt audit``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from ..conftest import store_of
from .conftest import Console

Make = Callable[..., Console]


def reasons(found: list[dict[str, object]]) -> list[object]:
    return [one["reason"] for one in found]


def test_who_ended_what_and_why(make_console: Make, url: str) -> None:
    console = make_console(url, audit_length=10)
    pair = console.authority.issue("alice", device="Pixel 8", device_id="D1")
    console("revoke", pair.access, "--reason", "stolen", "--actor", "bob")
    console("logout", "alice", "--session", pair.session_id, "--actor", "bob")
    console.authority.issue("alice")
    console("logout", "alice", "--actor", "bob")
    everywhere, session, token = console.json("audit", "alice")
    empty = dict.fromkeys(
        ("jti", "sid", "type", "kept", "device", "device_id", "count", "address", "agent")
    )
    shared = {"subject": "alice", "actor": "bob", "reason": "operator"}
    sid = {"sid": pair.session_id}
    jti = console.authority.tokens.verify(pair.access, 0).id
    assert token == empty | shared | sid | {
        "at": token["at"], "event": "token-revoked", "reason": "stolen", "jti": jti,
        "type": "access",
    }  # fmt: skip
    assert session == empty | shared | sid | {
        "at": session["at"], "event": "logged-out", "device": "Pixel 8", "device_id": "D1",
    }  # fmt: skip
    assert everywhere == empty | shared | {
        "at": everywhere["at"], "event": "logged-out-everywhere", "count": 2,
    }  # fmt: skip
    assert time.time() - 60 < token["at"] <= session["at"] <= everywhere["at"] < time.time() + 60
    lines = console("audit", "alice").stdout.splitlines()
    assert [f"access token {jti}" in lines[-2], "2 tokens" in lines[1]] == [True, True]
    assert lines[-1] == "alice: 3 revocations."


def test_of_all_subjects_newest_first(make_console: Make, url: str) -> None:
    console = make_console(url, audit_length=10)
    for number in range(6):
        console.authority.block(f"s{number % 3}", reason=f"r{number}")
        time.sleep(0.002)
    found = console.json("audit")
    assert reasons(found) == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert [one["subject"] for one in found[:3]] == ["s2", "s1", "s0"]
    assert console.json("audit", "--count", "2") == found[:2]
    assert reasons(console.json("audit", "s1", "--count", "1")) == ["r4"]
    assert console("audit").stdout.endswith("All subjects: 6 revocations.\n")


def test_since(make_console: Make) -> None:
    console = make_console(audit_length=10)
    console.authority.block("alice", reason="first")
    time.sleep(0.05)
    between = datetime.now(timezone.utc) - timedelta(seconds=0.02)
    console.authority.block("alice", reason="second")
    for subject in ((), ("alice",)):
        assert reasons(console.json("audit", *subject, "--since", "15m")) == ["second", "first"]
        assert reasons(console.json("audit", *subject, "--since", between.isoformat())) == [
            "second"
        ]
        naive = between.replace(tzinfo=None).isoformat()
        assert reasons(console.json("audit", *subject, "--since", naive)) == ["second"]
        assert console.json("audit", *subject, "--since", "2999-01-01T00:00Z", exit_code=1) == []


def test_nothing_is_1_and_says_where_nothing_is_kept(make_console: Make) -> None:
    console = make_console()
    console.authority.block("alice")
    for words in (("audit",), ("audit", "alice")):
        result = console(*words)
        assert (result.exit_code, "JWT_REVOKE_AUDIT_LENGTH is not set" in result.stderr) == (
            1,
            True,
        )
    kept = make_console(audit_length=1)("audit", "alice")
    assert (kept.exit_code, "AUDIT_LENGTH" in kept.stderr) == (1, False)


@pytest.mark.parametrize("written", [{"event": "x"}, {b"\xff": b"\xff"}, {"count": "many"}])
def test_what_somebody_else_wrote_hides_nothing(
    make_console: Make, written: dict[str, str]
) -> None:
    console = make_console(audit_length=10)
    console.authority.block("alice", reason="ours")
    client = store_of(console.authority)
    client.xadd("jwtrevoke:audit", written)
    client.xadd(
        "jwtrevoke:audit",
        {"event": "e", "reason": "newer", "subject": "alice", "at": "1", "x": "1"},
    )
    for subject in ((), ("alice",)):
        assert reasons(console.json("audit", *subject)) == ["newer", "ours"]


def test_a_trail_that_cannot_be_read_is_said_to_be_one(make_console: Make) -> None:
    console = make_console(audit_length=10)
    store_of(console.authority).set("jwtrevoke:audit", "somebody else's")
    result = console("audit", "alice")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "broken_data: the trail cannot be read" in result.stderr.splitlines()[-1]


def test_a_token_that_its_issuer_told_of_has_no_type(make_console: Make) -> None:
    keys = {"keys": {"1": "k" * 32}, "algorithms": ["HS256"], "audience": "shop"}
    console = make_console(audit_length=10, issuers={"https://id.example": keys})
    console.authority.revoke_outside_token("https://id.example", "J1")
    assert "revoked  token J1" in console("audit").stdout
