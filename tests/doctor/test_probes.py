"""What is tried out: on wires that drip, mute and lie, and as users of few or many rights."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from flask_jwt_revoke import Authority, JWTRevokeError
from flask_jwt_revoke.doctor import keyspace, probes
from flask_jwt_revoke.store.feed import NONE
from flask_jwt_revoke.store.keys import TYPES, Keys

from ..conftest import Clock
from ..live import until
from ..redis_page import DOCTOR, OPERATOR, User, administrator
from ..servers import Proxy, Server
from .conftest import Patient

Make = Callable[..., Authority]


@pytest.fixture
def proxy(alone: Server) -> Iterator[Proxy]:
    with closing(Proxy(alone)) as found:
        yield found


def let_in(patient: Patient, user: User) -> str:
    patient.client.execute_command("ACL", "SETUSER", user.name, "reset", *user.rules)
    return user.at(patient.server.url)


@pytest.mark.parametrize(
    ("ahead", "leeway", "status"),
    [(90, 0, "FAIL"), (-90, 0, "FAIL"), (90, 60, "FAIL"), (90, 120, "OK"), (0, 0, "OK")],
)
def test_clock(patient: Patient, ahead: float, leeway: float, status: str) -> None:
    clock = Clock(time.time() + ahead)
    assert patient.status("clock", clock=clock, leeway=leeway) == status


def test_half_of_a_slow_round_trip_is_no_difference(
    patient: Patient, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "_UNNOTICED", 0.05)
    proxy.drip = 0.01  # a third of a second for the answer to TIME
    assert patient.status("clock", DOCTOR.at(proxy.url), timeout=5) == "OK"


@pytest.mark.parametrize(
    ("trip", "timeout", "status"), [(0.0, 4, "OK"), (0.2, 0.75, "WARN"), (0.12, 0.2, "FAIL")]
)
def test_round_trip(
    patient: Patient, proxy: Proxy, trip: float, timeout: float, status: str
) -> None:
    proxy.drip = trip / len("+PONG\r\n")
    assert patient.status("round_trip", DOCTOR.at(proxy.url), timeout=timeout) == status


def test_round_trip_of_who_may_not_ask(patient: Patient) -> None:
    url = let_in(patient, DOCTOR.named("mute").denied("ping"))
    assert patient.status("round_trip", url) == "UNKNOWN"


def test_write_leaves_nothing(patient: Patient) -> None:
    assert patient.status("write") == "OK"
    assert patient.client.dbsize() == 0


def test_write_to_a_full_server(patient: Patient) -> None:
    with patient.configured(maxmemory=1):
        finding = patient.finding("write")
    assert (finding.status, "maxmemory" in finding.found) == ("FAIL", True)


class Liar(Proxy):
    """Makes each TTL of the doctor's ten times as long."""

    def _forward(self, data: bytes, server: Any) -> None:
        super()._forward(data.replace(b"$3\r\n200\r\n", b"$4\r\n2000\r\n"), server)


def test_write_where_a_ttl_is_not_honoured(patient: Patient) -> None:
    with closing(Liar(patient.server)) as liar:
        finding = patient.finding("write", DOCTOR.at(liar.url))
    assert (finding.status, "still there" in finding.found) == ("FAIL", True)
    assert patient.client.dbsize() == 0


class Laggard(Proxy):
    """Takes longer for each answer than the key lives."""

    def _answer(self, data: bytes, client: Any) -> None:
        if b":doctor:" in self.said:
            time.sleep(0.21)
        super()._answer(data, client)


def test_write_where_the_way_is_long(patient: Patient) -> None:
    with closing(Laggard(patient.server)) as laggard:
        assert patient.status("write", DOCTOR.at(laggard.url), timeout=5) == "OK"


class Forger(Proxy):
    """Answers each GET with another value."""

    def _answer(self, data: bytes, client: Any) -> None:
        super()._answer(data.replace(b"$1\r\n0\r\n", b"$1\r\n1\r\n"), client)


