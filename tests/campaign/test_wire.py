"""The wire breaks as it says."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from ..servers import Server
from .wire import Wire

PING, PONG = b"PING\r\n", b"+PONG\r\n"


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    made = Wire(server, random.Random(1))
    yield made
    made.close()


@pytest.fixture
def client(wire: Wire) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", urlsplit(wire.url).port), timeout=5) as client:
        assert said(client) == PONG
        yield client


def said(client: socket.socket, *, within: float = 5) -> bytes:
    """What the client hears when it has asked."""
    client.sendall(PING)
    client.settimeout(within)
    return client.recv(100)


def test_a_reset_is_heard_at_once(wire: Wire, client: socket.socket) -> None:
    wire.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_the_half_open_end_hears_nothing(wire: Wire, client: socket.socket) -> None:
    wire.half_open()
    with pytest.raises(TimeoutError):
        said(client, within=0.1)


def test_a_truncated_reply_ends_the_connection(wire: Wire, client: socket.socket) -> None:
    wire.replies = "truncated"
    heard = said(client)
    assert heard != PONG
    assert PONG.startswith(heard)
    assert heard == b"" or client.recv(1) == b""


def test_garbage_is_no_reply(wire: Wire, client: socket.socket) -> None:
    wire.replies = "garbage"
    assert PONG not in said(client)


def test_a_dripping_reply_is_whole_in_the_end(wire: Wire, client: socket.socket) -> None:
    wire.replies, started = "dripping", time.monotonic()
    heard = said(client)
    while len(heard) < len(PONG):
        heard += client.recv(100)
    assert heard == PONG
    assert time.monotonic() - started > 0.05 * len(PONG)


def test_latency_delays_both_ways(wire: Wire, client: socket.socket) -> None:
    wire.latency, started = 0.05, time.monotonic()
    assert said(client) == PONG
    assert time.monotonic() - started > 0.1


@pytest.mark.parametrize("way", ["requests_held", "replies_held"])
def test_what_was_held_arrives_late(
    wire: Wire, client: socket.socket, server: Server, way: str
) -> None:
    setattr(wire, way, True)
    client.sendall(b"SET late 1\r\n")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    with server.client() as direct:
        assert (direct.get("late") is None) is (way == "requests_held")
        wire.heal()
        client.settimeout(5)
        assert client.recv(100) == b"+OK\r\n"
        assert direct.get("late") == b"1"
