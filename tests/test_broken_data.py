"""Somebody has written into a subject's keys: nothing refused is accepted, and nothing is a 500."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flask_jwt_revoke import (
    Authority,
    BrokenData,
    JWTRevokeError,
    Outage,
    RevokedToken,
    Session,
    TokenPair,
)
from flask_jwt_revoke.sessions import dump, load
from flask_jwt_revoke.store import text

from .conftest import Clock
from .servers import Server

Make = Callable[..., Authority]

STRATEGIES = ("blacklist", "allowlist", "version")
GARBAGE = (
    "", "x", "null", "{}", "[]", "[1]", "[1,2,3]", "[null,2,3]", "[true,2,3]", "[NaN,2,3]",
    "[1,2,Infinity]", "[1,2,1e999]", "[-1,2,3]", "[1,2,3,4]", '[1,2,3,"J",[]]', "[" * 9000,
    '[1,2,3,"\\ud800"]', '[1,2,3,"J",{"a":"b"}]', "[" + "0," * 12 + "0]", "7", '"x"', "1" * 9000,
    b"\xff\xfe", b"[1,2,3,\"\xff\"]", "-1", "1.5", "9" * 19, "1_000",
)  # fmt: skip


@dataclass(frozen=True)
class Story:
    """``out`` was logged out; ``phone`` and ``laptop`` are live; ``spent`` was exchanged."""

    authority: Authority
    client: redis.Redis
    phone: TokenPair
    laptop: TokenPair
    out: TokenPair
    spent: TokenPair

    @classmethod
    def of(cls, authority: Authority, client: redis.Redis) -> Story:
        client.flushall()
        phone, laptop, out, spent = (
            authority.issue("alice", device_id=name) for name in ("phone", "laptop", "out", "spent")
        )
        authority.revoke(out.access)
        authority.logout(out.access)
        authority.rotate(spent.refresh)
        return cls(authority, client, phone, laptop, out, spent)

    def refused(self) -> list[tuple[str, str]]:
        return [
            (self.out.access, "access"),
            (self.out.refresh, "refresh"),
            (self.spent.refresh, "refresh"),
        ]

    def breaks(self, key: bytes, kind: str, content: Any) -> None:
        """Put something of another kind, or garbage, in the place of a key's content."""
        if kind == "field":
            for field in self.client.hkeys(key):
                self.client.hset(key, field, content)
            return
        self.client.delete(key)
        {
            "string": lambda: self.client.set(key, content),
            "list": lambda: self.client.rpush(key, content),
            "set": lambda: self.client.sadd(key, content),
            "zset": lambda: self.client.zadd(key, {content: 1}),
            "infinite": lambda: self.client.zadd(key, {content: "inf", "other": "-inf"}),
            "hash": lambda: self.client.hset(key, content, content),
            "stream": lambda: self.client.xadd(key, {"x": content}),
        }[kind]()


VERBS: dict[str, Callable[[Story], object]] = {
    "check": lambda it: it.authority.check(it.phone.access),
    "check a refresh token": lambda it: it.authority.check(it.phone.refresh, type="refresh"),
    "issue": lambda it: it.authority.issue("alice"),
    "issue on a device": lambda it: it.authority.issue("alice", device_id="phone"),
    "record": lambda it: it.authority.record(outside(it.phone.session_id)),
    "sessions": lambda it: it.authority.sessions("alice"),
    "rotate": lambda it: it.authority.rotate(it.phone.refresh),
    "revoke": lambda it: it.authority.revoke(it.phone.access),
    "logout": lambda it: it.authority.logout(it.phone.access),
    "logout_session": lambda it: it.authority.logout_session("alice", it.phone.session_id),
    "logout_device": lambda it: it.authority.logout_device("alice", "phone"),
    "logout_others": lambda it: it.authority.logout_others("alice", keep=it.laptop.session_id),
    "purge": lambda it: it.authority.purge("alice"),
    "repair": lambda it: it.authority.repair("alice"),
    "explain": lambda it: it.authority.explain(it.phone.refresh),
    "is_blocked": lambda it: it.authority.is_blocked("alice"),
    "block": lambda it: it.authority.block("alice"),
    "unblock": lambda it: it.authority.unblock("alice"),
    "logout_everywhere": lambda it: it.authority.logout_everywhere("alice"),
    "keep one": lambda it: it.authority.logout_everywhere("alice", keep=it.laptop.session_id),
}


