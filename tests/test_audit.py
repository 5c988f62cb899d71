"""The audit trail: each revocation has its entry, or was not done."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from flask_jwt_revoke import Authority, JWTRevokeError, Outage, TokenRefused, audit

from .conftest import Clock, store_of
from .redis_page import administrator
from .servers import Proxy, Server

Make = Callable[..., Authority]
KEY = "jwtrevoke:audit"
NAMES = ("event", "reason", "actor", "sid", "jti", "kept", "count", "address", "agent", "device")


def trail_of(authority: Authority) -> audit.Entries:
    """Alice's, oldest first; the app itself may not read it."""
    url = authority.config.redis_url
    if url == "memory://":
        return list(audit.newest(authority.store, "alice"))[::-1]
    with closing(Authority(replace(authority.config, redis_url=administrator(url)))) as admin:
        return list(audit.newest(admin.store, "alice"))[::-1]


def entries(authority: Authority) -> list[tuple[str, str]]:
    return [(one.event, one.reason) for one in trail_of(authority)]


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Iterator[list[logging.LogRecord]]:
    caplog.set_level(logging.INFO, audit.log.name)
    handler = logging.Handler()
    handler.emit = (found := []).append  # type: ignore[method-assign]
    audit.log.addHandler(handler)
    yield found
    audit.log.removeHandler(handler)


def test_each_verb_that_ends_something_has_its_entries(
    make_authority: Make, url: str, records: list[logging.LogRecord]
) -> None:
    live_through(make_authority, url, "blacklist", records)


@pytest.mark.parametrize("strategy", ["allowlist", "version"])
def test_so_it_has_under_each_strategy(
    make_authority: Make, strategy: str, records: list[logging.LogRecord]
) -> None:
    live_through(make_authority, "memory://", strategy, records)


def live_through(
    make_authority: Make, url: str, strategy: str, records: list[logging.LogRecord]
) -> None:
    clock = Clock(time.time())
    authority = make_authority(
        url, clock=clock, audit_length=100, strategy=strategy, max_sessions=4,
        session_idle_timeout=600, refresh_grace=0, access_lifetime=900,
    )  # fmt: skip
    authority.revoke(authority.issue("alice").access)
    authority.logout(authority.issue("alice").access)
    authority.logout_session("alice", "unknown")
    authority.issue("alice", device_id="D")
    authority.issue("alice", device_id="D")
    authority.logout_device("alice", "D", reason="lost")
    kept, _ = authority.issue("alice"), authority.issue("alice")
    authority.logout_others("alice", keep=kept.session_id)
    authority.rotate(kept.refresh)
    with pytest.raises(TokenRefused):
        authority.rotate(kept.refresh)
    idle = authority.issue("alice")
    clock.now += 700
    with pytest.raises(TokenRefused):
        authority.rotate(idle.refresh)
    authority.issue("alice")
    clock.now += 700
    last = authority.issue("alice")
    authority.logout_everywhere("alice", keep=last.session_id, reason="password")
    authority.logout_everywhere("alice")
    authority.block("alice", reason="fraud")
    with pytest.raises(JWTRevokeError):
        authority.issue("alice")
    authority.unblock("alice")
    authority.unblock("alice")
    found = entries(authority)
    assert found == [
        ("token-revoked", "revoked"),
        ("logged-out", "logout"),
        ("logged-out", "logout"),
        ("logged-out", "displaced"),
        ("logged-out", "lost"),
        # Its token was revoked, but the session itself was still there.
        ("logged-out", "logout_others"),
        ("logged-out", "logout_others"),
        ("reuse-detected", "reused"),
        ("logged-out", "expired"),
        ("logged-out", "idle"),
        ("logged-out-everywhere", "password"),
        ("logged-out-everywhere", "logout_everywhere"),
        ("subject-blocked", "fraud"),
        ("subject-unblocked", "unblocked"),
    ]
    assert [(one.event, one.reason) for one in records] == found


def test_a_session_that_is_too_old_is_told_as_such(make_authority: Make) -> None:
    clock = Clock(time.time())
    authority = make_authority(
        "memory://", clock=clock, audit_length=100, session_lifetime=900, leeway=10
    )
    authority.issue("alice")
    clock.now += 905
    authority.issue("alice")
    assert entries(authority) == [("logged-out", "expired")]


