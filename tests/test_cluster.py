"""Three primaries: each write of a subject is one transaction in one slot, and slots may move."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import jwt
import pytest
import redis
from redis.cache import CacheFactory
from redis.cluster import LoadBalancingStrategy

from flask_jwt_revoke import Authority, ConfigurationError, Outage, RevokedToken
from flask_jwt_revoke.store import Breakers

from .conftest import SECRET
from .live import is_live, until
from .servers import BINARIES, Cluster, Server

Make = Callable[..., Authority]

SUBJECTS = ("alice", "a:b", "{x}", "}{", "{}", "%7B", "🔑", "a\nb", "a\x00b", " ", "x" * 256)
WRITES = {
    "SET", "GET", "INCRBY", "PEXPIRE", "DEL", "ZADD", "ZREM", "ZREMRANGEBYSCORE", "ZRANGE",
    "HSET", "HDEL", "HLEN", "UNLINK", "ZCOUNT", "EVAL", "PUBLISH",
}  # fmt: skip


@pytest.fixture(scope="module", params=["valkey", "redis"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of this module's own, since its slots move."""
    cluster = Cluster(BINARIES[request.param])
    yield cluster
    cluster.close()


@pytest.fixture
def authority(cluster: Cluster, make_authority: Make) -> Authority:
    cluster.empty()
    return make_authority(cluster.url, timeout=2)


class Monitors:
    """What each primary is told while the block runs."""

    def __init__(self, cluster: Cluster) -> None:
        self._servers = cluster.servers
        self._stack = ExitStack()

    def __enter__(self) -> Monitors:
        self._monitors = [
            self._stack.enter_context(self._stack.enter_context(server.client()).monitor())
            for server in self._servers
        ]
        return self

    def __exit__(self, *exception: object) -> None:
        self.heard = [
            self._read(server, monitor)
            for server, monitor in zip(self._servers, self._monitors, strict=True)
        ]
        self._stack.close()

    def _read(self, server: Server, monitor: Any) -> list[str]:
        with server.client(driver_info=None) as client:
            client.echo("the end")
        heard = []
        while (command := monitor.next_command()["command"]) != "ECHO the end":
            heard.append(command)
        return heard


def outside(subject: str, **claims: object) -> dict[str, Any]:
    return {"sub": subject, "jti": "J1", "exp": int(time.time()) + 900, **claims}


VERBS: dict[str, Callable[..., object]] = {
    "issue": lambda a, pair, subject: a.issue(subject),
    "record": lambda a, pair, subject: a.record(outside(subject, sid="S1")),
    "revoke": lambda a, pair, subject: a.revoke(pair.access),
    "logout": lambda a, pair, subject: a.logout(pair.access),
    "logout_session": lambda a, pair, subject: a.logout_session(subject, pair.session_id),
    "logout_everywhere": lambda a, pair, subject: a.logout_everywhere(subject),
}
#: Those after which the pair's access token is refused.
ENDS = [verb for verb in VERBS if verb not in ("issue", "record")]


@pytest.mark.parametrize("verb", VERBS)
def test_promise_4_a_write_is_one_transaction_on_one_primary(
    authority: Authority, cluster: Cluster, verb: str
) -> None:
    for subject in ("alice", "{x}:🔑"):
        pair = authority.issue(subject)
        with Monitors(cluster) as monitors:
            VERBS[verb](authority, pair, subject)
        (heard,) = filter(None, monitors.heard)
        names = [command.split(" ")[0] for command in heard]
        assert (names.count("MULTI"), names.count("EXEC"), names[-1]) == (1, 1, "EXEC")
        inside = set(names[names.index("MULTI") + 1 : -1])
        outside = set(names[: names.index("MULTI")])
        assert inside <= WRITES
        assert outside <= {"WATCH", "GET", "HGET", "HRANDFIELD", "ZRANGE"}


def test_promise_2_a_check_is_one_round_trip_to_one_primary(
    authority: Authority, cluster: Cluster
) -> None:
    pair = authority.issue("alice")
    with Monitors(cluster) as monitors:
        authority.check(pair.access)
    (heard,) = filter(None, monitors.heard)
    assert [command.split(" ")[0] for command in heard] == ["MGET"]


@pytest.mark.filterwarnings("ignore:.*read_from_replicas:DeprecationWarning")
@pytest.mark.parametrize(
    "option",
    [{"read_from_replicas": True}, {"load_balancing_strategy": LoadBalancingStrategy.ROUND_ROBIN}],
)
def test_a_client_that_asks_replicas_is_refused(
    cluster: Cluster, make_authority: Make, option: dict[str, object]
) -> None:
    with (
        cluster.client(**option) as handed,
        pytest.raises(ConfigurationError, match="asks primaries"),
    ):
        make_authority(None, redis=handed)


def test_a_client_that_caches_is_refused(cluster: Cluster, make_authority: Make) -> None:
    with cluster.client() as handed:
        # As by cache_config, which redis-py takes of Redis 7.4 and newer alone.
        handed.nodes_manager._cache = CacheFactory().get_cache()
        with pytest.raises(ConfigurationError, match="without client-side caching"):
            make_authority(None, redis=handed)


