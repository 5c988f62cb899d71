"""The user of docs/redis.md, as whom the whole suite runs, may do nothing that is not needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import redis

from flask_jwt_revoke import Authority, JWTRevokeError, Outage, TokenPair
from flask_jwt_revoke.store import Reply, Transaction

from ..conftest import Clock
from ..live import is_live, until
from ..redis_page import APP, CLIENT_NAME, DATABASE, IN_CLUSTER, PREFIXED, User, administrator
from ..servers import BINARIES, Cluster, Server
from ..test_cluster import Move, slot_of_subject
from ..test_receipts import IDP, ISSUERS

Make = Callable[..., Authority]


@dataclass(frozen=True)
class Story:
    """Two sessions of alice; ``app`` is who is tried, ``admin`` and ``client`` prepare.

    ``near`` is ``app`` with a near cache.
    """

    app: Authority
    near: Authority
    admin: Authority
    client: Any
    clock: Clock
    phone: TokenPair
    laptop: TokenPair

    def check_a_minute_later(self) -> None:
        self.clock.now += 61
        self.app.check(self.phone.access)

    def rotate_again(self) -> None:
        self.admin.rotate(self.phone.refresh)
        self.app.rotate(self.phone.refresh)

    def rotate_what_was_spent(self) -> None:
        self.admin.rotate(self.phone.refresh)
        self.clock.now += 61
        self.app.rotate(self.phone.refresh)

    def rotate_what_was_logged_out(self) -> None:
        self.admin.logout(self.phone.access)
        self.app.rotate(self.phone.refresh)

    def issue_when_blocked(self) -> None:
        self.admin.block("alice")
        self.app.issue("alice")

    def unblock(self) -> None:
        self.admin.block("alice")
        self.app.unblock("alice")

    def issue_when_full(self) -> None:
        self.client.config_set("maxmemory", 1)
        try:
            self.app.issue("alice")
        finally:
            self.client.config_set("maxmemory", 0)

    def listen(self) -> None:
        self.client.config_resetstat()
        self.near.check(self.phone.access)
        until(lambda: self.client.acl_log() or "cmdstat_ping" in self.client.info("commandstats"))


TOURIST = APP.named("tourist")


def restored(transaction: Transaction) -> list[Reply]:
    transaction.restore_end(transaction.now + 60)
    return []


VERBS: dict[str, Callable[[Story], object]] = {
    "issue": lambda it: it.app.issue("alice"),
    "issue on a device": lambda it: it.app.issue("alice", device_id="phone"),
    "issue when blocked": Story.issue_when_blocked,
    "issue when full": Story.issue_when_full,
    "record": lambda it: it.app.record({"sub": "alice", "jti": "J1", "exp": it.clock() + 900}),
    "check": lambda it: it.app.check(it.phone.access),
    "check a refresh token": lambda it: it.app.check(it.phone.refresh, type="refresh"),
    "check a minute later": Story.check_a_minute_later,
    "sessions": lambda it: it.app.sessions("alice"),
    "rotate": lambda it: it.app.rotate(it.phone.refresh),
    "rotate again": Story.rotate_again,
    "rotate what was spent": Story.rotate_what_was_spent,
    "rotate what was logged out": Story.rotate_what_was_logged_out,
    "revoke": lambda it: it.app.revoke(it.phone.access),
    "logout": lambda it: it.app.logout(it.phone.access),
    "logout_session": lambda it: it.app.logout_session("alice", it.phone.session_id),
    "logout_device": lambda it: it.app.logout_device("alice", "phone"),
    "logout_others": lambda it: it.app.logout_others("alice", keep=it.laptop.session_id),
    "logout_everywhere": lambda it: it.app.logout_everywhere("alice"),
    "logout_everywhere but here": lambda it: it.app.logout_everywhere(
        "alice", keep=it.laptop.session_id
    ),
    "block": lambda it: it.app.block("alice"),
    "listen": Story.listen,
    "unblock": Story.unblock,
    "write back": lambda it: it.app.store.restore(it.clock(), {"alice": restored}),
    "once": lambda it: it.app.once(IDP, "M1", 60, lambda: None),
    "logout_outside_session": lambda it: it.app.logout_outside_session(IDP, "S1"),
}


def let_in(server: Server, user: User) -> User:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", user.name, "reset", *user.rules)
    return user


class Tour:
    """Every verb, each from the same beginning, as a user of the server."""

    def __init__(self, make_authority: Make, server: Server, user: User) -> None:
        self._clock = Clock(time.time())
        self._make = partial(make_authority, clock=self._clock, issuers=ISSUERS)
        self._client, self._user, self._url = server.client(), let_in(server, user), server.url

    def refused(self) -> dict[str, set[str]]:
        """The commands that the server refused the user, by verb."""
        found = self._refused("blacklist", *VERBS) | self._refused("allowlist", "check")
        self._client.close()
        return {verb: commands for verb, commands in found.items() if commands}

    def _refused(self, strategy: str, *verbs: str) -> dict[str, set[str]]:
        urls = self._user.at(self._url), administrator(self._url)
        app, admin = (self._make(url, strategy=strategy, audit_length=9) for url in urls)
        near = self._make(urls[0], strategy=strategy, near_cache_staleness=1)
        found = {f"{verb}, {strategy}": self._tried(verb, app, near, admin) for verb in verbs}
        near.close()
        return found

    def _tried(self, verb: str, app: Authority, near: Authority, admin: Authority) -> set[str]:
        self._client.flushall()
        phone, laptop = admin.issue("alice", device_id="phone"), admin.issue("alice")
        self._client.acl_log_reset()
        with suppress(JWTRevokeError):
            VERBS[verb](Story(app, near, admin, self._client, self._clock, phone, laptop))
        return {entry["object"] for entry in self._client.acl_log()}


@pytest.fixture(params=["valkey", "redis", "debian"])
def each(request: pytest.FixtureRequest, servers: Callable[[str], Server]) -> Server:
    return servers(request.param)


def test_the_user_may_do_what_each_verb_needs(make_authority: Make, each: Server) -> None:
    assert Tour(make_authority, each, TOURIST).refused() == {}


@pytest.mark.parametrize("command", APP.commands)
def test_no_command_is_allowed_that_no_verb_needs(
    make_authority: Make, server: Server, command: str
) -> None:
    refused = Tour(make_authority, server, TOURIST.denied(command)).refused()
    assert refused
    assert set().union(*refused.values()) == {command}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One whose slots move."""
    cluster = Cluster(BINARIES["valkey"])
    yield cluster
    cluster.close()