def outside(sid: str) -> dict[str, Any]:
    return {"sub": "alice", "jti": "J1", "sid": sid, "exp": time.time() + 900}


def kinds_of(key: bytes, on_lost_data: str) -> list[str]:
    if b":revoked:" in key:
        # MGET takes an entry of another type for none, as if it had been deleted.
        return ["string"]
    kinds = ["string", "list", "set", "zset", "infinite", "hash", "stream"]
    if key.endswith(b":version") and on_lost_data == "allow":
        # Of another type it is lost too, and what is lost is to be accepted.
        return ["string"]
    if key.endswith(b":sessions"):
        kinds.append("field")
        if on_lost_data == "allow":
            # Sound records in place of the lost ones: what is lost is to be accepted.
            kinds.remove("hash")
    return kinds


def is_broken(content: str | bytes) -> bool:
    return load("S", text(content)).is_broken


@pytest.fixture
def broken(make_authority: Make, server: Server) -> Callable[..., Authority]:
    # A verdict of the signature alone: what is broken is not asked for twice.
    return lambda **settings: make_authority(server.url, timeout=5, on_outage="allow", **settings)


@given(data=st.data())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_promise_11_no_verb_fails_otherwise_and_nothing_refused_is_accepted(
    broken: Callable[..., Authority], server: Server, data: st.DataObject
) -> None:
    lost = data.draw(st.sampled_from(["deny", "allow"]))
    authority = broken(strategy=data.draw(st.sampled_from(STRATEGIES)), on_lost_data=lost)
    try:
        with server.client() as client:
            story = Story.of(authority, client)
            key = data.draw(st.sampled_from(sorted(client.keys("*"))))
            kind = data.draw(st.sampled_from(kinds_of(key, lost)))
            content = st.sampled_from(GARBAGE)
            if (kind, lost) == ("field", "allow"):
                # A sound record in place of the lost one: what is lost is to be accepted.
                content = content.filter(is_broken)
            story.breaks(key, kind, data.draw(content))
            for verb in data.draw(st.permutations(list(VERBS)))[:6]:
                with suppress(JWTRevokeError):
                    VERBS[verb](story)
                for token, type in story.refused():
                    with pytest.raises(JWTRevokeError):
                        authority.check(token, type=type)
    finally:
        authority.close()


