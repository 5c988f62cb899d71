"""``flask jwt revoke``, ``logout``, ``block`` and ``unblock``."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Callable, Iterator

import jwt
import pytest

from flask_jwt_revoke import Event, TokenRefused, signals

from ..conftest import SECRET
from ..servers import Server
from .conftest import Console
from .test_why import content

Make = Callable[..., Console]


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str, str | None]]]:
    """Signal, reason and actor of what ended or was blocked."""
    found: list[tuple[str, str, str | None]] = []
    connected = []
    for signal in (
        signals.token_revoked, signals.logged_out, signals.logged_out_everywhere,
        signals.subject_blocked, signals.subject_unblocked,
    ):  # fmt: skip

        def receive(sender: object, event: Event, name: str = signal.name) -> None:
            found.append((name, event.reason, event.actor))

        connected.append((signal, receive))
        signal.connect(receive)
    yield found
    for signal, receive in connected:
        signal.disconnect(receive)


def is_live(console: Console, token: str) -> bool:
    try:
        console.authority.check(token)
    except TokenRefused:
        return False
    return True


def test_revoke_ends_one_token(make_console: Make, url: str) -> None:
    console = make_console(url)
    pair, other = console.authority.issue("alice"), console.authority.issue("alice")
    found = console.json("revoke", pair.access, "--reason", "stolen", "--actor", "bob")
    assert found == {
        "subject": "alice", "id": found["id"], "session_id": pair.session_id, "type": "access",
        "expires_at": found["expires_at"], "reason": "stolen", "actor": "bob", "dry_run": False,
    }  # fmt: skip
    assert not is_live(console, pair.access)
    assert is_live(console, other.access)
    assert console.json("why", pair.access, exit_code=1)["because"].startswith("stolen@")
    assert console("revoke", pair.access).exit_code == 0
    assert console("revoke", "-", input=other.access).exit_code == 0
    assert not is_live(console, other.access)


def test_revoke_an_expired_and_a_foreign_token(make_console: Make) -> None:
    console = make_console()
    pair = console.authority.issue("alice")
    console.clock.now += 901
    told = console("revoke", pair.access)
    assert (told.exit_code, "which expires 1 second ago" in told.stdout) == (0, True)
    refused = console("revoke", make_console(secret_key="x" * 32).authority.issue("a").access)
    assert refused.exit_code == 1
    assert "Error: bad_signature: The token's signature does not verify.\n" in refused.stderr


def test_revoke_a_token_that_is_not_valid_yet(make_console: Make) -> None:
    console = make_console()
    now = int(console.clock.now)
    claims = {"sub": "alice", "jti": "J1", "nbf": now + 60, "exp": now + 600}
    token = jwt.encode(claims, SECRET)
    assert console("revoke", token).exit_code == 0
    console.clock.now += 61
    assert console.json("why", token, exit_code=1)["reason"] == "revoked"


def test_what_would_be_accepted_all_the_same_is_not_said_to_be_revoked(
    make_console: Make,
) -> None:
    console = make_console(checked_types=("refresh",))
    pair = console.authority.issue("alice")
    result = console("revoke", pair.access)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "CHECKED_TYPES" in result.stderr
    assert is_live(console, pair.access)
    assert console("revoke", pair.refresh).exit_code == 0
    with pytest.raises(TokenRefused):
        console.authority.rotate(pair.refresh)


def test_logout_everywhere(make_console: Make, url: str) -> None:
    console = make_console(url)
    pairs = [console.authority.issue("alice") for _ in range(2)]
    bystander = console.authority.issue("bob")
    found = console.json("logout", "alice")
    assert {one["id"] for one in found["sessions"]} == {one.session_id for one in pairs}
    assert not any(is_live(console, one.access) for one in pairs)
    assert is_live(console, bystander.access)
    assert console.json("logout", "alice")["sessions"] == []


def test_logout_everywhere_is_complete_without_an_index(server: Server, make_console: Make) -> None:
    console = make_console(server.url)
    pair = console.authority.issue("alice")
    with server.client() as client:
        client.delete("jwtrevoke:{alice}:sessions", "jwtrevoke:{alice}:tokens")
    assert console("logout", "alice").exit_code == 0
    assert not is_live(console, pair.access)


def test_logout_of_some(make_console: Make, url: str) -> None:
    console = make_console(url)
    ids = ("D1", "D2", "D3", "D4")
    one, two, three, four = (console.authority.issue("alice", device_id=id) for id in ids)
    assert len(console.json("logout", "alice", "--session", one.session_id)["sessions"]) == 1
    assert not is_live(console, one.access)
    assert len(console.json("logout", "alice", "--device", "D2")["sessions"]) == 1
    assert not is_live(console, two.access)
    assert is_live(console, three.access)
    found = console.json("logout", "alice", "--others", four.session_id)
    assert [session["id"] for session in found["sessions"]] == [three.session_id]
    assert not is_live(console, three.access)
    assert is_live(console, four.access)


@pytest.mark.parametrize("option", ["--session", "--device", "--others"])
def test_logout_of_what_is_not_there_changes_nothing(
    server: Server, make_console: Make, option: str
) -> None:
    console = make_console(server.url)
    console.authority.issue("alice", device_id="D1")
    with server.client() as client:
        before = content(client)
        for value in ("nope", ""):
            result = console("logout", "alice", option, value)
            assert (result.exit_code, result.stdout) == (1, "")
            assert "nothing was done" in result.stderr
        assert content(client) == before


@pytest.mark.parametrize("verb", ["revoke", "logout", "block"])
def test_a_dry_run_refuses_what_could_not_be_done(make_console: Make, verb: str) -> None:
    console = make_console()
    what = console.authority.issue("alice").access if verb == "revoke" else "alice"
    result = console(verb, what, "--dry-run", "--reason", "two words")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "reason must be 1 to 64 letters" in result.stderr


def test_logout_takes_one_option(make_console: Make) -> None:
    result = make_console()("logout", "alice", "--session", "S1", "--device", "D1")
    assert result.exit_code == 2
    assert result.stderr == "Error: Give one of --session, --device and --others.\n"


def test_block_and_unblock(make_console: Make, url: str) -> None:
    console = make_console(url)
    pair = console.authority.issue("alice")
    assert console("unblock", "alice", "--dry-run").exit_code == 1
    assert console.json("block", "alice", "--reason", "fraud")["reason"] == "fraud"
    assert not is_live(console, pair.access)
    assert console("unblock", "alice", "--dry-run").exit_code == 0
    assert not is_live(console, pair.access)
    assert console.json("unblock", "alice")["subject"] == "alice"
    assert is_live(console, pair.access)
    assert console("unblock", "alice").exit_code == 1


def test_a_dry_run_changes_nothing_and_tells_nobody(
    server: Server, make_console: Make, heard: list[object]
) -> None:
    console = make_console(server.url)
    pair = console.authority.issue("alice", device_id="D1")
    console.authority.issue("alice")
    with server.client() as client:
        before = content(client)
        for words in (
            ("revoke", pair.access), ("logout", "alice"), ("block", "alice"),
            ("logout", "alice", "--session", pair.session_id),
            ("logout", "alice", "--device", "D1"),
            ("logout", "alice", "--others", pair.session_id),
        ):  # fmt: skip
            said = console(*words, "--dry-run")
            assert said.exit_code == 0
            assert "nothing was changed" in said.stdout
            assert console.json(*words, "--dry-run")["dry_run"] is True
        assert content(client) == before
    assert heard == []


def test_the_actor_is_told_and_logged(
    make_console: Make, heard: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask_jwt_revoke")
    console = make_console()
    pair, other = console.authority.issue("alice"), console.authority.issue("alice", device_id="D1")
    by = ("--actor", "support:bob")
    console("revoke", pair.access, *by)
    console("logout", "alice", "--session", pair.session_id, *by)
    console("logout", "alice", "--device", "D1", *by)
    console("logout", "alice", *by)
    console("block", "alice", *by)
    console("unblock", "alice", *by)
    assert heard == [
        ("token-revoked", "operator", "support:bob"),
        ("logged-out", "operator", "support:bob"),
        ("logged-out", "operator", "support:bob"),
        ("logged-out-everywhere", "operator", "support:bob"),
        ("subject-blocked", "operator", "support:bob"),
        ("subject-unblocked", "unblocked", "support:bob"),
    ]
    logged = [record for record in caplog.records if hasattr(record, "actor")]
    assert [record.actor for record in logged] == ["support:bob"] * 6
    assert [record.event for record in logged] == [signal for signal, _, _ in heard]
    assert other.access not in caplog.text


def test_the_actor_is_the_user_by_default(make_console: Make, heard: list[object]) -> None:
    console = make_console()
    assert console.json("block", "alice")["actor"] == getpass.getuser()
    assert heard == [("subject-blocked", "operator", getpass.getuser())]


def test_the_verbs_tell_the_actor_to_whoever_asks_from_python(
    make_console: Make, heard: list[object]
) -> None:
    authority = make_console().authority
    pair = authority.issue("alice")
    authority.issue("alice")
    authority.logout_others("alice", keep=pair.session_id, actor="admin")
    pair = authority.logout_everywhere("alice", keep=pair.session_id, actor="admin")
    authority.logout(pair.access, actor="admin")
    authority.logout({"sub": "alice", "jti": "J", "exp": authority.clock() + 60}, actor="admin")
    authority.logout_session("alice", "S1", actor="admin")
    authority.block("alice")
    assert [actor for _, _, actor in heard] == ["admin"] * 5 + [None]


def test_an_issuer_is_no_subject_of_its_own(make_console: Make) -> None:
    keys = {"keys": {"1": "k" * 32}, "algorithms": ["HS256"], "audience": "shop"}
    console = make_console(issuers={"https://id.example": keys})
    for words in (("block",), ("block", "--dry-run"), ("logout",), ("logout", "--dry-run")):
        result = console(*words, "https://id.example#")
        assert result.exit_code == 2
        assert "names nobody of https://id.example" in result.stderr
    assert console("block", "https://id.example#alice").exit_code == 0
    assert console("block", "https://other.example#").exit_code == 0
