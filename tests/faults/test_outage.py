"""Redis broken on purpose: what a check and a write answer, and what is true afterwards."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from typing import Any

import jwt
import pytest
from flask import Flask
from redis.connection import UnixDomainSocketConnection

from flask_jwt_revoke import (
    Authority,
    BadSignature,
    ExpiredToken,
    Outage,
    RevokedToken,
    TokenPair,
    WrongType,
    signals,
)

from ..campaign.topologies import follow
from ..conftest import SECRET, Clock, missing
from ..live import is_live, until
from ..redis_page import APP
from ..servers import BINARIES, Cluster, Proxy, Sentinel, Server, free_ports

Make = Callable[..., Authority]
MakeApp = Callable[..., Flask]

TIMEOUT = 0.2
#: Seconds. Some time-outs of a busy machine; redis-py's own defaults take a minute.
BOUND = 5.0


@pytest.fixture
def own() -> Iterator[Server]:
    """A Valkey that the test may break."""
    server = Server(BINARIES["valkey"])
    yield server
    server.close()


@pytest.fixture
def wire(own: Server) -> Iterator[Proxy]:
    proxy = Proxy(own)
    yield proxy
    proxy.close()


@pytest.fixture
def silent() -> Iterator[Callable[[], int]]:
    """Make ports that take connections and never say a word."""
    with ExitStack() as listeners:

        def listen() -> int:
            one = listeners.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            one.listen(512)
            return one.getsockname()[1]

        yield listen


@contextmanager
def an_outage(within: float = BOUND) -> Iterator[None]:
    started = time.monotonic()
    with pytest.raises(Outage):
        yield
    assert time.monotonic() - started < within


def outside(**claims: object) -> dict[str, Any]:
    return {"sub": "alice", "jti": "J1", "exp": int(time.time()) + 900, **claims}


def signed_pair() -> TokenPair:
    """A pair that any authority of these tests verifies, from a store that is not asked."""
    access, refresh = outside(sid="S1", ver=1), outside(sid="S1", ver=1, type="refresh", jti="J2")
    return TokenPair(jwt.encode(access, SECRET), jwt.encode(refresh, SECRET), "S1", 900)


WRITES: dict[str, Callable[[Authority, TokenPair], object]] = {
    "issue": lambda a, pair: a.issue("alice"),
    "record": lambda a, pair: a.record(outside(jti="J3")),
    "record in a session": lambda a, pair: a.record(outside(jti="J3", sid="S3")),
    "revoke": lambda a, pair: a.revoke(pair.access),
    "logout": lambda a, pair: a.logout(pair.access),
    "logout_session": lambda a, pair: a.logout_session("alice", pair.session_id),
    "logout_everywhere": lambda a, pair: a.logout_everywhere("alice"),
}
VERBS = {"check": lambda a, pair: a.check(pair.access), **WRITES}


def at_once(call: Callable[[str], object], verbs: Iterable[str]) -> None:
    """The call for each verb in a thread of its own, since it waits most of the time."""
    with ThreadPoolExecutor(len(VERBS)) as pool:
        for future in [pool.submit(call, verb) for verb in verbs]:
            future.result()


# A busy machine may take many of the short time-outs here.
wait_until = partial(until, seconds=30)


def is_live_at_last(authority: Authority, token: str) -> bool:
    """Asked again after an outage, as which a short time-out takes a busy machine."""
    wait_until(lambda: answers(partial(is_live, authority, token)))
    return is_live(authority, token)


# -- an outage is answered, soon, and never as a success ---------------------


@pytest.mark.parametrize("fault", ["pause", "kill"])
@pytest.mark.parametrize("on_outage", ["deny", "allow"])
def test_promise_9_a_server_that_stops_answering(
    make_authority: Make, own: Server, fault: str, on_outage: str
) -> None:
    authority = make_authority(own.url, timeout=TIMEOUT, on_outage=on_outage)
    pair = authority.issue("alice")
    getattr(own, fault)()
    for verb in WRITES.values():
        with an_outage():
            verb(authority, pair)
    started = time.monotonic()
    if on_outage == "allow":
        assert authority.check(pair.access).subject == "alice"
    else:
        with an_outage():
            authority.check(pair.access)
    assert time.monotonic() - started < BOUND


@pytest.mark.parametrize("topology", ["redis", "redis+sentinel", "redis+cluster"])
@pytest.mark.parametrize("there", ["closed", "silent"])
def test_promise_9_a_server_that_was_never_there(
    make_authority: Make, silent: Callable[[], int], topology: str, there: str
) -> None:
    ports = free_ports(3) if there == "closed" else [silent() for _ in range(3)]
    hosts = [f"127.0.0.1:{port}" for port in ports]
    url = {
        "redis": f"redis://{hosts[0]}",
        "redis+sentinel": f"redis+sentinel://{','.join(hosts)}/main",
        "redis+cluster": f"redis+cluster://{','.join(hosts)}",
    }[topology]

    def ask(verb: str) -> None:
        authority = make_authority(url, timeout=TIMEOUT)
        with an_outage():
            VERBS[verb](authority, signed_pair())

    at_once(ask, VERBS)


@pytest.mark.parametrize("topology", ["redis", "redis+cluster"])
def test_promise_9_requests_do_not_queue_behind_each_other(
    make_authority: Make, silent: Callable[[], int], topology: str
) -> None:
    hosts = ",".join(f"127.0.0.1:{silent()}" for _ in range(1 + 2 * (topology != "redis")))
    authority, pair = make_authority(f"{topology}://{hosts}", timeout=TIMEOUT), signed_pair()

    def check() -> None:
        with an_outage():
            authority.check(pair.access)

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(check) for _ in range(16)]:
            future.result()


def test_many_requests_at_once_are_no_outage(
    make_authority: Make, own: Server, wire: Proxy
) -> None:
    """There are as many connections as threads, all of them in use at one moment."""
    authority = make_authority(wire.url, timeout=30)
    token = authority.issue("alice").access
    wire.forget()
    own.pause()
    with ThreadPoolExecutor(130) as pool:
        checks = [pool.submit(authority.check, token) for _ in range(130)]
        # A connection that is new begins with AUTH.
        wait_until(
            lambda: (
                wire.said.count(b"AUTH") + wire.said.count(b"MGET") == 130
                or any(one.done() for one in checks)
            )
        )
        own.resume()
        assert {one.result().subject for one in checks} == {"alice"}


def full(own: Server) -> None:
    with own.client() as client:
        client.config_set("maxmemory", 1)


def demoted(own: Server) -> None:
    with own.client() as client:
        client.replicaof("127.0.0.1", free_ports(1)[0])


def locked(own: Server) -> None:
    with own.client() as client:
        client.execute_command("ACL", "SETUSER", APP.name, "resetpass", ">another")
        client.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.parametrize("on_outage", ["deny", "allow"])
@pytest.mark.parametrize("fault", [full, demoted, locked])
@pytest.mark.parametrize("verb", WRITES)
def test_promise_9_a_write_that_is_refused_is_no_success(
    make_authority: Make,
    own: Server,
    fault: Callable[[Server], None],
    verb: str,
    on_outage: str,
) -> None:
    authority = make_authority(own.url, timeout=TIMEOUT, on_outage=on_outage)
    pair = authority.issue("alice")
    fault(own)
    with an_outage():
        WRITES[verb](authority, pair)


@pytest.mark.parametrize("fault", [full, demoted])
def test_a_server_that_only_refuses_writes_still_answers_checks(
    make_authority: Make, own: Server, fault: Callable[[Server], None]
) -> None:
    authority = make_authority(own.url)
    live, gone = authority.issue("alice"), authority.issue("alice")
    authority.logout(gone.access)
    fault(own)
    assert is_live(authority, live.access)
    assert not is_live(authority, gone.access)


def test_promise_9_a_server_that_is_full_works_again_when_there_is_room(
    make_authority: Make, own: Server
) -> None:
    authority = make_authority(own.url)
    pair = authority.issue("alice")
    full(own)
    with an_outage():
        authority.logout_everywhere("alice")
    assert is_live(authority, pair.access)
    with own.client() as client:
        client.config_set("maxmemory", 0)
    assert authority.logout_everywhere("alice") == 2
    assert not is_live(authority, pair.access)


@pytest.mark.parametrize("verb", VERBS)
def test_promise_9_a_wrong_password(
    make_authority: Make, own: Server, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = f"unix://{APP.name}:wr0ng-passw0rd@{own.socket}"
    authority = make_authority(wrong, timeout=TIMEOUT)
    with an_outage():
        VERBS[verb](authority, signed_pair())
    assert "wr0ng" not in caplog.text
    assert make_authority(own.url).issue("alice")


# -- over HTTP ----------------------------------------------------------------


@pytest.fixture
def make_broken_app(make_app: MakeApp) -> Callable[..., Flask]:
    """An app whose Redis was never there."""

    def make(**settings: object) -> Flask:
        app = make_app(f"redis://127.0.0.1:{free_ports(1)[0]}", timeout=TIMEOUT, **settings)
        views = {
            "me": lambda: {"user": "somebody"},
            "logout": lambda: app.revoke.logout() or {"done": True},
            "everywhere": lambda: {"ended": app.revoke.logout_everywhere("alice")},
        }
        for name, view in views.items():
            app.add_url_rule(f"/{name}", name, app.revoke.required(view))
        app.add_url_rule("/login", "login", lambda: app.revoke.issue("alice").to_dict())
        app.add_url_rule("/open", "open", app.revoke.exempt(dict))
        return app

    return make


def get(app: Flask, path: str, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return app.test_client().get(path, headers=headers)


def assert_503(answer: Any) -> None:
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json["error"] == "temporarily_unavailable"
    assert answer.json["reason"] == "outage"
    assert "WWW-Authenticate" not in answer.headers


def test_promise_9_over_http_an_outage_is_503(make_broken_app: Callable[..., Flask]) -> None:
    app, token = make_broken_app(), signed_pair().access
    for path in ("/me", "/logout", "/everywhere"):
        assert_503(get(app, path, token))
    assert_503(get(app, "/login"))
    # Nothing need be asked for these.
    assert get(app, "/open", token).status_code == 200
    assert get(app, "/me").status_code == 401
    assert get(app, "/me", "nonsense").json["reason"] == "malformed"


def test_promise_9_over_http_allow_lets_requests_in_and_no_write_succeed(
    make_broken_app: Callable[..., Flask],
) -> None:
    app, token = make_broken_app(on_outage="allow"), signed_pair().access
    assert get(app, "/me", token).json == {"user": "somebody"}
    for path in ("/logout", "/everywhere"):
        assert_503(get(app, path, token))
    assert_503(get(app, "/login"))


def test_promise_9_allow_still_refuses_what_is_not_ours_or_expired(
    make_broken_app: Callable[..., Flask],
) -> None:
    app = make_broken_app(on_outage="allow")
    refused = {
        "bad_signature": jwt.encode(outside(), "x" * 64),
        "expired": jwt.encode(outside(exp=int(time.time()) - 1), SECRET),
        "wrong_type": signed_pair().refresh,
        "missing_claim": jwt.encode({"sub": "alice"}, SECRET),
        "malformed": "nonsense",
    }
    for reason, token in refused.items():
        answer = get(app, "/me", token)
        assert (answer.status_code, answer.json["reason"]) == (401, reason)
    assert get(app, "/me").status_code == 401


def test_a_server_that_refuses_is_told_once_for_each_cause(
    make_authority: Make, own: Server, caplog: pytest.LogCaptureFixture
) -> None:
    authority = make_authority(own.url)
    with own.client() as client:
        client.config_set("maxmemory", "1")
        for number in range(5):
            with pytest.raises(Outage):
                authority.block(f"user {number}")
        client.config_set("maxmemory", "0")
        client.execute_command("ACL", "SETUSER", "app", "-get")
        for number in range(5):
            with pytest.raises(Outage):
                authority.is_blocked(f"user {number}")
    assert len(caplog.messages) == 2
    assert "maxmemory" in caplog.messages[0]
    assert "'get'" in caplog.messages[1]


@pytest.mark.parametrize("command", ["WATCH", "PEXPIRE"])
def test_a_command_that_is_missing_is_told_once(
    make_authority: Make, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    """As in a Redis that is too old. Its answers name the arguments, too."""
    binary = BINARIES["valkey"] or missing("Valkey")
    with closing(Server(binary, "--save", "", "--rename-command", command, "")) as server:
        authority = make_authority(server.url)
        for number in range(5):
            with pytest.raises(Outage):
                authority.issue(f"user {number}")
    assert len(caplog.messages) == 1
    assert f"unknown command '{command}'" in caplog.messages[0]


def test_a_node_of_a_cluster_at_a_plain_url_is_told_once(
    make_authority: Make, servers: Callable[[str], Cluster], caplog: pytest.LogCaptureFixture
) -> None:
    (node, *_) = servers("cluster").servers
    authority = make_authority(APP.at(f"redis://127.0.0.1:{node.port}"))
    for number in range(10):
        with suppress(Outage):
            authority.is_blocked(f"user {number}")
    (said,) = caplog.messages
    assert said.startswith("Redis refuses: MOVED")


@pytest.mark.parametrize("on_outage", ["deny", "allow"])
def test_promise_9_an_outage_is_told_by_signal_and_log(
    make_broken_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture, on_outage: str
) -> None:
    app, token = make_broken_app(on_outage=on_outage), signed_pair().access
    heard: list[Any] = []

    def hear(sender: object, event: Any) -> None:
        heard.append(event)

    with signals.outage.connected_to(hear, sender=app), caplog.at_level(logging.WARNING):
        get(app, "/me", token)
    (event,) = heard
    assert (event.reason, event.subject, event.token_id) == (on_outage, "alice", "J1")
    lines = [line.getMessage() for line in caplog.records if line.name == "flask_jwt_revoke"]
    assert any("Redis cannot be asked" in line for line in lines)
    assert token not in caplog.text


def test_allow_judges_a_token_as_ever(make_authority: Make) -> None:
    clock = Clock(time.time())
    authority = make_authority(
        f"redis://127.0.0.1:{free_ports(1)[0]}", clock=clock, on_outage="allow"
    )
    pair = signed_pair()
    assert authority.check(pair.access).id == "J1"
    with pytest.raises(WrongType):
        authority.check(pair.refresh)
    with pytest.raises(BadSignature):
        authority.check(jwt.encode(outside(), "x" * 64))
    clock.now += 901
    with pytest.raises(ExpiredToken):
        authority.check(pair.access)


# -- after the outage ---------------------------------------------------------


def test_promise_1_the_first_check_after_a_pause_is_right(
    make_authority: Make, own: Server
) -> None:
    """The answers that came too late must not be taken for those of the next questions."""
    authorities = {
        verb: make_authority(own.url, timeout=TIMEOUT, breaker_failures=9) for verb in VERBS
    }
    pairs = {verb: authority.issue("alice") for verb, authority in authorities.items()}
    gone, live = (authorities["issue"].issue(name).access for name in ("bob", "carol"))
    authorities["revoke"].revoke(gone)
    for authority in authorities.values():
        assert is_live(authority, live)

    def ask(verb: str) -> None:
        for _ in range(3):
            with an_outage():
                VERBS[verb](authorities[verb], pairs[verb])

    own.pause()
    at_once(ask, VERBS)
    own.resume()
    for authority in authorities.values():
        for _ in range(20):
            assert not is_live_at_last(authority, gone)
            assert is_live_at_last(authority, live)


def test_promise_1_no_thread_reads_anothers_answer_around_pauses(
    make_authority: Make, own: Server
) -> None:
    authority, patient = make_authority(own.url, timeout=0.03), make_authority(own.url)
    gone, live = patient.issue("bob"), patient.issue("carol")
    patient.revoke(gone.access)
    seen: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            for token, expected in ((gone.access, False), (live.access, True)):
                try:
                    seen["right" if is_live(authority, token) is expected else "wrong"] += 1
                except Outage:
                    seen["outage"] += 1

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask) for _ in range(8)]
        for _ in range(4):
            for word, action in (("outage", own.pause), ("right", own.resume)):
                action()
                enough = seen[word] + 20
                wait_until(lambda enough=enough, word=word: seen[word] >= enough)
        over.set()
    for future in asking:
        future.result()
    assert seen["wrong"] == 0


class Interrupted(BaseException):
    """What a worker's own time-out raises in the middle of anything."""


