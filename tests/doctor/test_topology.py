"""Clusters, Sentinels, and the way there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import pytest
import redis

from flask_jwt_revoke import Authority, Outage
from flask_jwt_revoke.doctor import Finding, examine
from flask_jwt_revoke.doctor.topology import judged_cluster, judged_manner, judged_sentinels
from flask_jwt_revoke.store.client import connect
from flask_jwt_revoke.store.inspection import Watcher, manner
from flask_jwt_revoke.store.slots import SLOTS

from ..redis_page import DOCTOR, IN_CLUSTER
from ..servers import BINARIES, Cluster, Sentinel, Server, free_ports
from .conftest import KEY

Make = Callable[..., Authority]


@pytest.fixture
def cluster(servers: Callable[[str], Cluster]) -> Cluster:
    """Whoever sets one of its primaries wrongly sets it right again."""
    return servers("cluster")


def by_name(findings: list[Finding], name: str) -> dict[str, tuple[str, ...]]:
    return {one.status: one.where for one in findings if one.name == name}


def test_each_primary_of_a_cluster_is_looked_at(cluster: Cluster, make_authority: Make) -> None:
    names = [f"127.0.0.1:{one.port}" for one in cluster.servers]
    url = DOCTOR.at(cluster.url)
    wrong = cluster.servers[1]
    with wrong.client() as client:
        try:
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.config_set("maxmemory", "100mb")
            found = examine(make_authority(url, secret_key=KEY, timeout=2))
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", 0)
    eviction = by_name(found, "eviction")
    assert (eviction["FAIL"], sorted(eviction["OK"])) == (
        (names[1],),
        sorted((names[0], names[2])),
    )
    for name in ("write", "clock", "acl", "role", "tls"):
        assert by_name(found, name).keys() == {"OK"}
    assert sorted(by_name(found, "write")["OK"]) == sorted(names)
    assert by_name(found, "replicas").keys() == {"WARN"}
    assert by_name(found, "cluster").keys() == {"OK"}
    assert by_name(found, "feed").keys() == {"OK"}


def test_the_commands_of_a_cluster_are_needed_there(cluster: Cluster, make_authority: Make) -> None:
    for server in cluster.servers:
        with server.client() as client:
            user = DOCTOR.allowed(*IN_CLUSTER).denied("asking").named("stuck")
            client.execute_command("ACL", "SETUSER", "stuck", "reset", *user.rules)
    (found,) = examine(make_authority(user.at(cluster.url), timeout=2), "acl")
    assert (found.status, found.found) == ("FAIL", "stuck may not ASKING")


def test_a_node_that_is_asked_as_if_it_were_alone(cluster: Cluster, make_authority: Make) -> None:
    (found,) = examine(make_authority(DOCTOR.at(cluster.servers[0].url)), "role")
    assert found.status == "FAIL"


def test_a_primary_that_does_not_answer(cluster: Cluster, make_authority: Make) -> None:
    authority = make_authority(DOCTOR.at(cluster.url), timeout=0.25)
    examine(authority, "version")
    silent = cluster.servers[2]
    try:
        silent.pause()
        (reachable, *versions) = examine(authority, "reachable", "version")
        assert (reachable.status, f":{silent.port}" in reachable.found) == ("FAIL", True)
        assert sorted(where for one in versions for where in one.where) == sorted(
            f"127.0.0.1:{one.port}" for one in cluster.servers[:2]
        )
        for server in cluster.servers[:2]:
            server.pause()
        with pytest.raises(Outage):
            examine(authority)
    finally:
        for server in cluster.servers:
            server.resume()


@pytest.mark.parametrize(
    ("primaries", "covered", "status"), [(3, SLOTS - 1, "FAIL"), (2, SLOTS, "WARN")]
)
def test_a_cluster_that_is_not_whole(primaries: int, covered: int, status: str) -> None:
    assert judged_cluster(primaries, covered).status == status


def test_slots_that_nobody_serves(cluster: Cluster, make_authority: Make) -> None:
    first, second, _ = cluster.servers
    with first.client() as client:
        owner = client.execute_command("CLUSTER", "MYID")
    with second.client() as client:
        for _ in range(20):
            # Of its own view alone, which soon hears better from the slot's owner.
            client.execute_command("CLUSTER", "DELSLOTS", 7)
            with redis.RedisCluster(
                host="127.0.0.1", port=second.port, require_full_coverage=False
            ) as handed_in:
                authority = make_authority(None, redis=handed_in)
                found, retries = examine(authority, "cluster", "client_retries")
            client.execute_command("CLUSTER", "SETSLOT", 7, "NODE", owner)
            if found.status == "FAIL":
                break
    assert found.found.startswith("1 of 16384 slots")
    assert (retries.status, "10 times" in retries.found) == ("WARN", True)


def test_promise_9_a_slot_that_nobody_serves_is_an_outage_of_its_own(
    cluster: Cluster, make_authority: Make
) -> None:
    first, second, _ = cluster.servers
    url = f"redis+cluster://127.0.0.1:{second.port}"
    with first.client() as client:
        owner = client.execute_command("CLUSTER", "MYID")
    with second.client() as client:
        for server in cluster.servers:
            with server.client() as one:
                one.config_set("cluster-require-full-coverage", "no")
        client.execute_command("CLUSTER", "DELSLOTS", 7)
        found = [make_authority(url, timeout=5).is_blocked(f"user{number}") for number in range(9)]
        client.execute_command("CLUSTER", "SETSLOT", 7, "NODE", owner)
        for server in cluster.servers:
            with server.client() as one:
                one.config_set("cluster-require-full-coverage", "yes")
    assert not any(found)


def test_one_sentinel_is_too_few(make_authority: Make) -> None:
    binary = BINARIES["redis"]
    with (
        closing(Server(binary, port=free_ports(1)[0])) as primary,
        closing(Sentinel(binary, primary.port)) as sentinel,
        sentinel.client() as client,
    ):
        authority = make_authority(DOCTOR.at(sentinel.url), timeout=2)
        (found,) = examine(authority, "sentinels")
        assert (found.status, "1 Sentinels, quorum 1, 0 replicas" in found.found) == ("WARN", True)
        (replicas,) = examine(authority, "replicas")
        assert replicas.status == "WARN"
        client.execute_command("SENTINEL", "SET", "main", "quorum", "5")
        (found,) = examine(authority, "sentinels")
        assert found.status == "FAIL"


@pytest.mark.parametrize(
    ("watchers", "status"),
    [
        ([Watcher(sentinels=3, quorum=2, replicas=1)] * 3, "OK"),
        ([Watcher(sentinels=3, quorum=2, replicas=0)] * 3, "WARN"),
        ([Watcher(sentinels=2, quorum=2, replicas=1)] * 2, "WARN"),
        ([Watcher(sentinels=3, quorum=4, replicas=1)] * 3, "FAIL"),
        ([Watcher(sentinels=3, quorum=2, replicas=1), Watcher(missing="gone")], "WARN"),
        ([Watcher(missing="gone")], "UNKNOWN"),
    ],
)
def test_sentinels(watchers: list[Watcher], status: str) -> None:
    assert judged_sentinels(watchers).status == status


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("redis://redis.example", "WARN"),
        ("redis://10.0.0.7", "WARN"),
        ("redis://localhost", "OK"),
        ("redis://127.0.0.1:7000", "OK"),
        ("redis://[::1]", "OK"),
        ("unix:///run/redis", "OK"),
        ("rediss://redis.example", "OK"),
        ("rediss://redis.example?ssl_cert_reqs=none", "FAIL"),
        ("rediss://redis.example?ssl_check_hostname=False", "FAIL"),
        ("rediss://localhost?ssl_cert_reqs=none", "OK"),
    ],
)
def test_tls(url: str, status: str) -> None:
    assert judged_manner(manner(connect(url, timeout=1))).status == status


def test_nothing_is_ok_without_redis(make_authority: Make) -> None:
    began = time.monotonic()
    with pytest.raises(Outage):
        examine(make_authority("unix:///nowhere"))
    assert time.monotonic() - began < 5
