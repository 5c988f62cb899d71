"""``flask jwt purge`` and ``repair``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from flask_jwt_revoke import Authority, TokenPair, TokenRefused

from ..servers import Server
from .conftest import Console
from .test_why import content

Make = Callable[..., Console]
TOKENS, SESSIONS = "jwtrevoke:{alice}:tokens", "jwtrevoke:{alice}:sessions"


def live(authority: Authority, pair: TokenPair) -> tuple[bool, bool]:
    return is_live(authority, pair.access, "access"), is_live(authority, pair.refresh, "refresh")


def is_live(authority: Authority, token: str, type: str) -> bool:
    try:
        authority.check(token, type=type)
    except TokenRefused:
        return False
    return True


def test_purge_of_one_and_of_all(make_console: Make, url: str) -> None:
    console = make_console(url, access_lifetime=60, refresh_lifetime=600)
    short = console.authority.issue("alice")
    console.clock.now += 100
    console.authority.issue("bob")
    assert console.json("purge", "nobody")["subjects"] == []
    jti = console.authority.tokens.verify(short.access, 0, allow_expired=True).id
    expected = {"subject": "alice", "expired": [jti], "over": []}
    assert console.json("purge", "--dry-run")["subjects"] == [expected]
    assert console.json("purge")["subjects"] == [expected]
    assert console.json("purge")["subjects"] == []
    console.clock.now += 550
    (found,) = console.json("purge", "alice")["subjects"]
    assert (len(found["expired"]), found["over"]) == (1, [short.session_id])
    client = console.authority.store.client
    assert client.exists(TOKENS) == client.exists(SESSIONS) == 0
    assert [one["subject"] for one in console.json("purge")["subjects"]] == ["bob"]


def test_purge_refuses_what_was_idle_for_too_long(server: Server, make_console: Make) -> None:
    console = make_console(server.url, session_idle_timeout=120, access_lifetime=600)
    pair = console.authority.issue("alice")
    console.clock.now += 200
    assert console.json("purge", "alice")["subjects"][0]["over"] == [pair.session_id]
    assert live(console.authority, pair) == (False, False)


@pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
def test_repair_finds_nothing_where_index_and_sessions_agree(
    server: Server, make_console: Make, strategy: str
) -> None:
    console = make_console(server.url, strategy=strategy)
    authority = console.authority
    pair = authority.issue("alice")
    authority.rotate(authority.rotate(pair.refresh).refresh)
    authority.revoke(authority.issue("alice").access)
    authority.revoke(authority.issue("alice").refresh)
    authority.logout(authority.issue("alice").access)
    authority.record({"sub": "alice", "jti": "J1", "sid": "S1", "exp": authority.clock() + 60})
    authority.record({"sub": "alice", "jti": "J2", "exp": authority.clock() + 60})
    with server.client() as client:
        before = content(client)
        assert console.json("repair")["subjects"] == []
        assert content(client) == before


def test_repair_indexes_what_the_index_lost(make_console: Make, url: str) -> None:
    console = make_console(url)
    pair, bystander = console.authority.issue("alice"), console.authority.issue("bob")
    console.authority.store.client.delete(TOKENS)
    (found,) = console.json("repair", "--dry-run")["subjects"]
    assert (found["subject"], len(found["unindexed"])) == ("alice", 2)
    assert console.authority.store.client.exists(TOKENS) == 0
    assert console.json("repair")["subjects"] == [found]
    assert console.json("repair")["subjects"] == []
    assert live(console.authority, pair) == live(console.authority, bystander) == (True, True)
    assert console.authority.logout_everywhere("alice") == 2
    assert live(console.authority, pair) == (False, False)


def test_repair_ends_sessions_whose_tokens_an_allowlist_refuses(
    make_console: Make, url: str
) -> None:
    console = make_console(url, strategy="allowlist")
    pair, kept = console.authority.issue("alice"), console.authority.issue("alice")
    refresh = console.authority.tokens.verify(pair.refresh, 0).id
    access = console.authority.tokens.verify(kept.access, 0).id
    console.authority.store.client.zrem(TOKENS, refresh, access)
    (found,) = console.json("repair", "alice", "--actor", "bob")["subjects"]
    assert (found["ended"], found["pared"], found["unindexed"]) == (
        [pair.session_id], [kept.session_id], [],
    )  # fmt: skip
    assert console.json("repair", "alice")["subjects"] == []
    assert [one.id for one in console.authority.sessions("alice")] == [kept.session_id]
    assert live(console.authority, pair) == (False, False)
    assert live(console.authority, kept) == (False, True)


@pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
@pytest.mark.parametrize(
    "lost", ["tokens", "sessions", "version", "revoked:{sid}", "revoked:{jti}"]
)
def test_no_repair_makes_a_refused_token_live(
    server: Server, make_console: Make, strategy: str, lost: str
) -> None:
    console = make_console(server.url, strategy=strategy)
    authority = console.authority
    pairs = [authority.issue("alice") for _ in range(3)]
    authority.revoke(pairs[1].access)
    authority.logout(pairs[2].access)
    jti = authority.tokens.verify(pairs[1].access, 0).id
    with server.client() as client:
        client.delete(f"jwtrevoke:{{alice}}:{lost.format(sid=pairs[2].session_id, jti=jti)}")
    before = [one for pair in pairs for one in live(authority, pair)]
    assert console("repair").exit_code == 0
    assert console("purge").exit_code == 0
    after = [one for pair in pairs for one in live(authority, pair)]
    assert all(was or not now for was, now in zip(before, after, strict=True))
    assert console.json("repair")["subjects"] == []


def test_repair_takes_a_revoked_session_off_the_list(server: Server, make_console: Make) -> None:
    """As after a restore from an old copy of the sessions."""
    console = make_console(server.url)
    pair = console.authority.issue("alice")
    with server.client() as client:
        client.copy(SESSIONS, "copy")
        console.authority.logout(pair.access, reason="stolen")
        client.rename("copy", SESSIONS)
    told = console("repair", "alice")
    assert told.stdout.endswith("Set right.\n")
    assert console.authority.sessions("alice") == []
    assert console.json("why", pair.access, exit_code=1)["because"].startswith("stolen@")


@pytest.mark.parametrize("kind", ["tokens", "sessions"])
def test_a_key_of_nobody_does_not_hide_the_others(
    server: Server, make_console: Make, kind: str
) -> None:
    console = make_console(server.url)
    console.authority.issue("alice")
    with server.client() as client:
        client.delete("jwtrevoke:{alice}:tokens")
        client.set(f"jwtrevoke:{{{'x' * 300}}}:{kind}", "not ours")
    (found,) = console.json("repair")["subjects"]
    assert found["subject"] == "alice"


@pytest.mark.parametrize("verb", ["purge", "repair"])
def test_a_subject_that_cannot_be_read_does_not_hide_the_others(
    server: Server, make_console: Make, verb: str
) -> None:
    console = make_console(server.url, session_idle_timeout=120)
    for subject in ("alice", "bob", "carol"):
        console.authority.issue(subject)
    client = server.client()
    client.delete("jwtrevoke:{bob}:tokens")
    client.set("jwtrevoke:{bob}:tokens", "not ours")
    for subject in ("alice", "carol"):
        client.delete(f"jwtrevoke:{{{subject}}}:tokens")
    console.clock.now += 200 if verb == "purge" else 0
    result = console(verb, "--json")
    assert result.exit_code == 3
    assert {one["subject"] for one in json.loads(result.stdout)["subjects"]} == {"alice", "carol"}
    assert result.stderr.startswith("Error: broken_data: what is known of bob cannot be read")
    client.close()