@pytest.mark.parametrize("verb", VERBS)
def test_promise_1_an_interrupted_call_leaves_no_answer_to_the_next(
    make_authority: Make, own: Server, wire: Proxy, verb: str
) -> None:
    authority = make_authority(wire.url, timeout=20)
    pair, gone, live = (authority.issue(name) for name in ("alice", "bob", "carol"))
    authority.revoke(gone.access)
    wire.forget()

    def interrupt(*_: object) -> None:
        raise Interrupted

    def interrupt_soon() -> None:
        wait_until(lambda: len(wire.said) > 0)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        own.pause()
        thread = threading.Thread(target=interrupt_soon)
        thread.start()
        with pytest.raises(Interrupted):
            VERBS[verb](authority, pair)
    finally:
        signal.signal(signal.SIGUSR1, before)
        own.resume()
        thread.join()
    for _ in range(5):
        assert not is_live(authority, gone.access)
        assert is_live(authority, live.access)


def test_a_restarted_server_is_found_again(make_authority: Make, own: Server) -> None:
    authority = make_authority(own.url, on_lost_data="allow")
    pair = authority.issue("alice")
    own.kill()
    with an_outage():
        authority.check(pair.access)
    own.start()
    assert is_live(authority, pair.access)
    authority.revoke(pair.access)
    assert not is_live(authority, pair.access)


