"""``flask jwt sessions``, ``keys`` and ``stats``."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from flask_jwt_revoke import Authority, survey

from ..servers import Cluster, Server
from .conftest import Console

Make = Callable[..., Console]

HOSTILE = "\x1b[31m\r\n\x9b2J\u202e\u2028\x00[bold]x[/bold]"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """``stats`` does not wait for checks to count."""
    monkeypatch.setattr(survey, "_LOOK", 0.0)


def test_sessions(make_console: Make, url: str) -> None:
    console = make_console(url)
    old = console.authority.issue("alice", device="Pixel 8", device_id="D1", address="10.0.0.0/24")
    console.clock.now += 120
    new = console.authority.issue("alice", device="Laptop", agent="Firefox on Linux")
    found = console.json("sessions", "alice")
    assert [one["id"] for one in found] == [new.session_id, old.session_id]
    assert found[1] == {
        "id": old.session_id, "device": "Pixel 8", "device_id": "D1", "address": "10.0.0.0/24",
        "agent": None, "created": int(console.clock.now) - 120,
        "last_seen": int(console.clock.now) - 120, "ends": int(console.clock.now) - 120 + 2592000,
    }  # fmt: skip
    told = console("sessions", "alice").stdout
    assert "Pixel 8  D1" in told
    assert "2 minutes ago" in told
    assert told.endswith("alice: 2 sessions.\n")


def test_nobodys_sessions_and_keys_are_not_found(make_console: Make, url: str) -> None:
    console = make_console(url)
    for command in ("sessions", "keys"):
        assert console.json(command, "nobody", exit_code=1) == []
        assert "nobody: 0 " in console(command, "nobody").stdout


@pytest.mark.usefixtures("at_once")
def test_what_comes_from_outside_does_not_reach_the_terminal(
    server: Server, make_console: Make
) -> None:
    console = make_console(server.url, audit_length=100)
    subject = f"alice{HOSTILE}"
    console.authority.issue(subject, device=HOSTILE, device_id=HOSTILE, agent=HOSTILE)
    shown = r"\x1b[31m\r\n\x9b2J\u202e\u2028\x00[bold]x[/bold]"
    assert console("sessions", subject).stdout.count(shown) == 4
    console.authority.record({"sub": subject, "jti": HOSTILE, "exp": console.clock.now + 60})
    console.authority.revoke({"sub": subject, "jti": HOSTILE, "exp": console.clock.now + 60})
    for words in (
        ("sessions", subject), ("keys", subject), ("stats",), ("logout", subject),
        ("logout", subject, "--session", HOSTILE), ("block", subject), ("unblock", subject),
        ("purge",), ("repair", subject), ("audit", subject), ("audit",), ("why", HOSTILE),
        ("sessions", subject, HOSTILE), (HOSTILE,),
    ):  # fmt: skip
        for more in ((), ("--json",)):
            said = console(*words, *more).output
            assert said
            assert all(line.isprintable() for line in said.split("\n")), words


def test_keys(make_console: Make, url: str) -> None:
    console = make_console(url)
    pair, other = console.authority.issue("alice"), console.authority.issue("alice")
    console.authority.issue("alice2")
    console.authority.logout(other.access, reason="stolen")
    console.authority.block("alice", reason="fraud")
    found = {one["key"]: one for one in console.json("keys", "alice")}
    revoked = f"jwtrevoke:{{alice}}:revoked:{other.session_id}"
    assert sorted(found) == sorted(
        [
            revoked,
            *(
                f"jwtrevoke:{{alice}}:{kind}"
                for kind in ("blocked", "sessions", "tokens", "version")
            ),
        ]
    )
    one = found[revoked]
    assert (one["kind"], one["id"], one["type"]) == ("revoked", other.session_id, "string")
    assert one["value"] == f"stolen@{int(console.clock.now)}"
    assert one["ttl"] == pytest.approx(2592000, abs=60)
    assert one["meaning"].startswith(f"refuses the token or session {other.session_id}: stolen, ")
    assert found["jwtrevoke:{alice}:blocked"]["ttl"] is None
    assert found["jwtrevoke:{alice}:tokens"]["items"] == 2
    assert found["jwtrevoke:{alice}:sessions"]["items"] == 1
    if url != "memory://":
        assert all(0 < one["size"] < 1000 for one in found.values())
    told = console("keys", "alice").stdout
    assert "in 29 days" in told
    assert "never" in told
    assert pair.session_id not in told


@pytest.mark.parametrize("subject", ["*", "a?", "[a-z]", "\\", "^", "{x}", "a:b", "é\n"])
def test_keys_of_a_subject_that_looks_like_a_pattern(
    server: Server, make_console: Make, subject: str
) -> None:
    console = make_console(server.url)
    for name in (subject, "b", "ab", "^b", "\\x"):
        console.authority.issue(name)
    assert len(console.json("keys", subject)) == 3


def test_keys_that_are_not_ours_say_so(server: Server, make_console: Make) -> None:
    with server.client() as client:
        client.set("jwtrevoke:{alice}:sessions", "x")
        client.rpush("jwtrevoke:{alice}:blocked", "x")
    found = {one["kind"]: one["meaning"] for one in make_console(server.url).json("keys", "alice")}
    assert found == {
        "blocked": "not ours: a list where there would be a string",
        "sessions": "not ours: a string where there would be a hash",
    }


@pytest.mark.usefixtures("at_once")
def test_keys_of_a_strategys_own(server: Server, make_console: Make) -> None:
    console = make_console(server.url)
    with server.client() as client:
        client.sadd("jwtrevoke:{alice}:tenants-out", "A", "B")
        client.xadd("jwtrevoke:{alice}:trail", {"a": "b"})
        client.set(b"jwtrevoke:{alice}:\xff", "x")
        client.hset("jwtrevoke:{bob}:sessions", "S1", "broken")
    found = console.json("keys", "alice")
    assert [(one["kind"], one["type"], one["items"]) for one in found] == [
        ("tenants-out", "set", 2),
        ("trail", "stream", 1),
    ]
    assert console.json("stats")["sessions"] == 0


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", ["valkey", "redis", "cluster"])
def test_stats(servers: Callable[[str], Server | Cluster], make_console: Make, kind: str) -> None:
    server = servers(kind)
    server.empty()
    console = make_console(server.url, audit_length=100)
    populate(console.authority)
    found = console.json("stats")
    assert found["subjects"] == 41
    assert found["sessions"] == 49
    assert found["tokens"] == 98 - 2 + 1
    assert found["blocked"] == 1
    assert found["revoked"] == {"stolen": 2, "logout": 1, "password_changed": 20}
    counts = {name: one["count"] for name, one in found["memory"].items()}
    assert counts.pop("canary") >= 1
    assert counts.pop("audit") >= 1
    assert counts == {"blocked": 1, "revoked": 23, "sessions": 40, "tokens": 41, "version": 50}
    assert all(
        40 * one["count"] <= one["size"] <= 5000 * one["count"] for one in found["memory"].values()
    )


def populate(authority: Authority) -> None:
    """50 subjects with a pair each, of whom ten are logged out, one has ten more sessions."""
    pairs = [authority.issue(f"user {number}") for number in range(50)]
    for number in range(10):
        authority.logout_everywhere(f"user {number}", reason="password_changed")
    extra = [authority.issue("user 10") for _ in range(10)]
    authority.revoke(pairs[20].access, reason="stolen")
    authority.revoke(extra[0].refresh, reason="stolen")
    authority.logout(extra[1].access)
    authority.record({"sub": "outside", "jti": "J1", "exp": authority.clock() + 600})
    authority.block("user 30")


@pytest.mark.usefixtures("at_once")
def test_stats_of_the_version_strategy_count_what_the_sessions_name(
    server: Server, make_console: Make
) -> None:
    console = make_console(server.url, strategy="version")
    pair = console.authority.issue("alice")
    console.authority.rotate(pair.refresh)
    found = console.json("stats")
    assert (found["subjects"], found["sessions"], found["tokens"]) == (1, 1, 3)
    outside = {"sub": "bob", "jti": "J1", "sid": "S1", "exp": console.authority.clock() + 600}
    console.authority.record(outside)
    found = console.json("stats")
    assert (found["subjects"], found["sessions"], found["tokens"]) == (2, 2, 4)


def test_stats_count_checks(server: Server, make_console: Make) -> None:
    console = make_console(server.url)
    pair = console.authority.issue("alice")
    done = threading.Event()

    def check() -> None:
        while not done.wait(0.01):
            console.authority.check(pair.access)

    checking = threading.Thread(target=check)
    checking.start()
    try:
        found = console.json("stats")
    finally:
        done.set()
        checking.join()
    assert 5 < found["checks_per_second"] < 110


@pytest.mark.usefixtures("at_once")
def test_stats_of_nothing_and_in_words(make_console: Make) -> None:
    console = make_console()
    assert console.json("stats")["subjects"] == 0
    console.authority.issue("alice")
    console.authority.logout_everywhere("alice")
    told = console("stats").stdout
    assert "logout_everywhere  2" in told
    assert "not told" in told


@pytest.mark.usefixtures("at_once")
def test_stats_of_one_subject_with_very_many_sessions(server: Server, make_console: Make) -> None:
    console = make_console(server.url)
    for _ in range(600):
        console.authority.issue("alice")
    found = console.json("stats")
    assert (found["subjects"], found["sessions"], found["tokens"]) == (1, 600, 1200)


@pytest.mark.usefixtures("at_once")
def test_stats_weigh_a_thousand_keys_and_estimate_the_others(
    server: Server, make_console: Make
) -> None:
    console = make_console(server.url)
    for number in range(20):
        console.authority.issue(f"user {number}", device="x" * number)
    with server.client() as client:
        with client.pipeline() as pipe:
            for number in range(1200):
                pipe.set(f"jwtrevoke:{{user {number:04}}}:blocked", "operator@1795240800")
            pipe.execute()
        weight = sum(client.memory_usage(key) for key in client.keys("*:sessions"))
        each = client.memory_usage("jwtrevoke:{user 0000}:blocked")
    found = console.json("stats")["memory"]
    assert found["sessions"] == {"count": 20, "size": weight}
    assert found["blocked"] == {"count": 1200, "size": pytest.approx(1200 * each, rel=0.05)}