def test_all_keys_of_a_subject_share_a_slot(authority: Authority, cluster: Cluster) -> None:
    for subject in SUBJECTS:
        cluster.empty()
        pair = authority.issue(subject)
        authority.revoke(pair.access)
        authority.logout_session(subject, pair.session_id)
        authority.logout_session(subject, "{other}slot")
        authority.record(outside(subject, jti="{other}slot too", sid="S:1"))
        keys = [key for server in cluster.servers for key in keys_of(server)]
        assert len(keys) == 6
        with cluster.servers[0].client() as client:
            assert len({slot_of(client, key) for key in keys}) == 1


def test_subjects_are_spread_over_all_primaries(authority: Authority, cluster: Cluster) -> None:
    pairs = [authority.issue(f"user {number}") for number in range(60)]
    counts = [len(keys_of(server)) for server in cluster.servers]
    assert sum(counts) == 60 * 3
    assert min(counts) > 0
    for number, pair in enumerate(pairs):
        assert authority.check(pair.access).subject == f"user {number}"
        assert authority.logout_everywhere(f"user {number}") == 2
        assert not is_live(authority, pair.access)


@pytest.mark.parametrize("verb", ENDS)
def test_promise_1_a_revoke_is_kept_when_its_slot_moves(
    authority: Authority, cluster: Cluster, make_authority: Make, verb: str
) -> None:
    other = make_authority(cluster.url, timeout=2)
    pair, kept = authority.issue("alice"), authority.issue("bob")
    assert is_live(other, pair.access)
    VERBS[verb](authority, pair, "alice")
    for slot in {slot_of_subject(cluster, authority, name) for name in ("alice", "bob")}:
        Move(cluster, slot).whole()
    for process in (authority, other):
        assert not is_live(process, pair.access)
        assert is_live(process, kept.access)


@pytest.mark.parametrize("verb", ENDS)
def test_promise_1_a_revoke_meets_a_slot_that_has_moved(
    authority: Authority, cluster: Cluster, make_authority: Make, verb: str
) -> None:
    """The client's map of the slots is out of date: it is told MOVED, and does it there."""
    other = make_authority(cluster.url, timeout=2)
    pair = authority.issue("alice")
    assert is_live(other, pair.access)
    Move(cluster, slot_of_subject(cluster, authority, "alice")).whole()
    VERBS[verb](authority, pair, "alice")
    assert not is_live(authority, pair.access)
    assert not is_live(other, pair.access)


def test_promise_1_a_sign_in_and_a_record_meet_a_slot_that_has_moved(
    authority: Authority, cluster: Cluster
) -> None:
    first = authority.issue("alice")
    slot = slot_of_subject(cluster, authority, "alice")
    Move(cluster, slot).whole()
    second = authority.issue("alice")
    Move(cluster, slot).whole()
    authority.record(outside("alice"))
    tokens = (first.access, second.access, jwt.encode(outside("alice"), SECRET))
    assert all(is_live(authority, token) for token in tokens)
    assert authority.logout_everywhere("alice") == 5
    assert not any(is_live(authority, token) for token in tokens)


@pytest.mark.parametrize("moved", ["one", "all"])
@pytest.mark.parametrize("verb", ["revoke", "logout", "logout_everywhere"])
def test_promise_1_a_slot_on_the_move_loses_no_revoke(
    authority: Authority, cluster: Cluster, make_authority: Make, verb: str, moved: str
) -> None:
    """Half of the keys here, half there: an honest outage is allowed, a wrong answer is not."""
    pair, gone = authority.issue("alice"), authority.issue("alice")
    authority.revoke(gone.access)
    # Whoever asks meanwhile is put off until its time is up.
    meanwhile = make_authority(cluster.url, timeout=0.4)
    with Move(cluster, slot_of_subject(cluster, authority, "alice")) as move:
        move.carry(1 if moved == "one" else None)
        acknowledged = is_acknowledged(lambda: VERBS[verb](meanwhile, pair, "alice"))
        assert not is_acknowledged(lambda: meanwhile.check(gone.access))
        if acknowledged:
            assert not is_acknowledged(lambda: meanwhile.check(pair.access))
    assert not is_live(authority, gone.access)
    assert is_live(authority, pair.access) is not acknowledged


@pytest.mark.parametrize("verb", ["revoke", "logout"])
def test_promise_9_an_outage_is_answered_soon_and_loses_no_connection(
    cluster: Cluster, make_authority: Make, verb: str
) -> None:
    authority = make_authority(cluster.url, timeout=0.05)
    pair = make_authority(cluster.url, timeout=20).issue("alice")
    while not is_acknowledged(lambda: authority.check(pair.access)):
        """It has learnt where the slots are, in the short time that it gives itself."""
    for server in cluster.servers:
        server.pause()
    try:
        started, before = time.monotonic(), len(connections())
        for _ in range(6):
            assert not is_acknowledged(lambda: VERBS[verb](authority, pair, "alice"))
        assert time.monotonic() - started < 15
        assert len(connections()) <= before + 1
    finally:
        for server in cluster.servers:
            server.resume()
    authority = make_authority(cluster.url, timeout=5)
    assert is_live(authority, authority.issue("bob").access)