def test_a_refused_exchange_leaves_the_connections_of_others(
    make_authority: Make, own: Server
) -> None:
    authority = make_authority(own.url, timeout=5)
    pair, other = authority.issue("alice"), authority.issue("bob")
    authority.logout(pair.refresh)
    with ThreadPoolExecutor(5) as pool:
        own.pause()
        checks = [pool.submit(authority.check, other.access) for _ in range(5)]
        time.sleep(0.2)
        own.resume()
        assert [check.result().subject for check in checks] == ["bob"] * 5
    with own.client() as client:
        before = len(client.client_list())
        with pytest.raises(RevokedToken):
            authority.rotate(pair.refresh)
        assert len(client.client_list()) >= before - 1


def test_a_connection_that_was_dropped_is_no_outage(make_authority: Make, own: Server) -> None:
    """A server, or what stands before it, closes connections that have long been idle."""
    authority = make_authority(own.url, timeout=5)
    pair = authority.issue("alice")
    for verb in VERBS.values():
        with own.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        verb(authority, pair)
        pair = authority.issue("alice")


# -- a write is sent once -----------------------------------------------------


@pytest.mark.parametrize("verb", WRITES)
def test_promise_9_a_write_whose_answer_is_late_is_not_sent_again(
    make_authority: Make, wire: Proxy, verb: str
) -> None:
    """And the caller waits for one time-out or two, not for one an attempt."""
    authority = make_authority(wire.url, timeout=2 * TIMEOUT)
    pair = authority.issue("alice")
    wire.forget()
    wire.mute_at = b"EXEC\r\n"
    with an_outage():
        WRITES[verb](authority, pair)
    assert wire.said.count(b"EXEC\r\n") == 1