def misses_something(make_authority: Make, cluster: Cluster, user: User) -> bool:
    """At sign-in, or while the slot moves."""
    for server in cluster.servers:
        let_in(server, user)
    authority = make_authority(user.at(cluster.url), timeout=2)
    try:
        pair = authority.issue("alice")
        with Move(cluster, slot_of_subject(cluster, authority, "alice")) as move:
            move.carry(None)
            authority.sessions("alice")
        authority.revoke(pair.access)
    except Outage:
        return True
    return False


def test_in_a_cluster_the_user_may_do_what_it_needs(make_authority: Make, cluster: Cluster) -> None:
    assert not misses_something(make_authority, cluster, TOURIST.allowed(*IN_CLUSTER))


@pytest.mark.parametrize("rule", IN_CLUSTER)
def test_in_a_cluster_no_command_is_added_that_is_not_needed(
    make_authority: Make, cluster: Cluster, rule: str
) -> None:
    user = TOURIST.allowed(*IN_CLUSTER).denied(rule.removeprefix("+"))
    assert misses_something(make_authority, cluster, user)


@pytest.fixture
def own() -> Iterator[Server]:
    """One that nobody else listens to."""
    with closing(Server(BINARIES["valkey"])) as server:
        yield server


@pytest.mark.parametrize(
    ("addition", "option"), [(DATABASE, "db=1"), (CLIENT_NAME, "client_name=shop")]
)
def test_an_option_of_the_url_takes_one_command_more(
    make_authority: Make, server: Server, addition: tuple[str, ...], option: str
) -> None:
    url = f"{server.url}?{option}"
    with pytest.raises(Outage):
        make_authority(url).issue("alice")
    user = let_in(server, TOURIST.allowed(*addition))
    assert make_authority(user.at(url)).issue("alice")


