"""Serve the example app: ``python -m example_app``, with PORT in the environment."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType

import limits.errors
from redis.exceptions import RedisClusterException, RedisError
from werkzeug.serving import BaseWSGIServer, make_server

from flask_jwt_revoke import ConfigurationError

from . import create_app, instance
from .embedded import CannotStart, valkey
from .users import DEMO, ROLES

HOST = "127.0.0.1"

_EXPECTED = (
    CannotStart,
    ConfigurationError,
    limits.errors.ConfigurationError,
    RedisError,
    RedisClusterException,
    sqlite3.Error,
    OSError,
)

# Safari keeps no Secure cookie that came over plain HTTP, not even from this machine.
_PLAIN_HTTP = {"JWT_REVOKE_COOKIE_SECURE": False, "SESSION_COOKIE_SECURE": False}

_BANNER = """\
The example app is on {url}, with {store}.
Open it in two browsers, and sign one out from the other. Ctrl-C ends it.

Demo users: {users}
Operators, as {operators} is, look and act on {url}/operators

Or call it: sign in, ask /me, log out everywhere (these can be pasted at once):

TOKEN=$(curl -s {url}/login -H 'Content-Type: application/json' -d '{sign_in}' | {extract})
curl {url}/me -H "Authorization: Bearer $TOKEN"
curl -X POST {url}/logout-everywhere -H "Authorization: Bearer $TOKEN"
"""
_EXTRACT = """python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'"""


def main() -> None:
    _heed_signals()
    try:
        with _listening(os.environ.get("PORT") or "5000") as listener:
            _serve(listener, instance.prepared(instance.default_folder()))
    except KeyboardInterrupt:
        pass
    except _EXPECTED as error:
        sys.exit(f"The example app cannot start: {error}")


def banner(url: str, store: str) -> str:
    name, password = next(iter(DEMO.items()))
    return _BANNER.format(
        url=url,
        store=store,
        users=", ".join(f"{name} (password: {password})" for name, password in DEMO.items()),
        operators=" and ".join(ROLES),
        sign_in=json.dumps({"username": name, "password": password}),
        extract=_EXTRACT,
    )


def _heed_signals() -> None:
    """End in order, Valkey included, however the end is asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def _stop_on_signals(server: BaseWSGIServer) -> None:
    """From now on without an exception, which is lost where it cannot be raised."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        # In a thread, since it waits for the loop that this interrupts.
        threading.Thread(target=server.shutdown, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def _listening(port: str) -> socket.socket:
    if not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - ports have 16 bits
        raise CannotStart(f"PORT takes a number up to 65535, got {port!r}.")
    try:
        return socket.create_server((HOST, int(port)))
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        raise CannotStart(f"port {port}: {problem}. Set PORT to another.") from error


def _serve(listener: socket.socket, folder: Path) -> None:
    own = os.environ.get("JWT_REVOKE_REDIS_URL")
    redis: AbstractContextManager[str] = nullcontext(own) if own else valkey(folder / "valkey")
    # The URL itself is not shown: it may hold a password.
    store = "the Redis of JWT_REVOKE_REDIS_URL" if own else f"Valkey's data in {folder / 'valkey'}"
    with redis as url:
        app = create_app({"JWT_REVOKE_REDIS_URL": url, **_PLAIN_HTTP}, folder=folder)
        server = make_server(HOST, 0, app, threaded=True, fd=listener.fileno())
        _stop_on_signals(server)
        print(banner(f"http://{HOST}:{server.port}", store), flush=True)
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