def test_a_broken_session_ends_and_the_others_go_on(
    broken: Callable[..., Authority], server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    authority = broken()
    broken_one, sound = authority.issue("alice", device="Pixel 8"), authority.issue("alice")
    with server.client() as client:
        client.hset("jwtrevoke:{alice}:sessions", broken_one.session_id, "[secret content")
    assert [one.id for one in authority.sessions("alice")] == [sound.session_id]
    assert broken_one.session_id in caplog.text
    assert "secret" not in caplog.text
    with pytest.raises(RevokedToken):
        authority.check(broken_one.refresh, type="refresh")
    with pytest.raises(RevokedToken):
        authority.rotate(broken_one.refresh)
    # From now on its access token is refused too, and the record has gone.
    with pytest.raises(RevokedToken):
        authority.check(broken_one.access)
    with server.client() as client:
        assert client.hkeys("jwtrevoke:{alice}:sessions") == [sound.session_id.encode()]
    assert authority.rotate(sound.refresh)


@pytest.mark.parametrize(
    "verb", ["issue", "issue on a device", "logout_others", "logout_session", "purge", "repair"]
)
def test_the_first_write_that_meets_a_broken_session_ends_it(
    broken: Callable[..., Authority], server: Server, verb: str
) -> None:
    authority = broken(max_sessions=10)
    with server.client() as client:
        story = Story.of(authority, client)
        client.hset("jwtrevoke:{alice}:sessions", story.phone.session_id, "garbage")
        VERBS[verb](story)
        with pytest.raises(RevokedToken):
            authority.check(story.phone.access)
        assert client.hget("jwtrevoke:{alice}:sessions", story.phone.session_id) is None
    assert authority.check(story.laptop.access)


@pytest.mark.parametrize("content", ["abc", "", "1.5", b"\xff", "7", "-1", "1_000", "3" + "0" * 15])
def test_a_version_that_is_none(
    broken: Callable[..., Authority],
    server: Server,
    caplog: pytest.LogCaptureFixture,
    content: str | bytes,
) -> None:
    authority = broken(on_lost_data="allow")
    pair = authority.issue("alice")
    with server.client() as client:
        client.set("jwtrevoke:{alice}:version", content)
    for refused in (authority.check, authority.rotate):
        with pytest.raises(RevokedToken):
            refused(pair.access if refused == authority.check else pair.refresh)
    with pytest.raises(BrokenData):
        authority.issue("alice")
    assert "jwtrevoke:{alice}:version" in caplog.text
    authority.logout_everywhere("alice")  # which writes another one
    assert authority.check(authority.issue("alice").access)


def test_the_log_names_the_key_once_a_minute(
    broken: Callable[..., Authority], server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    authority = broken()
    names = ("alice", "bob")
    tokens = [authority.issue(name).refresh for name in names]
    with server.client() as client:
        for name in names:
            client.delete(f"jwtrevoke:{{{name}}}:sessions")
            client.set(f"jwtrevoke:{{{name}}}:sessions", "x")
    for token in tokens * 3:
        with pytest.raises(BrokenData):
            authority.check(token, type="refresh")
    of_alice, of_bob = caplog.messages
    assert "jwtrevoke:{alice}:sessions" in of_alice
    assert "jwtrevoke:{bob}:sessions" in of_bob


def test_broken_data_is_refused_where_an_outage_is_allowed(
    broken: Callable[..., Authority], server: Server
) -> None:
    authority = broken(strategy="allowlist")
    pair = authority.issue("alice")
    with server.client() as client:
        client.delete("jwtrevoke:{alice}:tokens")
        client.set("jwtrevoke:{alice}:tokens", "x")
    with pytest.raises(BrokenData) as refused:
        authority.check(pair.access)
    assert (refused.value.status, refused.value.reason) == (503, "broken_data")
    assert isinstance(refused.value, Outage)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
SOUND = Session(
    id="S", created=1, last_seen=2_000_000_000, ends=3, refresh="J", others={"K": 4},
    device="Pixel 8", device_id="P", address="::1", agent="Firefox", previous="I", rotated=2.5,
    generation=1,
)  # fmt: skip


@given(st.integers(0, 12), LEAVES | st.lists(LEAVES) | st.dictionaries(st.text(), LEAVES))
@settings(deadline=None)
def test_a_record_is_read_or_broken_and_what_is_read_can_be_written(
    place: int, value: object
) -> None:
    fields = json.loads(dump(SOUND))
    fields[place : place + 1] = [value]
    session = load("S", json.dumps(fields))
    if not session.is_broken:
        dump(session).encode()
        assert load("S", dump(session)) == session


def test_when_a_broken_session_was_seen_is_not_written(
    make_authority: Make, server: Server
) -> None:
    """A check a minute later writes when the session was seen."""
    clock = Clock(time.time())
    authority = make_authority(server.url, clock=clock)
    pair = authority.issue("alice")
    with server.client() as client:
        client.hset("jwtrevoke:{alice}:sessions", pair.session_id, "garbage")
    clock.now += 61
    assert authority.check(pair.access)