def test_another_prefix_takes_another_line(make_authority: Make, server: Server) -> None:
    with pytest.raises(Outage):
        make_authority(server.url, key_prefix=PREFIXED[0].name).issue("alice")
    for user in PREFIXED:
        authority = make_authority(user.at(server.url), key_prefix=user.name)
        assert authority.check(authority.issue("alice").access)


def test_the_log_says_what_the_user_may_not_do(
    make_authority: Make, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    user = let_in(server, TOURIST.denied("mget").denied("zadd"))
    token = make_authority(server.url).issue("alice").access
    authority = make_authority(user.at(server.url))
    caplog.clear()
    with pytest.raises(Outage):
        authority.check(token)
    with pytest.raises(Outage):
        authority.issue("alice")
    of_check, of_issue = caplog.messages
    assert "'mget'" in of_check
    assert "'zadd'" in of_issue


def test_the_log_says_that_a_check_could_not_write(
    make_authority: Make, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    user, clock = let_in(server, TOURIST.denied("hset")), Clock(time.time())
    tokens = [make_authority(server.url).issue("alice").access for _ in range(3)]
    authority = make_authority(user.at(server.url), clock=clock)
    clock.now += 61
    for token in tokens:
        assert authority.check(token)
    (line,) = caplog.messages
    assert "'hset'" in line


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "CONFIG GET *", "ACL LIST", "SCRIPT KILL",
        "CLIENT LIST", "SHUTDOWN", "REPLICAOF NO ONE", "MONITOR", "SELECT 1",
        "GET other", "SET other 1", "MGET jwtrevoke:{a}:blocked other",
        "SUBSCRIBE other", "PSUBSCRIBE *", "PUBLISH other 1",
    ],
)  # fmt: skip
def test_the_user_may_do_nothing_else(server: Server, command: str) -> None:
    with (
        redis.Redis.from_url(server.url, protocol=2) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split(" "))


@pytest.mark.parametrize("call", ["redis.call('FLUSHALL')", "redis.call('SET', 'other', '1')"])
def test_nor_may_its_scripts(server: Server, call: str) -> None:
    with (
        redis.Redis.from_url(server.url, protocol=2) as client,
        pytest.raises(redis.ResponseError, match="ACL failure"),
    ):
        client.eval(f"return {call}", 0)


GOSSIP = (
    "", "null", "7", "[]", "{}", '"alice"', "[null]", "[7]", '[["alice"]]', "[" * 10_000,
    b"\xff\xfe", "x" * 1_000_000, '["alice","logout@1"]', '["alice","x","J1"]', '["bob"]',
    '["alice"', "subscribe", "pong", '["alice","blocked@1",null,"x"]', '["alice","x@1",0,""]',
    '["alice","x@1",9e9,"","J1"]', '["alice","x@1",4102444800,"\\ud800","J1"]',
)  # fmt: skip


def test_who_may_only_publish_costs_an_extra_check_and_no_more(
    make_authority: Make, own: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is signed out by it, nobody lives on, and nothing is written."""
    teller = let_in(own, User("gossip", ("on", ">x", "&jwtrevoke:feed", "-@all", "+publish")))
    authority = make_authority(own.url, near_cache_staleness=30, timeout=5)
    other = make_authority(own.url)
    live, gone = authority.issue("alice"), authority.issue("alice")
    assert authority.check(live.access)
    with own.client() as client, redis.Redis.from_url(teller.at(own.url)) as gossip:
        wait_for_listener(client)
        kept = sorted(client.keys("*"))
        for message in GOSSIP:
            assert gossip.publish("jwtrevoke:feed", message) == 1
            assert authority.check(live.access)
        assert sorted(client.keys("*")) == kept
        with pytest.raises(redis.exceptions.NoPermissionError):
            gossip.get("jwtrevoke:{alice}:version")
        assert client.pubsub_numsub("jwtrevoke:feed")[0][1] == 1
    assert caplog.messages == []
    # The listener hears on.
    authority.check(gone.access)
    other.revoke(gone.access)
    until(lambda: not is_live(authority, gone.access))
    assert authority.check(live.access)


def wait_for_listener(client: redis.Redis) -> None:
    until(lambda: client.pubsub_numsub("jwtrevoke:feed")[0][1])
