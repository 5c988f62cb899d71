"""Redis loses its data: it is noticed, decided by ON_LOST_DATA, and near caches write back."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import redis

from flask_jwt_revoke import Authority, Event, ReusedToken, RevokedToken, signals
from flask_jwt_revoke.remembered import Remembered
from flask_jwt_revoke.store import Transaction, canary
from flask_jwt_revoke.store.feed import NONE

from ..conftest import SECRET, Clock, store_of
from ..live import is_live, until
from ..redis_page import APP
from ..servers import BINARIES, Cluster, Proxy, Server, free_ports
from ..test_cluster import slot_of_subject

Make = Callable[..., Authority]
CANARY = "jwtrevoke:canary"
STRATEGIES = ["blacklist", "allowlist", "version"]


@pytest.fixture
def own() -> Iterator[Server]:
    server = Server(BINARIES["valkey"], port=free_ports(1)[0])
    yield server
    server.close()


@pytest.fixture
def lost() -> Iterator[list[tuple[object, Event]]]:
    """Who told of a loss, and what."""
    found: list[tuple[object, Event]] = []

    def receive(sender: object, event: Event) -> None:
        found.append((sender, event))

    signals.data_lost.connect(receive)
    yield found
    signals.data_lost.disconnect(receive)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each contact looks at the canary."""
    monkeypatch.setattr(canary, "INTERVAL", 0)


def outside(**claims: object) -> dict[str, Any]:
    return {"sub": "alice", "jti": "J1", "exp": int(time.time()) + 900, **claims}


def listening(authority: Authority) -> None:
    authority.check(jwt.encode(outside(jti="first"), SECRET))
    until(lambda: authority._near._feed.subscription().proved > 0)


def remembered(authority: Authority) -> Remembered:
    return authority.store._lost.remembered


# -- noticed -----------------------------------------------------------------


def flush(server: Server) -> Server:
    with server.client() as client:
        client.flushall()
    return server


def restart(server: Server) -> Server:
    server.kill()
    server.start()
    return server


def replace(server: Server) -> Server:
    server.kill()
    return Server(BINARIES["redis"], port=server.port)


