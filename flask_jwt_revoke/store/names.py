"""A host's addresses, in time: the system's resolver may wait for ten seconds and more."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import redis


def addresses_of(host: str, port: int, until: float) -> list[str]:
    """As the resolver puts them in order. ``until`` is a moment of ``time.monotonic``.

    :raises redis.TimeoutError: it does not answer in time; it is left to itself.
    :raises redis.ConnectionError: see ``start``.
    :raises OSError: there is no such host.
    """
    with suppress(socket.gaierror):
        return _looked_up(host, port, socket.AI_NUMERICHOST)
    found: list[Any] = []
    thread = threading.Thread(target=_look_up, args=(host, port, found), daemon=True)
    start(thread)
    thread.join(max(0.0, until - time.monotonic()))
    if not found:
        raise redis.TimeoutError("the name of the server was not looked up in time")
    if isinstance(found[0], OSError):
        raise found[0]
    return list(found[0])


def start(thread: threading.Thread) -> None:
    """:raises redis.ConnectionError: the system has no thread left."""
    try:
        thread.start()
    except RuntimeError as error:
        raise redis.ConnectionError(f"{error}") from error


def _look_up(host: str, port: int, found: list[Any]) -> None:
    try:
        found.append(_looked_up(host, port))
    except OSError as error:
        found.append(error)


def _looked_up(host: str, port: int, flags: int = 0) -> list[str]:
    answers = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, flags)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))
