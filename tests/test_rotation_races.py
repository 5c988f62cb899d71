"""Promise 7 with many callers at once, and with a server that stalls."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_jwt_revoke import Authority, Outage, RevokedToken, TokenPair

from .servers import BINARIES, Server

Make = Callable[..., Authority]
CALLERS, FAMILIES, STALLS = 4, 500, 100
STRATEGIES = ("blacklist", "allowlist", "version")


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that this test alone may stop."""
    server = Server(BINARIES["valkey"] or "")
    yield server
    server.close()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_promise_7_one_successor_whatever_the_concurrency(
    make_authority: Make, server: Server, strategy: str
) -> None:
    authority = make_authority(server.url, timeout=5, strategy=strategy)
    together = threading.Barrier(CALLERS)

    def rotate(token: str) -> str:
        together.wait()
        return authority.rotate(token).refresh

    with ThreadPoolExecutor(CALLERS) as pool:
        for number in range(-(-FAMILIES // len(STRATEGIES))):
            pair = authority.issue(f"user{number % 50}")
            successors = set(pool.map(rotate, [pair.refresh] * CALLERS))
            assert len(successors) == 1
            assert authority.check(successors.pop(), type="refresh")


def test_promise_7_a_repeat_after_a_stall_is_no_theft(
    make_authority: Make, own_server: Server
) -> None:
    authority, patient = (make_authority(own_server.url, timeout=one) for one in (0.03, 20))
    pair = patient.issue("alice")
    stalled = 0
    for _ in range(STALLS):
        stop = threading.Timer(random.random() * 0.002, own_server.pause)
        stop.start()
        try:
            first: TokenPair | None = authority.rotate(pair.refresh)
        except Outage:
            first, stalled = None, stalled + 1
        stop.join()
        own_server.resume()
        again = _until_it_answers(lambda token=pair.refresh: authority.rotate(token))
        assert first is None or first.refresh == again.refresh
        pair = again
    assert stalled
    assert _until_it_answers(lambda: authority.check(pair.access))
    assert len(patient.sessions("alice")) == 1


def test_promise_1_a_rotation_never_undoes_a_revocation(
    make_authority: Make, server: Server
) -> None:
    authority = make_authority(server.url, timeout=5)
    together = threading.Barrier(2)
    ends = [
        lambda pair: authority.logout(pair.access),
        lambda pair: authority.logout_everywhere("alice"),
        lambda pair: authority.logout_others("alice", keep="another"),
        lambda pair: authority.revoke(pair.refresh),
    ]

    def end(pair: TokenPair, number: int) -> None:
        together.wait()
        ends[number % len(ends)](pair)

    with ThreadPoolExecutor(1) as pool:
        for number in range(200):
            pair = authority.issue("alice")
            ended = pool.submit(end, pair, number)
            together.wait()
            rotated = _rotated(authority, pair)
            ended.result()
            # Revoking the spent token alone leaves a successor that came first alive.
            for one in (pair, rotated) if number % len(ends) != 3 else (pair,):
                if one is not None:
                    assert not _live(authority, one.refresh)


def _rotated(authority: Authority, pair: TokenPair) -> TokenPair | None:
    try:
        return authority.rotate(pair.refresh)
    except RevokedToken:
        return None


def _live(authority: Authority, token: str) -> bool:
    try:
        authority.check(token, type="refresh")
    except RevokedToken:
        return False
    return True


def _until_it_answers(call: Callable[[], TokenPair]) -> TokenPair:
    for _ in range(1000):
        try:
            return call()
        except Outage:
            time.sleep(0.005)
    raise AssertionError("the server never came back")