def test_one_primary_that_hangs_is_an_outage_of_its_own_subjects_alone(
    cluster: Cluster, make_authority: Make
) -> None:
    authority = make_authority(cluster.url, timeout=1, breaker_pause=60)
    patient = make_authority(cluster.url, timeout=20)
    tokens = {name: patient.issue(name).access for name in map("user {}".format, range(20))}
    for token in tokens.values():
        until(partial(is_answered, authority, token))
    paused = cluster.servers[0]
    hurt = {name for name in tokens if is_on(paused, authority, name)}
    assert 0 < len(hurt) < len(tokens)
    paused.pause()
    try:
        while not authority.store.breakers.is_open:
            assert not is_answered(authority, tokens[min(hurt)])
        for name in tokens.keys() - hurt:
            until(partial(is_answered, authority, tokens[name]))
        started = time.monotonic()
        assert not any(is_answered(authority, tokens[name]) for name in list(hurt) * 100)
        # A hundred time-outs would be as many seconds.
        assert time.monotonic() - started < 20
    finally:
        paused.resume()


def test_the_breaker_of_a_primary_that_was_replaced_is_forgotten(cluster: Cluster) -> None:
    told: list[bool] = []
    breakers = Breakers(1, 60)
    breakers.changed = told.append
    with closing(cluster.client()) as client:
        gone, stays = client.get_node_from_key("a"), client.get_node_from_key("b")
        assert gone.name != stays.name
        breakers.of(client, "a").failed(redis.TimeoutError())
        breakers.of(client, "b").admit()
        assert told == [True]
        # As it is once the client has asked anew who has which slots.
        del client.nodes_manager.nodes_cache[gone.name]
        breakers.of(client, "b").admit()
        assert told == [True, False]
        assert not breakers.is_open


def is_answered(authority: Authority, token: str) -> bool:
    return is_acknowledged(lambda: authority.check(token))


def is_on(server: Server, authority: Authority, subject: str) -> bool:
    node = authority.store.client.get_node_from_key(authority.keys.version(subject))
    return node.port == server.port


def connections() -> list[object]:
    """Every connection to a cluster that is still held by somebody."""
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is redis.Connection]


def is_acknowledged(call: Callable[[], object]) -> bool:
    try:
        call()
    except (Outage, RevokedToken):
        return False
    return True


def keys_of(server: Server) -> list[bytes]:
    with server.client() as client:
        return list(client.keys("jwtrevoke:{*"))


def slot_of(client: redis.Redis, key: bytes | str) -> int:
    return client.execute_command("CLUSTER KEYSLOT", key)


def slot_of_subject(cluster: Cluster, authority: Authority, subject: str) -> int:
    with cluster.servers[0].client() as client:
        return slot_of(client, authority.keys.version(subject))


class Move:
    """One slot's way from the primary that has it to the next, in the steps of redis-cli."""

    def __init__(self, cluster: Cluster, slot: int) -> None:
        self.slot = slot
        servers = cluster.servers
        here = next(number for number, server in enumerate(servers) if self._owns(server))
        self.source, self.target = servers[here], servers[(here + 1) % len(servers)]
        self.all = servers

    def whole(self) -> None:
        with self:
            pass

    def __enter__(self) -> Move:
        self._tell(self.target, "IMPORTING", self._id(self.source))
        self._tell(self.source, "MIGRATING", self._id(self.target))
        return self

    def __exit__(self, *exception: object) -> None:
        self.carry(None)
        owner = self._id(self.target)
        for server in (self.target, self.source, *self.all):
            self._tell(server, "NODE", owner)

    def carry(self, count: int | None) -> None:
        with self.source.client() as client:
            keys = client.execute_command("CLUSTER GETKEYSINSLOT", self.slot, 1000)[:count]
            if keys:
                client.execute_command(
                    "MIGRATE", "127.0.0.1", self.target.port, "", 0, 5000, "KEYS", *keys
                )

    def _tell(self, server: Server, *words: str) -> None:
        with server.client() as client:
            client.execute_command("CLUSTER SETSLOT", self.slot, *words)

    def _owns(self, server: Server) -> bool:
        with server.client() as client:
            mine = client.execute_command("CLUSTER NODES")
        (me,) = (node for node in mine.values() if "myself" in node["flags"])
        return any(int(low) <= self.slot <= int(high) for low, high in map(_range, me["slots"]))

    @staticmethod
    def _id(server: Server) -> str:
        with server.client() as client:
            return client.execute_command("CLUSTER MYID").decode()


def _range(slots: list[str]) -> tuple[str, str]:
    return slots[0], slots[-1]