def test_write_where_another_value_is_read(patient: Patient) -> None:
    with closing(Forger(patient.server)) as forger:
        finding = patient.finding("write", DOCTOR.at(forger.url))
    assert (finding.status, "not read" in finding.found) == ("FAIL", True)


@pytest.mark.parametrize("command", ["mget", "publish", "hrandfield"])
def test_acl_lacks(patient: Patient, command: str) -> None:
    finding = patient.finding("acl", let_in(patient, DOCTOR.named("poor").denied(command)))
    assert (finding.status, finding.found) == ("FAIL", f"poor may not {command.upper()}")


def test_acl_is_about_the_key_and_the_channel_too(patient: Patient) -> None:
    url = let_in(patient, DOCTOR.named("elsewhere").with_prefix("shop"))
    finding = patient.finding("acl", url)
    assert finding.status == "FAIL"
    assert {"PUBLISH", "SUBSCRIBE", "MGET"} <= set(finding.found.replace(",", "").split())


def test_acl_that_allows_too_much(patient: Patient) -> None:
    finding = patient.finding("acl_excess", administrator(patient.server.url))
    assert finding.status == "WARN"
    for name in ("FLUSHALL", "CONFIG SET", "read keys of others"):
        assert name in finding.found
    url = let_in(patient, DOCTOR.named("rich").allowed("+flushdb"))
    assert patient.finding("acl_excess", url).found == "rich may also FLUSHDB"
    assert patient.status("acl_excess") == "OK"


@pytest.mark.parametrize("name", ["acl", "acl_excess"])
@pytest.mark.parametrize("command", ["acl|dryrun", "acl|whoami"])
def test_acl_that_may_not_be_asked_for(patient: Patient, name: str, command: str) -> None:
    url = let_in(patient, DOCTOR.named("shy").denied(command))
    assert patient.status(name, url) == "UNKNOWN"


def test_canary(patient: Patient) -> None:
    assert patient.status("canary") == "UNKNOWN"
    patient.client.set("jwtrevoke:canary", "1")
    assert patient.status("canary") == "OK"


def test_feed_that_may_not_be_heard_or_told(patient: Patient) -> None:
    silent = DOCTOR.named("silent").denied("publish")
    deaf = User("deaf", tuple(rule for rule in DOCTOR.rules if not rule.startswith("&")))
    for user in (silent, deaf):
        finding = patient.finding("feed", let_in(patient, user))
        assert (finding.status, finding.found.startswith("refused")) == ("FAIL", True)


def test_feed_that_is_not_answered(patient: Patient, proxy: Proxy) -> None:
    proxy.mute_at = b"SUBSCRIBE"
    finding = patient.finding("feed", DOCTOR.at(proxy.url), near_cache_staleness=0.2)
    assert (finding.status, "no PING" in finding.found) == ("FAIL", True)


class Swallower(Proxy):
    """Lets no message through."""

    def _answer(self, data: bytes, client: Any) -> None:
        if b"$7\r\nmessage" not in data:
            super()._answer(data, client)


def test_feed_on_which_nothing_is_heard(patient: Patient) -> None:
    with closing(Swallower(patient.server)) as swallower:
        finding = patient.finding("feed", DOCTOR.at(swallower.url), near_cache_staleness=0.6)
    assert (finding.status, "no message" in finding.found) == ("FAIL", True)


class Dawdler(Proxy):
    """Lets each message through a second late."""

    def _answer(self, data: bytes, client: Any) -> None:
        if b"$7\r\nmessage" in data:
            time.sleep(1)
        super()._answer(data, client)


def test_feed_that_is_slow(patient: Patient) -> None:
    with closing(Dawdler(patient.server)) as dawdler:
        url = DOCTOR.at(dawdler.url)
        assert patient.status("feed", url, near_cache_staleness=3) == "WARN"
    assert patient.status("feed", near_cache_staleness=8) == "OK"


