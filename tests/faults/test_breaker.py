"""The deadline over a check, the breaker, and what an outage means for a view."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import redis
from flask import Flask

from flask_jwt_revoke import Authority, Outage, RevokedToken, SubjectBlocked, signals
from flask_jwt_revoke.store.breaker import Breaker

from ..conftest import missing
from ..servers import BINARIES, Proxy, Server

TIMEOUT = 0.2
#: Seconds. Some time-outs of a busy machine.
BOUND = 3.0
Make = Callable[..., Authority]


@pytest.fixture
def own() -> Iterator[Server]:
    server = Server(BINARIES["valkey"] or missing("Valkey"))
    yield server
    server.resume()
    server.close()


class Dripping:
    """A server that sends its answer byte by byte, each well within any time-out."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://:secret@127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(client,), daemon=True).start()

    def _drip(self, client: socket.socket) -> None:
        with client:
            try:
                while client.recv(65536):
                    for number in range(len(self._answer)):
                        client.sendall(self._answer[number : number + 1])
                        time.sleep(TIMEOUT / 2)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


class Lying(Proxy):
    """``lie`` is what it answers instead, ``more`` what it adds."""

    lie = more = b""

    def _answer(self, data: bytes, client: socket.socket) -> None:
        super()._answer((self.lie or data) + self.more, client)


@pytest.mark.parametrize(
    ("lie", "more"),
    [
        (b":1\r\n", b""), (b"$-1\r\n", b""), (b"*0\r\n", b""), (b"*-1\r\n", b""),
        (b"*2\r\n$-1\r\n$-1\r\n", b""), (b"", b"+OK\r\n"), (b"", b"*4\r\n"),
    ],
)  # fmt: skip
def test_promise_9_an_answer_that_is_none_is_an_outage(
    make_authority: Make, server: Server, lie: bytes, more: bytes
) -> None:
    with closing(Lying(server)) as lying:
        authority = make_authority(lying.url)
        token = authority.issue("alice").access
        lying.lie, lying.more = lie, more
        assert outage_of(authority, token)
        lying.lie = lying.more = b""
        assert authority.check(token).subject == "alice"


@pytest.mark.parametrize("answer", [b"+" + b"O" * 200, b"$-1\r\n" * 40], ids=["one", "many"])
def test_promise_9_a_server_that_drips_is_given_up_in_time(
    make_authority: Make, answer: bytes
) -> None:
    server = Dripping(answer)
    try:
        authority = make_authority(server.url, timeout=TIMEOUT)
        token = make_authority("memory://").issue("alice").access
        started = time.monotonic()
        with pytest.raises(Outage):
            authority.check(token)
        # Its own pace would take 20 seconds.
        assert time.monotonic() - started < BOUND
    finally:
        server.close()


def test_promise_9_an_answer_that_drips_on_a_held_connection(
    make_authority: Make, own: Server
) -> None:
    wire = Proxy(own)
    try:
        authority = make_authority(wire.url, timeout=TIMEOUT)
        token = make_authority(wire.url).issue("alice").access
        while outage_of(authority, token):
            """A busy machine may take longer than that for one answer."""
        wire.drip = TIMEOUT / 2
        started = time.monotonic()
        assert outage_of(authority, token)
        # The 42 bytes of the answer would take four seconds.
        assert time.monotonic() - started < BOUND
    finally:
        wire.close()


def test_promise_9_an_answer_gets_what_time_signing_in_has_left(
    make_authority: Make, server: Server
) -> None:
    with closing(Proxy(server)) as wire:
        authority = make_authority(wire.url, timeout=2)
        token = make_authority("memory://").issue("alice").access
        wire.drip, wire.mute_at = 1.8 / len(b"+OK\r\n"), b"MGET"
        started = time.monotonic()
        with pytest.raises(Outage):
            authority.check(token)
        # A time-out of its own would make it 3.8 s.
        assert time.monotonic() - started < 3.6


