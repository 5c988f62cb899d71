"""A server at a name: what the resolver does takes no more of a request than what Redis does."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from flask_jwt_revoke import Authority, Outage

from ..redis_page import APP
from ..servers import BINARIES, Server, free_ports

Make = Callable[..., Authority]

NAME = "redis.example"
TIMEOUT = 0.1


@pytest.fixture(scope="module")
def at_port() -> Iterator[Server]:
    with closing(Server(BINARIES["valkey"], port=free_ports(1)[0])) as server:
        yield server


def answer(monkeypatch: pytest.MonkeyPatch, look_up: Callable[[], list[str]]) -> None:
    """The resolver's answer about the name."""
    real = socket.getaddrinfo

    def resolved(host: Any, port: Any, family: int = 0, kind: int = 0, *rest: int) -> Any:
        if host != NAME:
            return real(host, port, family, kind, *rest)
        if rest[-1:] == (socket.AI_NUMERICHOST,):
            raise socket.gaierror(socket.EAI_NONAME)
        return [found for one in look_up() for found in real(one, port, family, kind)]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_promise_9_a_resolver_that_does_not_answer(
    make_authority: Make, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    over = threading.Event()
    answer(monkeypatch, lambda: [] if over.wait(20) else ["127.0.0.1"])
    authority = make_authority(f"{scheme}://{NAME}:6379", timeout=TIMEOUT)
    started = time.monotonic()
    with pytest.raises(Outage):
        authority.issue("alice")
    took = time.monotonic() - started
    over.set()
    assert took < 5


def test_promise_9_a_handshake_gets_what_time_the_resolver_has_left(
    make_authority: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience, taken = 60.0, 0.2
    waits: list[float] = []

    def look_up() -> list[str]:
        time.sleep(taken)
        return ["127.0.0.1"]

    def shake(context: ssl.SSLContext, sock: socket.socket, **_: object) -> None:
        waits.append(sock.gettimeout() or 0)
        raise ssl.SSLError("enough")

    answer(monkeypatch, look_up)
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", shake)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rediss://{NAME}:{silent.getsockname()[1]}"
        with pytest.raises(Outage):
            make_authority(url, timeout=patience).issue("alice")
    (wait,) = waits
    # A write is twice as patient.
    assert 0 < wait <= 2 * patience - taken


def test_each_address_is_tried_in_turn(
    make_authority: Make, monkeypatch: pytest.MonkeyPatch, at_port: Server
) -> None:
    answer(monkeypatch, lambda: ["127.0.0.2", "127.0.0.1"])
    authority = make_authority(APP.at(f"redis://{NAME}:{at_port.port}"))
    assert authority.check(authority.issue("alice").access).subject == "alice"


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_promise_9_no_thread_is_left(
    make_authority: Make, monkeypatch: pytest.MonkeyPatch, at_port: Server, scheme: str
) -> None:
    authority = make_authority(APP.at(f"{scheme}://localhost:{at_port.port}"))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        with pytest.raises(Outage):
            authority.issue("alice")
    if scheme == "redis":
        assert authority.issue("alice")


def test_a_near_cache_listens_once_there_is_a_thread(
    make_authority: Make, monkeypatch: pytest.MonkeyPatch, at_port: Server
) -> None:
    authority = make_authority(at_port.url, near_cache_staleness=1)
    token = authority.issue("alice").access
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        assert authority.check(token, strict=True)
    assert authority.check(token, strict=True)
    assert any(one.name == "flask_jwt_revoke feed" for one in threading.enumerate())


def none_left(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_promise_9_a_name_that_nobody_has(
    make_authority: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    answer(monkeypatch, unknown)
    authority = make_authority(f"redis://{NAME}:6379")
    with pytest.raises(Outage):
        authority.issue("alice")