def test_the_record_and_the_entry_say_the_same(
    make_authority: Make, url: str, records: list[logging.LogRecord]
) -> None:
    authority = make_authority(url, audit_length=100)
    pair = authority.issue("alice", device="Pixel\n8", device_id="D")
    authority.revoke(pair.access, actor="bob")
    authority.issue("alice", device_id="D", address="10.0.0.0/24", agent="Firefox")
    kept = authority.issue("alice")
    authority.logout_everywhere("alice", keep=kept.session_id, actor="bob")
    authority.logout_everywhere("alice")
    written = trail_of(authority)
    for entry, record in zip(written, records, strict=True):
        said = json.loads(record.getMessage())
        assert said["subject"] == record.subject == "alice"
        assert said["at"] == record.at == pytest.approx(entry.at, abs=60)
        for name in NAMES:
            assert getattr(entry, name) == getattr(record, name) == said.get(name), name
        assert record.getMessage().isprintable()
    revoked, displaced, but_one, everywhere = written
    assert (revoked.actor, revoked.sid) == ("bob", pair.session_id)
    assert (displaced.device, displaced.sid) == ("Pixel\n8", pair.session_id)
    # Of whoever displaced it.
    assert (displaced.address, displaced.agent) == ("10.0.0.0/24", "Firefox")
    # The revoked token is not among the live ones.
    assert (but_one.count, but_one.kept) == (4, kept.session_id)
    assert everywhere.count == 2


@pytest.mark.parametrize(("strategy", "count"), [("allowlist", 4), ("version", 2)])
def test_the_count_is_what_the_verb_answers(
    make_authority: Make, server: Server, strategy: str, count: int
) -> None:
    authority = make_authority(server.url, audit_length=1, strategy=strategy)
    authority.issue("alice")
    authority.issue("alice")
    assert authority.logout_everywhere("alice") == count
    assert trail_of(authority)[-1].count == count


def test_more_tokens_than_one_transaction_takes_are_one_entry(
    make_authority: Make, server: Server, records: list[logging.LogRecord]
) -> None:
    authority = make_authority(server.url, audit_length=100, timeout=5)
    authority.issue("alice")
    later = time.time() + 900
    store_of(authority).zadd("jwtrevoke:{alice}:tokens", {f"J{n}": later for n in range(2500)})
    assert authority.logout_everywhere("alice") == 2502
    (entry,) = trail_of(authority)
    assert [entry.count] == [one.count for one in records] == [2502]


def test_a_repair_says_who_repaired(make_authority: Make, server: Server) -> None:
    authority = make_authority(server.url, audit_length=10)
    pair = authority.issue("alice")
    with server.client() as client:
        client.copy("jwtrevoke:{alice}:sessions", "copy")
        authority.logout(pair.access)
        client.rename("copy", "jwtrevoke:{alice}:sessions")
    authority.repair("alice", dry_run=True, actor="bob")
    authority.repair("alice", actor="bob")
    _, repaired = trail_of(authority)
    assert (repaired.event, repaired.reason, repaired.sid, repaired.actor) == (
        "logged-out", "repaired", pair.session_id, "bob",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["valkey", "redis", "debian"])
def test_its_length_is_bounded(
    make_authority: Make, servers: Callable[[str], Server], kind: str
) -> None:
    authority = make_authority(servers(kind).url, audit_length=50)
    store_of(authority).flushall()
    for number in range(200):
        authority.block(f"s{number}")
    for _ in range(200):
        authority.block("alice")
        authority.unblock("alice")
    length = store_of(authority).xlen(KEY)
    # Redis drops a whole node of the stream at a time: 100 entries, or 4096 bytes.
    assert 50 <= length <= 150
    assert entries(authority)[-1] == ("subject-unblocked", "unblocked")


def test_without_a_length_nothing_is_kept(make_authority: Make, url: str) -> None:
    authority = make_authority(url)
    authority.logout(authority.issue("alice").access)
    authority.logout_everywhere("alice")
    assert not [key for key in store_of(authority).keys("*") if b":audit" in key]


@pytest.mark.parametrize("verb", ["block", "logout_everywhere"])
def test_a_crash_leaves_both_or_neither(make_authority: Make, server: Server, verb: str) -> None:
    """The wire is cut after each number of bytes of the transaction."""
    wire = Proxy(server)
    try:
        admin = make_authority(administrator(server.url))
        seen = set()
        for after in range(0, 4000, 53):
            admin.store.client.flushall()
            authority = make_authority(wire.url, audit_length=10, breaker_failures=1000)
            authority.issue("alice")
            wire.cut_after = after
            try:
                getattr(authority, verb)("alice")
                acknowledged = True
            except Outage:
                acknowledged = False
            wire.cut_after = None
            client = admin.store.client
            is_done = client.exists("jwtrevoke:{alice}:blocked") or not client.exists(
                "jwtrevoke:{alice}:sessions"
            )
            assert bool(is_done) is (client.xlen(KEY) == 1), after
            assert is_done or not acknowledged
            seen.add(acknowledged)
            authority.close()
            if acknowledged:
                break
        assert seen == {True, False}
    finally:
        wire.close()