def test_promise_9_requests_stop_queueing(make_authority: Make, own: Server) -> None:
    authority = make_authority(own.url, timeout=TIMEOUT, breaker_failures=3, breaker_pause=60)
    patient = make_authority(own.url)
    tokens = [patient.issue(f"s{number}").access for number in range(8)]
    own.pause()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda token: outage_of(authority, token), tokens))
    assert authority.store.breakers.is_open
    started = time.monotonic()
    for _ in range(100):
        assert outage_of(authority, tokens[0])
    # A hundred time-outs one after the other would be 20 s.
    assert time.monotonic() - started < 2 * BOUND


def outage_of(authority: Authority, token: str) -> bool:
    try:
        authority.check(token)
    except Outage:
        return True
    return False


def test_it_closes_when_redis_answers_again(make_authority: Make, own: Server) -> None:
    authority = make_authority(own.url, timeout=0.05, breaker_failures=2, breaker_pause=0.1)
    token = make_authority(own.url).issue("alice").access
    own.pause()
    for _ in range(5):
        assert outage_of(authority, token)
    own.resume()
    ends = time.monotonic() + 20
    while outage_of(authority, token):
        assert time.monotonic() < ends
        time.sleep(0.01)
    assert not authority.store.breakers.is_open


@pytest.mark.parametrize("refused", ["full", "blocked", "revoked"])
def test_an_answer_that_refuses_closes_it_too(
    make_authority: Make, own: Server, refused: str
) -> None:
    """Else whoever is refused again and again takes each turn to ask from all others."""
    authority = make_authority(own.url, timeout=0.05, breaker_failures=1, breaker_pause=0.1)
    patient = make_authority(own.url)
    pair = patient.issue("alice")
    patient.block("bob")
    spent = patient.issue("alice").refresh
    patient.revoke(spent)
    own.pause()
    assert outage_of(authority, pair.access)
    own.resume()
    with own.client() as client:
        client.config_set("maxmemory", "1" if refused == "full" else "0")
    ask = {
        "full": lambda: authority.logout(pair.access),
        "blocked": lambda: authority.issue("bob"),
        "revoked": lambda: authority.rotate(spent),
    }[refused]
    ends = time.monotonic() + 20
    while authority.store.breakers.is_open:
        assert time.monotonic() < ends
        with pytest.raises((Outage, SubjectBlocked, RevokedToken)):
            ask()
        time.sleep(0.01)


def test_writes_are_not_tried_either_and_say_so(make_authority: Make, own: Server) -> None:
    authority = make_authority(own.url, timeout=0.05, breaker_failures=1, breaker_pause=60)
    pair = make_authority(own.url).issue("alice")
    own.pause()
    assert outage_of(authority, pair.access)
    heard: list[object] = []

    def hear(sender: object, event: object) -> None:
        heard.append(event)

    with signals.outage.connected_to(hear), pytest.raises(Outage):
        authority.logout(pair.access)
    assert [(one.reason, one.subject) for one in heard] == [("write", "alice")]


def test_a_full_server_does_not_open_it(make_authority: Make, own: Server) -> None:
    authority = make_authority(own.url, breaker_failures=1, breaker_pause=60)
    token = authority.issue("alice").access
    with own.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(Outage):
            authority.logout(token)
        assert authority.check(token).subject == "alice"


def test_one_line_a_minute(
    make_authority: Make, own: Server, caplog: pytest.LogCaptureFixture
) -> None:
    authority = make_authority(own.url, timeout=0.02, breaker_failures=2, breaker_pause=0.02)
    token = make_authority(own.url).issue("alice").access
    own.pause()
    with caplog.at_level(logging.WARNING, "flask_jwt_revoke"):
        for _ in range(30):
            assert outage_of(authority, token)
        own.resume()
        while outage_of(authority, token):
            time.sleep(0.01)
    down, up = (record.getMessage() for record in caplog.records)
    assert down.startswith("Redis cannot be asked: TimeoutError")
    assert up.startswith("Redis answers again")