def test_promise_9_a_write_that_drips_is_given_up(make_authority: Make, wire: Proxy) -> None:
    """Each read is in time; all of them together take ten seconds."""
    authorities = {verb: make_authority(wire.url, timeout=TIMEOUT) for verb in WRITES}
    patient = make_authority(wire.url)
    pairs = {verb: patient.issue("alice") for verb in WRITES}
    wire.drip = TIMEOUT / 2

    def ask(verb: str) -> None:
        with an_outage():
            WRITES[verb](authorities[verb], pairs[verb])

    at_once(ask, WRITES)


@pytest.mark.parametrize("verb", WRITES)
def test_an_outage_in_a_write_loses_no_connection(
    make_authority: Make, own: Server, wire: Proxy, verb: str
) -> None:
    """Or a pool of a fixed size would be empty one day."""
    authority, sound = make_authority(wire.url, timeout=0.05), make_authority(own.url, timeout=20)
    pair = sound.issue("alice")
    wire.mute_at, wire.mute_all = b"EXEC\r\n", True
    before = len(connections())
    for _ in range(4):
        with an_outage():
            WRITES[verb](authority, pair)
        wire.muted = False
    # One of the pool, and one that is held for reads.
    assert len(connections()) - before <= 2


def connections() -> list[object]:
    """Every connection that is still held by somebody."""
    gc.collect()
    return [one for one in gc.get_objects() if isinstance(one, UnixDomainSocketConnection)]