@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_a_trail_that_was_spoiled_holds_up_no_revocation(
    make_authority: Make,
    servers: Callable[[str], Any],
    kind: str,
    records: list[logging.LogRecord],
    caplog: pytest.LogCaptureFixture,
) -> None:
    redis = servers(kind)
    authority = make_authority(redis.url, audit_length=100_000, timeout=5)
    with redis.client() as client:
        client.flushall()
        store = authority.store
        client.set(store.audit_keys("alice")[0], "somebody else's")
        first, second = authority.issue("alice"), authority.issue("alice")
        authority.logout(first.access)
        assert authority.logout_everywhere("alice") == 2
        authority.block("alice")
        assert client.exists("jwtrevoke:{alice}:blocked")
        client.flushall()
    events = [one.event for one in records]
    assert events == ["logged-out", "logged-out-everywhere", "subject-blocked"]
    assert caplog.text.count("took no entry: WRONGTYPE") == 3
    with pytest.raises(TokenRefused):
        authority.check(second.access)


def test_an_outage_is_not_logged_as_a_revocation(
    make_authority: Make, records: list[logging.LogRecord]
) -> None:
    authority = make_authority("unix:///nowhere/socket", audit_length=10)
    with pytest.raises(Outage):
        authority.block("alice")
    assert records == []


def test_an_actor_that_is_no_text_is_refused_before_anything_is_written(
    make_authority: Make,
) -> None:
    authority = make_authority("memory://", audit_length=10)
    with pytest.raises(ValueError, match="actor must be a string"):
        authority.block("alice", actor=7)  # type: ignore[arg-type]
    assert store_of(authority).keys("*") == []


FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def served(make_app: Callable[..., Flask], server: Server) -> Callable[..., Any]:
    """An app of one's own sessions, where an administrator may block."""

    def make(**settings: object) -> Any:
        app = make_app(server.url, audit_length=100, refresh_grace=0, **settings)
        app.register_blueprint(app.revoke.blueprint())

        @app.post("/block/<subject>")
        @app.revoke.required
        def block(subject: str) -> str:
            app.revoke.block(subject)
            return ""

        return app

    return make


def ask(app: Flask, path: str, token: str) -> int:
    response = app.test_client().post(
        path,
        headers={"Authorization": f"Bearer {token}", "User-Agent": FIREFOX},
        environ_base={"REMOTE_ADDR": "203.0.113.77"},
    )
    return response.status_code


@pytest.mark.parametrize(
    ("setting", "address"),
    [("network", "203.0.113.0/24"), ("full", "203.0.113.77"), ("none", None)],
)
def test_a_request_tells_who_and_from_where(
    served: Callable[..., Flask], setting: str, address: str | None
) -> None:
    app = served(session_address=setting)
    with app.app_context():
        admin, alice = app.revoke.issue("admin"), app.revoke.issue("alice")
    assert ask(app, "/auth/logout", alice.access) == 204
    assert ask(app, "/block/alice", admin.access) == 200
    with app.app_context():
        ended, blocked = trail_of(app.revoke.authority)
    assert (ended.actor, blocked.actor) == ("alice", "admin")
    for entry in (blocked, ended):
        assert (entry.address, entry.agent) == (address, "Firefox on Linux")


def test_a_stolen_token_tells_from_where_it_was_presented(served: Callable[..., Flask]) -> None:
    app = served()
    with app.app_context():
        pair = app.revoke.issue("alice", device="Pixel 8")
    assert ask(app, "/auth/refresh", pair.refresh) == 200
    assert ask(app, "/auth/refresh", pair.refresh) == 401
    with app.app_context():
        (entry,) = trail_of(app.revoke.authority)
        jti = app.revoke.authority.tokens.verify(pair.refresh, 0).id
    assert (entry.event, entry.jti, entry.device) == ("reuse-detected", jti, "Pixel 8")
    assert (entry.actor, entry.address) == (None, "203.0.113.0/24")


def test_no_token_is_in_it(
    make_authority: Make, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    authority = make_authority(server.url, audit_length=10)
    pair = authority.issue("alice")
    authority.revoke(pair.access)
    authority.logout(pair.refresh)
    with server.client() as client:
        kept = repr(client.xrange(KEY)) + caplog.text
    for part in (*pair.access.split("."), *pair.refresh.split(".")):
        assert part not in kept