class TestBreaker:
    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [100.0]
        monkeypatch.setattr("flask_jwt_revoke.store.breaker.time.monotonic", lambda: now[0])
        return now

    def fail(self, breaker: Breaker, times: int) -> None:
        for _ in range(times):
            breaker.admit()
            breaker.failed(redis.ConnectionError("gone"))

    def admits(self, breaker: Breaker) -> bool:
        try:
            breaker.admit()
        except Outage:
            return False
        return True

    def test_it_opens_after_failures_in_a_row(self, now: list[float]) -> None:
        breaker = Breaker(3, 1)
        self.fail(breaker, 2)
        breaker.succeeded()
        self.fail(breaker, 2)
        assert self.admits(breaker)
        breaker.failed(redis.ConnectionError("gone"))
        assert not self.admits(breaker)

    def test_one_caller_a_pause_may_ask(self, now: list[float]) -> None:
        breaker = Breaker(1, 1)
        self.fail(breaker, 1)
        for _ in range(3):
            now[0] += 1.3
            assert [self.admits(breaker) for _ in range(5)] == [True, *[False] * 4]

    def test_one_that_opens_and_closes_all_the_time_is_told_once_a_minute(
        self, now: list[float], caplog: pytest.LogCaptureFixture
    ) -> None:
        breaker = Breaker(2, 1)
        for _ in range(50):
            self.fail(breaker, 2)
            now[0] += 1.5
            breaker.admit()
            breaker.succeeded()
        assert len(caplog.messages) == 2 * 2  # in 75 seconds: gone, and there again

    def test_half_open_one_success_closes_it(self, now: list[float]) -> None:
        breaker = Breaker(1, 1)
        self.fail(breaker, 1)
        now[0] += 1.3
        assert self.admits(breaker)
        breaker.succeeded()
        assert all(self.admits(breaker) for _ in range(5))

    def test_half_open_one_failure_opens_it_again(self, now: list[float]) -> None:
        breaker = Breaker(3, 1)
        self.fail(breaker, 3)
        now[0] += 1.3
        self.fail(breaker, 1)
        assert not self.admits(breaker)

    def test_a_child_waits_for_no_lock_that_its_parent_held(self) -> None:
        breaker, children = Breaker(1, 60), []

        def fork(is_open: bool) -> None:
            children.append(os.fork())
            if children == [0]:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(2)
                breaker.changed = bool
                breaker.failed(redis.ConnectionError("gone"))
                os._exit(0)

        breaker.changed = fork
        breaker.failed(redis.ConnectionError("gone"))
        assert [os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in children] == [0]


class TestOnOutage:
    @pytest.fixture
    def app(self, make_app: Callable[..., Flask], own: Server) -> Flask:
        app = make_app(
            own.url, timeout=0.05, on_outage={"access": "allow", "refresh": "deny"},
            breaker_failures=100,
        )  # fmt: skip
        for name, asked in {
            "app": {}, "deny": {"on_outage": "deny"}, "refresh": {"type": "refresh"},
            "refresh-allow": {"type": "refresh", "on_outage": "allow"},
        }.items():  # fmt: skip
            app.add_url_rule(f"/{name}", name, app.revoke.required(**asked)(lambda: "seen"))

        @app.revoke.required(on_outage="deny")
        def hidden() -> str:
            return "seen"

        app.add_url_rule("/hidden", "hidden", lambda: hidden())  # noqa: PLW0108
        return app

    @pytest.mark.parametrize(
        ("path", "status"),
        [("app", 200), ("deny", 503), ("refresh", 503), ("refresh-allow", 200), ("hidden", 503)],
    )
    def test_for_the_app_a_token_type_and_a_view(
        self, app: Flask, own: Server, make_authority: Make, path: str, status: int
    ) -> None:
        pair = make_authority(own.url).issue("alice")
        own.pause()
        token = pair.refresh if path.startswith("refresh") else pair.access
        answer = app.test_client().get(f"/{path}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status
        if status == 503:
            assert answer.headers["Retry-After"] == "1"

    def test_a_word_that_is_none_is_refused(self, app: Flask) -> None:
        with pytest.raises(ValueError, match="on_outage takes deny or allow"):
            app.revoke.required(on_outage="maybe")