# -- promise 4: all or nothing ------------------------------------------------


def shape(server: Server) -> tuple[dict[str, int], int | None]:
    """How much of what is in the store, and whether the version was begun (1) or raised (2)."""
    counts: Counter[str] = Counter()
    with server.client() as client:
        version = client.get("jwtrevoke:{alice}:version")
        for key in client.keys("*"):
            kind = key.decode().removeprefix("jwtrevoke:{alice}:").partition(":")[0]
            counts[kind] += {
                b"zset": client.zcard, b"hash": client.hlen, b"string": lambda _: 1,
            }[client.type(key)](key)  # fmt: skip
    return dict(counts), None if version is None else int(version[:1])


@pytest.mark.parametrize("verb", WRITES)
def test_promise_4_a_wire_that_is_cut_leaves_all_or_nothing(
    make_authority: Make, server: Server, verb: str
) -> None:
    """Cut after each so many bytes of what the verb sends."""
    clock = Clock(time.time())
    wire = Proxy(server)

    def fresh() -> tuple[Authority, TokenPair]:
        wire.cut_after = None
        with server.client() as client:
            client.flushall()
        authority = make_authority(wire.url, timeout=5, clock=clock)
        pairs = [authority.issue("alice") for _ in range(3)]
        wire.forget()
        return authority, pairs[0]

    try:
        authority, pair = fresh()
        nothing = shape(server)
        WRITES[verb](authority, pair)
        all, size = shape(server), len(wire.said)
        assert all != nothing
        for cut in {*range(0, size, max(1, size // 15)), size - 1}:
            authority, pair = fresh()
            wire.cut_after = cut
            with an_outage(within=10):
                WRITES[verb](authority, pair)
            assert shape(server) == nothing
    finally:
        wire.close()


def test_promise_4_an_answer_that_is_lost_leaves_all(make_authority: Make, wire: Proxy) -> None:
    """The outage says that it is unknown whether it was done; here it was, as a whole."""
    authority, patient = make_authority(wire.url, timeout=2 * TIMEOUT), make_authority(wire.url)
    for verb in ("revoke", "logout", "logout_everywhere"):
        pair = patient.issue("alice")
        wire.mute_at = b"EXEC\r\n"
        with an_outage():
            WRITES[verb](authority, pair)
        wire.mute_at = None
        assert not is_live(patient, pair.access)


def test_promise_4_a_server_killed_at_work_keeps_all_or_nothing(make_authority: Make) -> None:
    """What was acknowledged is there after the restart; what was not is there whole or not."""
    server = Server(BINARIES["valkey"], "--appendonly", "yes", "--appendfsync", "always")
    ended: list[str] = []

    def work(subject: str) -> None:
        authority = make_authority(server.url, timeout=5)
        while True:
            pairs = [authority.issue(subject) for _ in range(3)]
            authority.logout_everywhere(subject)
            ended.extend(pair.access for pair in pairs)

    subjects = [f"user {number}" for number in range(4)]
    try:
        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(work, subject) for subject in subjects]
            wait_until(lambda: len(ended) >= 60)
            server.kill()
            assert all(isinstance(one.exception(), Outage) for one in working)
        server.start()
        authority = make_authority(server.url)
        assert not any(is_live(authority, token) for token in ended)
        for subject in subjects:
            listed = {id for id, _ in authority.store.listed(subject)}
            records = authority.store.session_records(subject).values()
            assert len(listed) == 2 * len(records) <= 6
            assert all(any(id in record for record in records) for id in listed)
            authority.logout_everywhere(subject)
            assert is_live(authority, authority.issue(subject).access)
    finally:
        server.close()


# -- Sentinel -----------------------------------------------------------------


@pytest.fixture(params=["valkey", "redis"])
def sentinel(request: pytest.FixtureRequest) -> Iterator[tuple[Sentinel, Server]]:
    """A Sentinel, and the primary that it watches together with a replica."""
    binary = BINARIES[request.param]
    first, second = free_ports(2)
    with ExitStack() as stack:
        primary = Server(binary, "--save", "", "--repl-diskless-sync-delay", "0", port=first)
        stack.callback(primary.close)
        replica = Server(binary, port=second)
        stack.callback(replica.close)
        follow(replica, first)
        with primary.client() as client:
            wait_until(lambda: "online" in str(client.info("replication").get("slave0")))
        sentinel = Sentinel(binary, primary.port)
        stack.callback(sentinel.close)
        yield sentinel, primary


def test_promise_1_a_revoke_is_kept_through_a_failover(
    make_authority: Make, sentinel: tuple[Sentinel, Server]
) -> None:
    watcher, primary = sentinel
    authority = make_authority(watcher.url)
    live, gone = authority.issue("alice"), authority.issue("alice")
    authority.logout(gone.access)
    assert is_live(authority, live.access)
    assert not is_live(authority, gone.access)
    with primary.client() as client:
        client.set("after", "all of that")
        assert client.wait(1, 5000) == 1
    primary.kill()
    with an_outage(within=2 * BOUND):
        authority.revoke(live.access)
    wait_until(lambda: answers(partial(is_live, authority, live.access)))
    assert not is_live(authority, gone.access)
    assert is_live(authority, live.access)
    authority.revoke(live.access)
    assert not is_live(authority, live.access)
    assert authority.issue("alice")


def answers(call: Callable[[], object]) -> bool:
    try:
        call()
    except Outage:
        return False
    return True
