"""What a server says of itself, on servers that are set wrongly on purpose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from flask_jwt_revoke import Authority
from flask_jwt_revoke.doctor import NAMES, examine
from flask_jwt_revoke.doctor.server import judged_version

from ..conftest import missing
from ..redis_page import APP, DOCTOR, OPERATOR, User, options
from ..servers import BINARIES, Server, free_ports
from .conftest import KEY, Patient

Make = Callable[..., Authority]

OF_THE_APP = {
    "secret", "access_lifetime", "cookie_secure", "cookie_samesite", "csrf", "on_outage",
    "on_lost_data", "timeout", "store", "debug",
}  # fmt: skip
OF_A_CLIENT = {name for name in NAMES if name.startswith("client_")}


@pytest.mark.parametrize("kind", ["valkey", "redis", "debian"])
def test_with_the_lines_of_the_page_all_is_well(make_authority: Make, kind: str) -> None:
    binary = BINARIES[kind]
    if binary is None:
        missing("Debian's redis-server")
    with closing(Server(binary, *options("server"))) as server:
        authority = make_authority(DOCTOR.at(server.url), secret_key=KEY)
        found = {one.name: one.status for one in examine(authority, debug=False)}
    of_others = {"cluster", "sentinels", "min_replicas", "cookie_secure", "cookie_samesite", "csrf"}
    assert found.keys() == set(NAMES) - of_others - OF_A_CLIENT
    assert {name for name, status in found.items() if status != "OK"} == {"canary"}


def test_what_the_user_may_not_look_at_is_unknown(patient: Patient) -> None:
    blind = User("blind", ("on", ">x", "~*", "&*", "-@all", "+echo"))
    patient.client.execute_command("ACL", "SETUSER", blind.name, *blind.rules)
    authority = patient.make(blind.at(patient.server.url), secret_key=KEY)
    found = {one.name: one.status for one in examine(authority)}
    refused = {"write": "FAIL", "feed": "FAIL"}
    seen = {"reachable": "OK", "tls": "OK"}
    assert {name: one for name, one in found.items() if name not in OF_THE_APP} == {
        **dict.fromkeys(found.keys() - OF_THE_APP, "UNKNOWN"), **refused, **seen
    }  # fmt: skip


@pytest.mark.parametrize("name", ["fsync", "feed_buffer"])
def test_without_config_get_it_is_unknown(patient: Patient, name: str) -> None:
    with patient.configured(appendonly="yes"):
        finding = patient.finding(name, OPERATOR.at(patient.server.url))
    assert finding.status == "UNKNOWN"
    assert "config|get" in finding.found
    assert "docs/redis.md" in finding.remedy


@pytest.mark.parametrize(
    ("policy", "maxmemory", "status"),
    [
        ("allkeys-lru", "100mb", "FAIL"),
        ("volatile-ttl", "100mb", "FAIL"),
        ("volatile-lru", 0, "WARN"),
        ("noeviction", "100mb", "OK"),
    ],
)
def test_eviction(patient: Patient, policy: str, maxmemory: object, status: str) -> None:
    with patient.configured(maxmemory_policy=policy, maxmemory=maxmemory):
        assert patient.status("eviction") == status
        assert patient.status("eviction", OPERATOR.at(patient.server.url)) == status


def test_what_was_evicted_before_is_not_forgotten(patient: Patient) -> None:
    used = int(patient.client.info("memory")["used_memory"])
    with patient.configured(maxmemory_policy="allkeys-random", maxmemory=used + 100_000):
        for number in range(300):
            patient.client.set(f"jwtrevoke:doctor:{number}", "x" * 1000)
    finding = patient.finding("eviction")
    assert finding.status == "WARN"
    assert "have been evicted" in finding.found


@pytest.mark.parametrize(("share", "status"), [(1.05, "WARN"), (0.5, "FAIL"), (4, "OK")])
def test_memory(patient: Patient, share: float, status: str) -> None:
    patient.client.set("jwtrevoke:doctor:0", "x" * 10_000_000)
    used = int(patient.client.info("memory")["used_memory"])
    with patient.configured(maxmemory=int(used * share)):
        assert patient.status("memory") == status


@pytest.mark.parametrize(
    ("appendonly", "save", "on_lost_data", "status"),
    [
        ("no", "3600 1", "deny", "FAIL"),
        ("no", "", "deny", "WARN"),
        ("no", "", "allow", "FAIL"),
        ("yes", "3600 1", "allow", "OK"),
    ],
)
def test_persistence(
    patient: Patient, appendonly: str, save: str, on_lost_data: str, status: str
) -> None:
    with patient.configured(appendonly=appendonly, save=save):
        assert patient.status("persistence", on_lost_data=on_lost_data) == status


def test_tokens_of_outside_issuers_are_live_again_without_persistence(patient: Patient) -> None:
    issuers = {"https://id.example": {"keys": {"1": KEY}, "algorithms": ["HS256"], "audience": "x"}}
    with patient.configured(appendonly="no", save=""):
        assert patient.status("persistence", issuers=issuers) == "FAIL"
    with patient.configured(appendonly="yes", save=""):
        assert patient.status("persistence", issuers=issuers) == "OK"


def test_persistence_is_not_well_where_snapshots_are_not_told(patient: Patient) -> None:
    finding = patient.finding("persistence", OPERATOR.at(patient.server.url))
    assert (finding.status, "is not told" in finding.found) == ("WARN", True)


@pytest.mark.parametrize(
    ("policy", "status"), [("no", "WARN"), ("everysec", "OK"), ("always", "OK")]
)
def test_fsync(patient: Patient, policy: str, status: str) -> None:
    with patient.configured(appendonly="yes", appendfsync=policy):
        assert patient.status("fsync") == status


def test_a_snapshot_that_failed(make_authority: Make) -> None:
    with closing(Server(BINARIES["valkey"])) as server:
        patient = Patient(server, make_authority)
        assert patient.status("saves") == "OK"
        (server.folder / "dump.rdb").mkdir()  # which no snapshot can replace
        patient.client.bgsave()
        until = time.monotonic() + 10
        while patient.client.info("persistence")["rdb_bgsave_in_progress"]:
            assert time.monotonic() < until
            time.sleep(0.01)
        finding = patient.finding("saves")
        patient.client.close()
    assert (finding.status, finding.found) == ("FAIL", "the last snapshot failed")


def test_one_snapshot_that_was_taken_says_that_there_are_some(make_authority: Make) -> None:
    with closing(Server(BINARIES["valkey"])) as server, server.client() as client:
        client.save()
        patient = Patient(server, make_authority)
        assert patient.status("persistence", OPERATOR.at(server.url)) == "FAIL"
        patient.client.close()


class Pair:
    """A primary and its replica."""

    def __init__(self) -> None:
        (port,) = free_ports(1)
        binary = BINARIES["valkey"]
        self.primary = Server(binary, "--repl-diskless-sync-delay", "0", "--save", "", port=port)
        self.replica = Server(binary, "--replicaof", f"127.0.0.1 {port}", "--save", "")

    def is_online(self) -> bool:
        with self.primary.client() as client:
            return client.info("replication").get("slave0", {}).get("state") == "online"

    def wait(self) -> None:
        until = time.monotonic() + 20
        while not self.is_online():
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    found = Pair()
    found.wait()
    yield found
    found.replica.close()
    found.primary.close()


@pytest.fixture
def primary(pair: Pair, make_authority: Make) -> Iterator[Patient]:
    found = Patient(pair.primary, make_authority)
    yield found
    found.client.close()


@pytest.mark.parametrize(("wanted", "status"), [(0, "FAIL"), (1, "OK"), (2, "FAIL")])
def test_min_replicas(primary: Patient, wanted: int, status: str) -> None:
    with primary.configured(min_replicas_to_write=wanted):
        assert primary.status("min_replicas") == status


@pytest.mark.parametrize(("wanted", "status"), [(0, "FAIL"), (1, "OK")])
def test_min_replicas_by_info_alone(primary: Patient, wanted: int, status: str) -> None:
    with primary.configured(min_replicas_to_write=wanted):
        assert primary.status("min_replicas", OPERATOR.at(primary.server.url)) == status


def test_min_replicas_without_any_replica(patient: Patient) -> None:
    with patient.configured(min_replicas_to_write=1):
        for user in (DOCTOR, OPERATOR):
            assert patient.status("min_replicas", user.at(patient.server.url)) == "FAIL"
        assert "NOREPLICAS" in patient.finding("write").found


def test_a_replica_is_no_primary(pair: Pair, make_authority: Make) -> None:
    patient = Patient(pair.replica, make_authority)
    assert patient.status("role") == "FAIL"
    finding = patient.finding("write")
    assert (finding.status, "read only" in finding.found) == ("FAIL", True)
    patient.client.close()


def test_a_replica_that_does_not_keep_up(make_authority: Make) -> None:
    (port,) = free_ports(1)
    delay = ("--repl-diskless-sync-delay", "60")
    with closing(Server(BINARIES["valkey"], *delay, "--save", "", port=port)) as server:
        patient = Patient(server, make_authority)
        assert patient.finding("replicas").found == "0"
        follow = ("--replicaof", f"127.0.0.1 {port}")
        with closing(Server(BINARIES["valkey"], *follow, "--save", "")):
            until = time.monotonic() + 20
            while not patient.client.info("replication")["connected_slaves"]:
                assert time.monotonic() < until
                time.sleep(0.02)
            finding = patient.finding("replicas")
        patient.client.close()
    assert (finding.status, finding.found) == ("WARN", "1 of 1 do not keep up")


def test_replicas_that_keep_up(primary: Patient) -> None:
    assert primary.finding("replicas").found == "1"
    assert primary.status("replicas", wait_replicas=1) == "OK"


def test_fewer_replicas_than_a_revocation_waits_for(primary: Patient) -> None:
    assert primary.status("replicas", wait_replicas=2) == "FAIL"


@pytest.mark.parametrize("command", ["flushall", "flushdb"])
def test_a_database_that_was_emptied(patient: Patient, command: str) -> None:
    assert patient.status("flushed") == "OK"
    patient.client.execute_command(command)
    finding = patient.finding("flushed")
    assert (finding.status, command.upper() in finding.found) == ("WARN", True)


def test_another_database_on_the_server(patient: Patient) -> None:
    with patient.server.client(db=3) as client:
        client.set("celery", 1)
        finding = patient.finding("shared_server")
        assert (finding.status, "db3" in finding.found) == ("WARN", True)
        user = DOCTOR.allowed("+select")
        patient.client.execute_command("ACL", "SETUSER", "chooser", "reset", *user.rules)
        url = user.named("chooser").at(patient.server.url) + "?db=3"
        assert patient.status("shared_server", url) == "OK"


@pytest.mark.parametrize(
    ("limit", "status"),
    [("0 0 0", "WARN"), ("10000 5000 60", "WARN"), ("32mb 8mb 60", "OK"), ("32mb 0 0", "OK")],
)
def test_feed_buffer(patient: Patient, limit: str, status: str) -> None:
    with patient.configured(client_output_buffer_limit=f"pubsub {limit}"):
        assert patient.status("feed_buffer") == status


@pytest.mark.parametrize(
    ("name", "said", "status"),
    [
        ("Redis", "6.2.14", "FAIL"), ("Redis", "7.0.0", "OK"), ("Redis", "10.1", "OK"),
        ("Valkey", "7.2.5", "OK"), ("Valkey", "8.0.0", "OK"),
    ],
)  # fmt: skip
def test_version(name: str, said: str, status: str) -> None:
    least = (7, 2) if name == "Valkey" else (7, 0)
    assert judged_version(name, said, least).status == status


def test_the_apps_own_user_is_told_what_it_may_not_see(patient: Patient) -> None:
    finding = patient.finding("eviction", APP.at(patient.server.url))
    assert (finding.status, "'info'" in finding.found) == ("UNKNOWN", True)
