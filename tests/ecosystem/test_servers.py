"""Gunicorn's workers and waitress, each with requests at once and a log-out among them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import waitress

from ..servers import Server
from .served import URL, create_app

ROOT = Path(__file__).parents[2]
GUNICORN = {
    "sync": ("--workers=2", "--preload"),
    "gthread": ("--workers=2", "--threads=4", "--preload"),
    "gevent": ("--workers=2", "--worker-class=gevent"),
}


@contextmanager
def gunicorns(url: str, folder: Path) -> Iterator[dict[str, int]]:
    """One of each kind of worker; answers their ports."""
    with ExitStack() as stack:
        ports, processes = {}, []
        for kind, options in GUNICORN.items():
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
            ports[kind] = listening.getsockname()[1]
            processes.append(start(options, listening.fileno(), url, folder / kind))
            stack.callback(processes[-1].wait, 20)
        # All of them, before any is waited for.
        stack.callback(lambda: [process.terminate() for process in processes])
        yield ports


def start(options: tuple[str, ...], fd: int, url: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", *options, "--no-control-socket"]
    with log.open("wb") as said:
        return subprocess.Popen(
            [
                *command, "--graceful-timeout=1", f"--bind=fd://{fd}",
                "tests.ecosystem.served:create_app()",
            ],
            cwd=ROOT,
            env=os.environ | {URL: url},
            pass_fds=[fd],
            stdout=said,
            stderr=said,
        )  # fmt: skip


@contextmanager
def waitress_in_a_thread(url: str) -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(URL, url)
        app = create_app()
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        server.trigger.pull_trigger(server.close)
        thread.join(10)
        server.task_dispatcher.shutdown()
        app.extensions["jwt_revoke"].close()


@pytest.fixture(scope="module")
def ports(
    servers: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, int]]:
    """All of them at once, since most of the time is spent starting."""
    url, folder = servers("valkey").url, tmp_path_factory.mktemp("gunicorn")
    with gunicorns(url, folder) as found, waitress_in_a_thread(url) as port:
        yield {**found, "waitress": port}


def ask(port: int, method: str, path: str, token: str = "") -> tuple[int, Any]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(client):
        client.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.mark.parametrize("kind", [*GUNICORN, "waitress"])
def test_after_a_logout_everywhere_no_worker_accepts_a_token(
    server: Server, ports: dict[str, int], kind: str
) -> None:
    port = ports[kind]
    tokens = [ask(port, "POST", "/login")[1]["access_token"] for _ in range(8)]

    def me(token: str) -> tuple[int, Any]:
        return ask(port, "GET", "/me", token)

    with ThreadPoolExecutor(8) as threads:
        before = list(threads.map(me, tokens * 3))
        assert {(status, body["user"]) for status, body in before} == {(200, "alice")}
        assert ask(port, "POST", "/logout-everywhere", tokens[0]) == (200, {"revoked": 16})
        after = list(threads.map(me, tokens * 3))
    assert {(status, body["reason"]) for status, body in after} == {(401, "revoked")}
