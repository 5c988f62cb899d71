"""A read that is interrupted anywhere leaves nothing for the next caller to read."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from flask_jwt_revoke import Authority, Outage, RevokedToken

from ..servers import BINARIES, Server

CALLS = 1500


class Interrupted(Exception):
    pass


@pytest.fixture
def own_server() -> Iterator[Server]:
    server = Server(BINARIES["valkey"] or "")
    yield server
    server.close()


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    """Raise Interrupted so many seconds from now, wherever the program is."""

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds) and None
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_promise_1_an_interrupted_read_leaves_no_reply_behind(
    make_authority: Callable[..., Authority],
    own_server: Server,
    alarm: Callable[[float], None],
) -> None:
    authority = make_authority(own_server.url, timeout=2)
    live, dead = authority.issue("alice"), authority.issue("bob")
    authority.revoke(dead.access)
    calls = [
        lambda: authority.check(live.access),
        lambda: authority.check(live.refresh, type="refresh"),
        lambda: authority.sessions("alice"),
    ]
    interrupted = 0
    for number in range(CALLS):
        try:
            alarm(0.00002 + (number % 40) * 0.000005)
            calls[number % len(calls)]()
            alarm(0)
        except Interrupted:
            interrupted += 1
        assert _answer(lambda: authority.check(live.access)) == "alice"
        assert _answer(lambda: authority.check(dead.access)) is None
        (session,) = authority.sessions("alice")
        assert session.id == live.session_id
    # Of a fast machine's calls, few are under way by then.
    assert interrupted > CALLS / 50
    gc.collect()
    with own_server.client() as client:
        assert client.info("clients")["connected_clients"] < 10


def _answer(call: Callable[[], object]) -> str | None:
    for _ in range(5):
        try:
            return call().subject
        except RevokedToken:
            return None
        except Outage:
            time.sleep(0.001)
    raise AssertionError("no answer")