@pytest.mark.parametrize(("lose", "interval"), [(flush, 0), (restart, 1.5), (replace, 0)])
def test_each_process_notices_within_two_seconds_and_tells_once(
    make_authority: Make,
    own: Server,
    lost: list[tuple[object, Event]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *,
    lose: Callable[[Server], Server],
    interval: float,
) -> None:
    assert canary.INTERVAL == 1.5
    monkeypatch.setattr(canary, "INTERVAL", interval)
    url = APP.at(f"redis://127.0.0.1:{own.port}")
    checks, writes = make_authority(url), make_authority(url)
    near = make_authority(url, near_cache_staleness=1)
    pair = writes.issue("alice")
    assert checks.check(pair.access)
    listening(near)
    with own.client() as client:
        before = client.get(CANARY)
    server = lose(own)
    try:
        began = time.monotonic()
        while len(lost) < 3:
            # Two seconds, and eight for a busy machine.
            assert time.monotonic() < began + 10
            is_live(checks, pair.access)
            writes.block("bob")
            time.sleep(0.01)
        # Nobody tells again.
        ends = time.monotonic() + 0.1
        while time.monotonic() < ends:
            is_live(checks, pair.access)
            writes.block("bob")
        assert not is_live(checks, pair.access)
        assert {sender for sender, _ in lost} == {checks, writes, near}
        assert len(lost) == 3
        assert {event.reason for _, event in lost} == {"deny"}
        told = [one for one in caplog.records if "lost data" in one.getMessage()]
        assert len(told) == 3
        with server.client() as client:
            assert client.get(CANARY) not in (None, before)
    finally:
        if server is not own:
            server.close()


@pytest.mark.usefixtures("at_once")
class TestNoticing:
    def test_a_process_that_only_checks_sets_it_again(
        self, make_authority: Make, own: Server, lost: list[object]
    ) -> None:
        token = make_authority(own.url).issue("alice").access
        authority = make_authority(own.url)
        authority.check(token)
        flush(own)
        for _ in range(3):
            assert not is_live(authority, token)
        assert len(lost) == 1
        assert authority.store.canaries() == {CANARY: True}

    def test_a_near_cache_reuses_no_verdict_from_before(self, make_near: Make, own: Server) -> None:
        near = make_near(own.url)
        token = near.issue("alice").access
        assert near.check(token)
        flush(own)
        until(lambda: not is_live(near, token))

    def test_each_loss_is_told(self, make_authority: Make, own: Server, lost: list[object]) -> None:
        authority = make_authority(own.url)
        for number in range(3):
            assert len(lost) == number
            token = authority.issue("alice").access
            flush(own)
            assert not is_live(authority, token)

    def test_threads_tell_once(self, make_authority: Make, own: Server, lost: list[object]) -> None:
        authority = make_authority(own.url, timeout=5)
        token = authority.issue("alice").access
        barrier, over = threading.Barrier(9), threading.Event()

        def check() -> None:
            barrier.wait()
            while not over.is_set():
                is_live(authority, token)

        threads = [threading.Thread(target=check) for _ in range(8)]
        for thread in threads:
            thread.start()
        barrier.wait()
        for number in range(1, 6):
            flush(own)
            until(lambda number=number: len(lost) >= number)
        time.sleep(0.1)
        over.set()
        for thread in threads:
            thread.join()
        assert len(lost) == 5

    def test_a_child_knows_what_its_parent_knew(
        self, make_authority: Make, own: Server, lost: list[object]
    ) -> None:
        authority = make_authority(own.url)
        token = authority.issue("alice").access
        flush(own)
        child = os.fork()
        if child == 0:
            is_live(authority, token)
            os._exit(len(lost))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        assert lost == []
        is_live(authority, token)
        assert len(lost) == 1

    def test_a_process_that_starts_after_it_cannot_know(
        self, make_authority: Make, own: Server, lost: list[object]
    ) -> None:
        token = make_authority(own.url).issue("alice").access
        flush(own)
        late = make_authority(own.url)
        assert not is_live(late, token)
        late.issue("alice")
        assert lost == []

    def test_a_check_writes_nothing(self, make_authority: Make, server: Server) -> None:
        authority = make_authority(server.url)
        authority.check(jwt.encode(outside(), SECRET))
        assert authority.store.canaries() == {CANARY: False}

    def test_another_type_in_its_place_does_no_harm(
        self,
        make_authority: Make,
        server: Server,
        lost: list[object],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        authority = make_authority(server.url)
        token = authority.issue("alice").access
        with server.client() as client:
            client.delete(CANARY)
            client.lpush(CANARY, "broken")
            newcomer = make_authority(server.url)
            for one in (authority, newcomer):
                assert one.check(token)
                assert is_live(one, one.issue("alice").access)
                one.logout(one.issue("alice").access)
            assert len(lost) == 1
            assert caplog.text.count(f"{CANARY} is no string") == 2
            client.delete(CANARY)
            authority.block("bob")
            assert client.get(CANARY)

    def test_it_goes_along_with_a_check(self, make_authority: Make, server: Server) -> None:
        wire = Proxy(server)
        try:
            authority = make_authority(wire.url)
            token = authority.issue("alice").access
            authority.check(token)
            wire.forget()
            authority.check(token)
            assert (wire.round_trips, wire.said.count(CANARY.encode())) == (1, 1)
            wire.forget()
            authority.block("alice")
            assert (wire.round_trips, wire.said.count(CANARY.encode())) == (1, 1)
        finally:
            wire.close()

    def test_in_memory_and_with_a_client_that_decodes(
        self, make_authority: Make, server: Server, lost: list[object]
    ) -> None:
        client = redis.Redis(unix_socket_path=str(server.socket), decode_responses=True)
        for authority in (make_authority("memory://"), make_authority(None, redis=client)):
            lost.clear()
            token = authority.issue("alice").access
            assert authority.check(token)
            store_of(authority).flushall()
            assert not is_live(authority, token)
            assert not is_live(authority, token)
            assert len(lost) == 1
        client.close()


def test_it_is_looked_at_once_in_a_while(make_authority: Make, server: Server) -> None:
    wire = Proxy(server)
    try:
        authority = make_authority(wire.url)
        token = authority.issue("alice").access
        began = time.monotonic()
        for _ in range(20):
            authority.check(token)
        assert wire.said.count(b"GET\r\n$16\r\njwtrevoke:canary") == 1 or (
            time.monotonic() - began > canary.INTERVAL
        )
    finally:
        wire.close()


# -- decided -----------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("answer", ["deny", "allow"])
class TestDecision:
    @pytest.fixture
    def authority(
        self, make_authority: Make, server: Server, strategy: str, answer: str
    ) -> Authority:
        return make_authority(server.url, strategy=strategy, on_lost_data=answer)

    @pytest.mark.parametrize(
        "verb",
        [
            lambda a: a.issue("alice"),
            lambda a: a.rotate(a.issue("alice").refresh),
            lambda a: a.logout(a.issue("alice").access),
            lambda a: a.revoke(a.issue("alice").refresh),
            lambda a: a.logout_session("alice", "S1"),
            lambda a: a.logout_others("alice", keep="S1"),
            lambda a: a.record(outside(sid="S2")),
            lambda a: (a.block("alice"), a.unblock("alice")),
            lambda a: a.purge("alice"),
        ],
    )
    def test_whatever_has_run_since(
        self, authority: Authority, server: Server, answer: str, verb: Callable[[Any], object]
    ) -> None:
        pair = authority.issue("alice")
        flush(server)
        verb(authority)
        for token, type in ((pair.access, "access"), (pair.refresh, "refresh")):
            assert is_live(authority, token, type) is (answer == "allow")
        if answer == "deny":
            with pytest.raises(RevokedToken):
                authority.rotate(pair.refresh)
            return
        second = authority.rotate(pair.refresh)
        assert authority.rotate(pair.refresh).access == second.access
        assert not is_live(authority, pair.refresh, "refresh")
        assert is_live(authority, second.access)
        assert is_live(authority, second.refresh, "refresh")

    @pytest.mark.parametrize("raises", [1, 2, 1000, 1001])
    def test_log_out_everywhere_after_it_ends_what_was_before(
        self, authority: Authority, server: Server, raises: int
    ) -> None:
        old = authority.issue("alice")
        flush(server)
        new = authority.issue("alice")
        authority.store.transact(
            "alice", time.time(), lambda one: raised(one, raises, time.time() + 900)
        )
        for pair in (old, new):
            assert not is_live(authority, pair.access)
            with pytest.raises(RevokedToken):
                authority.rotate(pair.refresh)
        assert is_live(authority, authority.issue("alice").access)

    def test_what_was_logged_out_before_it(
        self, authority: Authority, server: Server, answer: str
    ) -> None:
        old = authority.issue("alice")
        authority.logout_everywhere("alice")
        flush(server)
        authority.issue("alice")
        assert is_live(authority, old.access) is (answer == "allow")

    def test_what_is_ended_after_it_stays_ended(self, authority: Authority, server: Server) -> None:
        pairs = [authority.issue("alice") for _ in range(3)]
        flush(server)
        authority.issue("alice")
        authority.revoke(pairs[0].access)
        authority.logout(pairs[1].access)
        authority.block("alice")
        authority.unblock("alice")
        assert not any(is_live(authority, pair.access) for pair in pairs[:2])

    def test_a_second_use_after_it_is_theft(
        self, authority: Authority, server: Server, answer: str
    ) -> None:
        if answer == "deny":
            return
        pair = authority.issue("alice")
        flush(server)
        second = authority.rotate(pair.refresh)
        third = authority.rotate(second.refresh)
        with pytest.raises(ReusedToken):
            authority.rotate(pair.refresh)
        assert not is_live(authority, third.access)


def raised(transaction: Transaction, times: int, until: float) -> None:
    for _ in range(times):
        transaction.raise_version(until)


# -- written back --------------------------------------------------------------


@pytest.fixture
def make_near(make_authority: Make) -> Make:
    def make(url: str, **settings: object) -> Authority:
        authority = make_authority(url, near_cache_staleness=1, timeout=2, **settings)
        listening(authority)
        return authority

    return make


@pytest.mark.usefixtures("at_once")
class TestWriteBack:
    def test_near_caches_write_back_what_they_heard(
        self, make_authority: Make, make_near: Make, own: Server, lost: list[tuple[object, Event]]
    ) -> None:
        near = [make_near(own.url, on_lost_data="allow") for _ in range(3)]
        other = make_authority(own.url, on_lost_data="allow")
        revoked, ended = outside(jti="J2"), outside(jti="J3", sid="S3")
        everywhere, bystander = other.issue("bob"), other.issue("dora")
        other.revoke(revoked, reason="stolen")
        other.logout(ended)
        other.logout_everywhere("bob")
        other.block("carol")
        other.block("dora")
        other.unblock("dora")
        until(lambda: all(len(remembered(one)) == 5 for one in near))
        until(lambda: all(one.store._canaries._single.value for one in near))
        with own.client() as client:
            before = {key: client.get(key) for key in client.keys("*:revoked:[JS][23]")}
            ttls = {key: client.pttl(key) for key in before}
            blocked = client.get("jwtrevoke:{carol}:blocked")
            client.flushall()
            late = other.issue("bob")
            until(lambda: len(lost) == 4)
            assert {key: client.get(key) for key in before} == before
            assert all(ttl - 60_000 < client.pttl(key) <= ttl + 1000 for key, ttl in ttls.items())
            assert client.get("jwtrevoke:{carol}:blocked") == blocked
            assert client.pttl("jwtrevoke:{carol}:blocked") == -1
            assert client.pttl("jwtrevoke:{bob}:version") > 0
        for authority in (*near, other):
            for claims in (revoked, ended):
                assert not is_live(authority, jwt.encode(claims, SECRET))
            assert not is_live(authority, everywhere.access)
            assert is_live(authority, late.access)
            assert is_live(authority, bystander.access)
        # Dora's blockade is remembered as lifted, and is not written.
        assert {event.count for sender, event in lost if sender is not other} == {4}

    def test_a_not_before_is_written_back(self, make_near: Make, own: Server) -> None:
        idp, now = "https://id.example/", int(time.time())
        issuer = {"keys": {"": SECRET}, "algorithms": ["HS256"], "audience": "shop"}
        authority = make_near(own.url, issuers={idp: issuer}, leeway=0.5)
        claims = outside(iss=idp, aud="shop", iat=now - 5)
        authority.logout_everywhere(f"{idp}#alice")
        until(lambda: remembered(authority)._known)
        key = authority.keys.not_before(f"{idp}#alice")
        with own.client() as client:
            before, ttl = client.get(key), client.pttl(key)
            client.flushall()
            remembered(authority).write_back(authority.store, time.time())
            assert int(client.get(key).split(b"@")[1]) >= int(before.split(b"@")[1])
            assert ttl - 60_000 < client.pttl(key) <= ttl + 1000
            assert not client.exists(authority.keys.version(f"{idp}#alice"))
        assert not is_live(authority, jwt.encode(claims, SECRET))

    def test_a_broken_subject_does_not_keep_the_others_from_it(
        self,
        make_near: Make,
        own: Server,
        lost: list[object],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("flask_jwt_revoke.store.redis._AT_ONCE", 1)
        near = make_near(own.url)
        near.issue("alice")
        near.logout_everywhere("alice")
        near.revoke(outside(jti="J2", sub="bob"))
        until(lambda: len(remembered(near)) == 2)
        with own.client() as client:
            client.flushall()
            client.lpush("jwtrevoke:{alice}:version", "broken")
            until(lambda: lost)
            assert client.get("jwtrevoke:{bob}:revoked:J2")
            assert client.get(CANARY)
        assert len(lost) == 1
        assert "jwtrevoke:{alice}:*, written back: WRONGTYPE" in caplog.text

    def test_whoever_has_cached_a_verdict_since_hears_of_it(
        self, make_near: Make, own: Server
    ) -> None:
        knows = make_near(own.url)
        knows.revoke(outside(jti="J2"))
        until(lambda: remembered(knows)._known)
        knows.store._canaries._single.due = float("inf")
        newcomer = make_near(own.url)
        flush(own)
        assert is_live(newcomer, jwt.encode(outside(jti="J2"), SECRET))
        remembered(knows).write_back(knows.store, time.time())
        until(lambda: not is_live(newcomer, jwt.encode(outside(jti="J2"), SECRET)))

    def test_twice_is_as_once(self, make_near: Make, own: Server) -> None:
        authority = make_near(own.url)
        authority.revoke(outside(jti="J2"))
        authority.logout_everywhere("bob")
        authority.block("carol")
        until(lambda: len(remembered(authority)) == 3)
        with own.client() as client:
            client.flushall()
            found = []
            for _ in range(2):
                remembered(authority).write_back(authority.store, time.time())
                found.append({key: client.get(key) for key in client.keys("*:{*}*")})
        assert found[0] == found[1]
        assert len(found[0]) == 3

    def test_a_sign_in_between_goes_on_and_the_older_does_not(
        self, make_near: Make, own: Server
    ) -> None:
        authority = make_near(own.url, on_lost_data="allow", strategy="version")
        old = authority.issue("alice")
        authority.logout_everywhere("alice")
        until(lambda: remembered(authority)._known)
        with own.client() as client:
            client.delete("jwtrevoke:{alice}:version")
        new = authority.issue("alice")
        assert is_live(authority, old.access)
        remembered(authority).write_back(authority.store, time.time())
        assert is_live(authority, new.access)
        assert is_live(authority, authority.rotate(new.refresh).access)
        assert not is_live(authority, old.access)

    def test_what_failed_is_tried_again(
        self, make_near: Make, own: Server, lost: list[object]
    ) -> None:
        authority = make_near(own.url)
        authority.revoke(outside(jti="J2"))
        until(lambda: remembered(authority)._known)
        with own.client() as client:
            client.execute_command("ACL", "SETUSER", APP.name, "-set")
            client.flushall()
            is_live(authority, jwt.encode(outside(), SECRET))
            time.sleep(0.1)
            assert lost == []
            client.execute_command("ACL", "SETUSER", APP.name, "+set")
            until(lambda: len(lost) == 1)
            assert client.exists("jwtrevoke:{alice}:revoked:J2")

    def test_no_request_waits_for_it(
        self,
        make_near: Make,
        own: Server,
        lost: list[object],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        authority = make_near(own.url)
        authority.revoke(outside(jti="J2"))
        until(lambda: len(remembered(authority)) == 1)
        gate, write_back, who = threading.Event(), Remembered.write_back, []

        def held_up(*given: Any) -> int:
            who.append(threading.current_thread().name)
            gate.wait(60)
            return write_back(*given)

        monkeypatch.setattr(Remembered, "write_back", held_up)
        flush(own)
        until(lambda: is_live(authority, jwt.encode(outside(), SECRET)) and who)
        assert (who, lost) == (["flask_jwt_revoke loss"], [])
        gate.set()
        until(lambda: len(lost) == 1)

    def test_who_may_only_publish_writes_nothing(
        self, make_near: Make, own: Server, lost: list[object]
    ) -> None:
        authority = make_near(own.url)
        token = authority.issue("alice").access
        with own.client() as client, client.pubsub() as spy:
            spy.subscribe("jwtrevoke:feed")
            spy.get_message(timeout=1)
            authority.revoke(outside(sub="mallory", jti="M1"))
            sealed = json.loads(spy.get_message(timeout=2)["data"])
            until(lambda: len(remembered(authority)) == 1)
            seal, ends = sealed[3], sealed[2]
            for message in (
                ["alice", "blocked@1"], ["alice", "blocked@1", None, ""],
                ["alice", "blocked@1", None, seal], ["alice", "logout@1", ends, seal],
                ["alice", sealed[1], ends, seal, "M1"], [*sealed, "M2"],
                ["mallory", sealed[1], ends + 900, seal, "M1"], ["mallory", sealed[1], None, seal],
                ["alice", "x@1", 10**400, seal, "J"], ["\ud800", "x@1", 1, seal, "J"],
            ):  # fmt: skip
                client.publish("jwtrevoke:feed", json.dumps(message))
            assert is_live(authority, token)
            time.sleep(0.1)
            assert len(remembered(authority)) == 1
            client.flushall()
            until(lambda: len(lost) == 1)
            assert client.keys("*:{alice}:*") == []
            assert client.pttl("jwtrevoke:{mallory}:revoked:M1") <= 900_000

    def test_it_is_bounded_and_forgets_what_is_over(
        self, make_authority: Make, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Remembered, "MOST", 10)
        clock = Clock(time.time())
        authority = make_authority(server.url, near_cache_staleness=1, clock=clock)
        listening(authority)
        for number in range(12):
            authority.revoke(outside(jti=f"J{number}", exp=int(clock.now) + 100 + number))
        until(lambda: ("alice", "J11", "id") in remembered(authority)._known)
        assert len(remembered(authority)) == 10
        assert remembered(authority).write_back(authority.store, clock.now + 105) == 6


def test_children_write_back_what_their_parent_heard(
    make_near: Make, own: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And many at once do no harm."""
    monkeypatch.setattr(canary, "INTERVAL", 0.05)
    authority = make_near(own.url)
    authority.revoke(outside(jti="J2"))
    until(lambda: remembered(authority)._known)
    flush(own)
    tokens = [jwt.encode(outside(jti=jti), SECRET) for jti in ("J1", "J2")]
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            time.sleep(0.06)
            # Their parent may be at it when they are forked, and not be through.
            latest = time.monotonic() + 20
            while is_live(authority, tokens[1]) and time.monotonic() < latest:
                time.sleep(0.02)
            found = [is_live(authority, token) for token in tokens]
            os._exit(0 if found == [True, False] else 1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in children] == [0, 0, 0]


# -- in a cluster ---------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_a_primary_that_loses_its_data_is_noticed_alone(
    make_authority: Make, servers: Callable[[str], Cluster], lost: list[tuple[object, Event]]
) -> None:
    cluster = servers("cluster")
    with cluster.client() as client:
        client.flushall()
    authority = make_authority(cluster.url, timeout=2)
    near = make_authority(cluster.url, timeout=2, near_cache_staleness=1)
    pairs = {f"user{number}": authority.issue(f"user{number}") for number in range(30)}
    for pair in pairs.values():
        near.check(pair.access)
    until(lambda: near._near._feed.subscription() is not NONE)
    other = {"sub": "user1", "jti": "J1", "exp": int(time.time()) + 900}
    near.revoke(other)
    until(lambda: remembered(near)._known)
    slot = slot_of_subject(cluster, authority, "user1")
    with cluster.client() as client:
        empty = client.nodes_manager.get_node_from_slot(slot)
        client.get_redis_connection(empty).flushall()
        gone = {
            name
            for name in pairs
            if client.nodes_manager.get_node_from_slot(
                slot_of_subject(cluster, authority, name)
            ).name
            == empty.name
        }
    until(lambda: any(sender is near for sender, _ in lost))
    assert 0 < len(gone) < len(pairs)
    for _ in range(2):
        assert {name for name, pair in pairs.items() if not is_live(authority, pair.access)} == gone
    assert [sender for sender, _ in lost if sender is authority] == [authority]
    assert [sender for sender, _ in lost if sender is near] == [near]
    assert not is_live(authority, jwt.encode(other, SECRET))
    assert any(authority.store.canaries().values())