def test_a_message_of_the_doctor_is_no_revocation(patient: Patient) -> None:
    authority = patient.make(patient.server.url, near_cache_staleness=30, timeout=5)
    token = authority.issue("alice").access
    authority.check(token)
    until(lambda: authority._near._feed.subscription() is not NONE)
    authority.check(token)
    calls = patient.client.info("commandstats")["cmdstat_mget"]["calls"]
    assert patient.status("feed") == "OK"
    time.sleep(0.1)
    authority.check(token)
    assert patient.client.info("commandstats")["cmdstat_mget"]["calls"] == calls


def test_keys_of_others(patient: Patient) -> None:
    patient.make(patient.server.url).issue("alice")
    assert patient.status("shared_database") == "OK"
    patient.client.set("celery", "1")
    patient.client.set(b"\xff\xfe", "1")
    finding = patient.finding("shared_database")
    assert finding.status == "WARN"
    assert finding.found.startswith("2 of 6 keys")
    assert "celery" in finding.found


def test_our_own_keys_collide_with_nothing(patient: Patient) -> None:
    authority = patient.make(patient.server.url)
    authority.logout(authority.issue("alice").access)
    authority.issue("a:b")
    authority.block("mallory")
    patient.client.set("jwtrevoke:canary", "1")
    patient.client.xadd("jwtrevoke:audit", {"a": "b"})
    assert patient.status("prefix") == "OK"


@pytest.mark.parametrize(
    "key", ["jwtrevoke:shop:{alice}:version", "jwtrevoke:cart:7", "jwtrevoke:{alice}:cart"]
)
def test_keys_of_others_under_the_prefix(patient: Patient, key: str) -> None:
    patient.client.set(key, "1")
    finding = patient.finding("prefix")
    assert (finding.status, key in finding.found) == ("WARN", True)
    assert patient.status("shared_database") == "OK"


def test_keys_of_the_same_name(patient: Patient) -> None:
    patient.client.set("jwtrevoke:{alice}:tokens", "1")
    finding = patient.finding("prefix")
    assert (finding.status, "{alice}:tokens" in finding.found) == ("FAIL", True)
    with pytest.raises(JWTRevokeError):
        patient.make(patient.server.url).issue("alice")


@pytest.mark.parametrize("key", ["audit", "canary"])
def test_keys_of_the_same_name_that_are_no_subjects(patient: Patient, key: str) -> None:
    patient.client.hset(f"jwtrevoke:{key}", "a", "b")
    finding = patient.finding("prefix")
    assert (finding.status, f"jwtrevoke:{key}" in finding.found) == ("FAIL", True)


def test_each_kind_of_key_has_its_type() -> None:
    keys = Keys("jwtrevoke")
    named = {
        name: inspect.signature(method).parameters
        for name, method in inspect.getmembers(keys, inspect.ismethod)
        if name not in ("base", "pattern")
    }
    kinds = [
        keys.parts(getattr(keys, name)(*("x" for _ in given)))[1]
        for name, given in named.items()
        if next(iter(given), None) == "subject"
    ]
    assert sorted(kinds) == sorted(TYPES)


def test_a_strategy_of_its_own_may_keep_keys_of_its_own(patient: Patient) -> None:
    from flask_jwt_revoke.strategies import NAMED

    class Own(type(NAMED["blacklist"])):
        pass

    patient.client.set("jwtrevoke:{alice}:cart", "1")
    patient.client.set("jwtrevoke:{alice}:audit", "1")
    assert patient.status("prefix", strategy=Own()) == "OK"


@pytest.mark.parametrize("name", ["shared_database", "prefix"])
def test_keys_that_were_not_all_looked_at(
    patient: Patient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1200):
        patient.client.set(f"jwtrevoke:{{{number}}}:version", "1")
    monkeypatch.setattr(keyspace, "_LONGEST", 0.0)
    finding = patient.finding(name)
    assert (finding.status, "of 1200" in finding.found) == ("UNKNOWN", True)


@pytest.mark.parametrize("name", ["shared_database", "prefix", "clock"])
def test_the_page_names_what_the_probes_take(patient: Patient, name: str) -> None:
    assert patient.status(name, OPERATOR.at(patient.server.url)) == "OK"
