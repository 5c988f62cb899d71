"""WAIT_REPLICAS: what ends something succeeds once replicas have it, on real servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache

import fakeredis
import pytest
import redis
from flask import Flask

from flask_jwt_revoke import (
    Authority,
    ConfigurationError,
    Event,
    NotReplicated,
    Outage,
    ReusedToken,
    RevokedToken,
    TokenPair,
    signals,
)
from flask_jwt_revoke.cli import jwt

from ..campaign.topologies import Replicated, ReplicatedCluster, follow, have_all, wait_until
from ..conftest import Clock, missing
from ..live import is_live
from ..redis_page import APP, REPLICAS
from ..servers import BINARIES, Server, free_ports

Make = Callable[..., Authority]
MakeApp = Callable[..., Flask]

TIMEOUT = 0.25
#: Seconds. One verb waits for one time-out or two; a busy machine takes some of its own.
BOUND = 5.0


@dataclass
class Pair:
    """A primary and its one replica."""

    primary: Server
    replica: Server

    @classmethod
    @contextmanager
    def of(cls, binary: str) -> Iterator[Pair]:
        with ExitStack() as stack:
            first, second = free_ports(2)
            options = ("--save", "", "--repl-diskless-sync-delay", "0")
            primary = stack.enter_context(
                closing(Server(binary, *options, port=first, also=REPLICAS))
            )
            replica = stack.enter_context(closing(Server(binary, *options, port=second)))
            follow(replica, first)
            pair = cls(primary, replica)
            pair.wait()
            yield pair

    def wait(self) -> None:
        """Until the replica has what the primary has."""
        wait_until(lambda: have_all(self.primary, 1), "the replica has all")

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.replica.pause()
        try:
            yield
        finally:
            self.replica.resume()
            self.wait()


@pytest.fixture(scope="module")
def pairs() -> Iterator[Callable[[str], Pair]]:
    with ExitStack() as stack:

        @cache
        def pair_of(kind: str) -> Pair:
            return stack.enter_context(Pair.of(BINARIES[kind] or missing("redis-server")))

        yield pair_of


def emptied(pair: Pair) -> Pair:
    with pair.primary.client() as client:
        client.flushall()
    pair.wait()
    return pair


@pytest.fixture
def two(pairs: Callable[[str], Pair]) -> Pair:
    return emptied(pairs("valkey"))


@pytest.fixture(params=["valkey", "debian"])
def each(request: pytest.FixtureRequest, pairs: Callable[[str], Pair]) -> Pair:
    """WAIT counts otherwise in Redis 7.0."""
    return emptied(pairs(request.param))


@contextmanager
def hearing(authority: Authority) -> Iterator[set[str]]:
    """The subjects of which something was told."""
    subjects: set[str] = set()
    told = (
        signals.token_revoked, signals.logged_out, signals.logged_out_everywhere,
        signals.subject_blocked, signals.reuse_detected,
    )  # fmt: skip

    def hear(_sender: object, event: Event) -> None:
        subjects.add(event.subject or "")

    with ExitStack() as stack:
        for signal in told:
            stack.enter_context(signal.connected_to(hear, sender=authority))
        yield subjects


@dataclass(frozen=True)
class SignedIn:
    """A subject of its own for each verb."""

    authority: Authority
    name: str
    pair: TokenPair

    @classmethod
    def of(cls, authority: Authority, verb: str) -> SignedIn:
        return cls(authority, verb, authority.issue(verb, device_id="phone"))

    def is_missed(self) -> bool:
        try:
            ENDING[self.name](self)
        except NotReplicated:
            return True
        return False


ENDING: dict[str, Callable[[SignedIn], object]] = {
    "revoke": lambda it: it.authority.revoke(it.pair.access),
    "logout": lambda it: it.authority.logout(it.pair.access),
    "logout_session": lambda it: it.authority.logout_session(it.name, it.pair.session_id),
    "end_listed": lambda it: it.authority.end_listed(it.name, it.pair.session_id),
    "logout_device": lambda it: it.authority.logout_device(it.name, "phone"),
    "logout_others": lambda it: it.authority.logout_others(it.name, keep="none"),
    "logout_everywhere": lambda it: it.authority.logout_everywhere(it.name),
    "block": lambda it: it.authority.block(it.name),
    "displace": lambda it: it.authority.issue(it.name, device_id="phone"),
}


def test_what_ends_something_waits_for_a_replica(make_authority: Make, two: Pair) -> None:
    """It has ended, it is told of, and repeating it succeeds once the replica is there."""
    authority = make_authority(two.primary.url, wait_replicas=1, timeout=TIMEOUT)
    all = [SignedIn.of(authority, verb) for verb in ENDING]
    with ThreadPoolExecutor(len(all)) as threads:
        with two.paused(), hearing(authority) as told:
            for _ in range(2):
                started = time.monotonic()
                assert dict(
                    zip(ENDING, threads.map(SignedIn.is_missed, all), strict=True)
                ) == dict.fromkeys(ENDING, True)
                assert time.monotonic() - started < BOUND
            for one in all:
                with pytest.raises(RevokedToken):
                    authority.check(one.pair.access)
        assert told == set(ENDING)
        assert not any(one.is_missed() for one in all)


def test_theft_is_answered_once_a_replica_has_its_end(make_authority: Make, two: Pair) -> None:
    clock = Clock(time.time())
    authority = make_authority(two.primary.url, wait_replicas=1, timeout=TIMEOUT, clock=clock)
    pairs = authority.issue("alice"), authority.issue("alice")
    for pair in pairs:
        authority.rotate(pair.refresh)
    clock.now += 60
    with two.paused(), hearing(authority) as told, pytest.raises(NotReplicated):
        authority.rotate(pairs[0].refresh)
    assert told == {"alice"}
    with pytest.raises(RevokedToken):
        authority.rotate(pairs[0].refresh)
    with pytest.raises(ReusedToken):
        authority.rotate(pairs[1].refresh)


def test_a_repeat_that_changes_nothing_is_not_taken_for_replicated(
    make_authority: Make, each: Pair
) -> None:
    """On another connection, which has written nothing that a replica lacks."""
    one, other = (
        make_authority(each.primary.url, wait_replicas=1, timeout=TIMEOUT) for _ in range(2)
    )
    # The second verb finds nobody to end when it is repeated, and publishes nothing.
    firsts = [SignedIn.of(one, verb) for verb in ("revoke", "logout_others")]
    again = [replace(first, authority=other) for first in firsts]
    other.revoke(other.issue("bob").access)
    with each.paused():
        assert [first.is_missed() for first in firsts] == [True, True]
        assert [repeat.is_missed() for repeat in reversed(again)] == [True, True]
    assert [repeat.is_missed() for repeat in again] == [False, False]


def test_what_ends_nothing_does_not_wait(make_authority: Make, two: Pair) -> None:
    authority = make_authority(two.primary.url, wait_replicas=1, timeout=TIMEOUT)
    with two.paused():
        pair = authority.issue("alice")
        authority.rotate(pair.refresh)
        authority.record({"sub": "alice", "jti": "J1", "exp": time.time() + 900})
        assert not authority.unblock("alice")


def test_more_than_there_are(make_authority: Make, two: Pair) -> None:
    authority = make_authority(two.primary.url, wait_replicas=2, timeout=TIMEOUT)
    pair = authority.issue("alice")
    with pytest.raises(NotReplicated):
        authority.revoke(pair.access)
    with pytest.raises(RevokedToken):
        authority.check(pair.access)


def test_replicas_that_are_missing_are_told_once_a_minute(
    make_authority: Make, two: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    authority = make_authority(two.primary.url, wait_replicas=2, timeout=TIMEOUT)
    for number in range(3):
        with pytest.raises(NotReplicated):
            authority.block(f"user {number}")
    assert caplog.messages
    assert len(set(caplog.messages)) == len(caplog.messages)


def test_none_is_asked_for_unless_it_is_set(make_authority: Make, two: Pair) -> None:
    authority = make_authority(two.primary.url)
    pair = authority.issue("alice")
    with two.primary.client() as client, two.paused():
        client.config_resetstat()
        authority.logout_everywhere("alice")
        ran = client.info("commandstats")
    assert pair
    assert {"cmdstat_wait", "cmdstat_unlink"} & set(ran) == {"cmdstat_unlink"}


def test_many_tokens_wait_once_in_vain(make_authority: Make, two: Pair) -> None:
    authority = make_authority(two.primary.url, wait_replicas=1, timeout=TIMEOUT)
    exp = time.time() + 900
    with two.primary.client() as client:
        client.zadd("jwtrevoke:{alice}:tokens", {f"J{number}": exp for number in range(5000)})
    with two.paused():
        started = time.monotonic()
        with pytest.raises(NotReplicated):
            authority.logout_everywhere("alice")
        # One time-out for each of its hundred transactions would be 26 s.
        assert time.monotonic() - started < BOUND
    with two.primary.client() as client:
        assert not client.zcard("jwtrevoke:{alice}:tokens")


def test_who_may_not_wait_is_told_so(
    make_authority: Make, two: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with two.primary.client() as client:
        client.execute_command("ACL", "SETUSER", "plain", "reset", *APP.rules)
    authority = make_authority(APP.named("plain").at(two.primary.url), wait_replicas=1)
    with pytest.raises(NotReplicated):
        authority.revoke(authority.issue("alice").access)
    assert "'wait'" in caplog.text


def test_a_near_cache_hears_of_it(make_authority: Make, two: Pair) -> None:
    ending = make_authority(two.primary.url, wait_replicas=1, timeout=TIMEOUT)
    hearer = make_authority(two.primary.url, near_cache_staleness=30)
    token = ending.issue("alice").access
    with two.primary.client() as client:

        def listens() -> bool:
            hearer.check(token)
            return client.pubsub_numsub("jwtrevoke:feed")[0][1] == 1

        wait_until(listens, "the near cache listens")
        hearer.check(token)
    with two.paused():
        with pytest.raises(NotReplicated):
            ending.revoke(token)
        told = time.monotonic()
        wait_until(lambda: not is_live(hearer, token), "the near cache hears")
        # Long before the verdict would be asked for again by itself.
        assert time.monotonic() - told < 20


def test_the_answer_to_a_request(make_app: MakeApp, two: Pair) -> None:
    app = make_app(two.primary.url, wait_replicas=1, timeout=TIMEOUT)
    app.register_blueprint(app.revoke.blueprint())
    with app.app_context():
        pair = app.revoke.issue("alice")
    bearer = {"Authorization": f"Bearer {pair.access}"}
    with two.paused():
        answer = app.test_client().post("/auth/logout", headers=bearer)
    assert (answer.status_code, answer.json["reason"]) == (503, "not_replicated")
    assert answer.headers["Retry-After"]
    assert answer.json["error"] == "temporarily_unavailable"


def test_the_answer_of_flask_jwt(make_app: MakeApp, two: Pair) -> None:
    app = make_app(two.primary.url, wait_replicas=1, timeout=TIMEOUT)
    with two.paused():
        result = app.test_cli_runner().invoke(jwt, ["block", "alice"])
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1
    assert "not_replicated" in result.stderr
    assert not result.stdout


def test_under_sentinel_and_a_client_that_is_handed_in(make_authority: Make) -> None:
    with (
        closing(Replicated(BINARIES["valkey"])) as topology,
        redis.Redis(port=topology.primary.port, socket_timeout=2) as handed,
    ):
        authorities = (
            make_authority(topology.url, wait_replicas=2, timeout=TIMEOUT),
            make_authority(None, redis=handed, wait_replicas=2, timeout=TIMEOUT),
        )
        tokens = [authority.issue("alice").access for authority in authorities]
        topology.replicas[0].pause()
        for _ in range(2):
            for authority, token in zip(authorities, tokens, strict=True):
                with assert_missed():
                    authority.logout(token)
        topology.replicas[0].resume()
        wait_until(lambda: have_all(topology.primary, 2), "they have all")
        for authority, token in zip(authorities, tokens, strict=True):
            authority.logout(token)


def test_in_a_cluster(make_authority: Make) -> None:
    """The one node that has the subject is asked, on the connection that wrote."""
    with closing(ReplicatedCluster(BINARIES["valkey"])) as cluster:
        authority = make_authority(cluster.url, wait_replicas=1, timeout=TIMEOUT)
        tokens = {name: authority.issue(name).access for name in map("user{}".format, range(5))}
        there = {
            name: next(one for one in cluster.primaries if has(one, authority.keys.version(name)))
            for name in tokens
        }
        cluster.replicas[0].pause()
        for _ in range(2):
            for name, token in tokens.items():
                with assert_missed() if there[name] is cluster.primaries[0] else nullcontext():
                    authority.revoke(token)
        cluster.replicas[0].resume()
    assert len({server.port for server in there.values()}) > 1


def assert_missed() -> AbstractContextManager[object]:
    return pytest.raises(NotReplicated)


def has(server: Server, key: str) -> bool:
    """Whether this node of a cluster holds the key."""
    with server.client() as client:
        try:
            return client.exists(key) == 1
        except redis.exceptions.MovedError:
            return False


def test_memory_has_no_replicas(make_authority: Make) -> None:
    with pytest.raises(ConfigurationError, match="WAIT_REPLICAS"):
        make_authority("memory://", wait_replicas=1)
    with pytest.raises(ConfigurationError, match="WAIT_REPLICAS"):
        make_authority(None, redis=fakeredis.FakeRedis(), wait_replicas=1)


def test_a_connection_that_breaks_while_it_waits_is_no_success(
    make_authority: Make, two: Pair
) -> None:
    authority = make_authority(two.primary.url, wait_replicas=1, timeout=20)
    pair = authority.issue("alice")
    with two.primary.client() as client, two.paused():

        def cut() -> None:
            wait_until(lambda: client.info("clients")["blocked_clients"], "it waits")
            client.client_kill_filter(_type="normal", skipme=True)

        cutting = threading.Thread(target=cut)
        cutting.start()
        with pytest.raises(NotReplicated):
            authority.revoke(pair.access)
        cutting.join()
    with pytest.raises((RevokedToken, Outage)):
        authority.check(pair.access)
    authority.revoke(pair.access)
