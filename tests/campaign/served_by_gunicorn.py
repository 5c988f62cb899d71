"""Gunicorn with preloaded workers and reloads: a revoke holds in each worker from then on."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from ..servers import BINARIES, Server, free_ports
from .crowd import Memory
from .judge import Judge
from .run import Row, no_leak

KINDS = ("sync", "gthread", "gevent")
WORKERS = 4
CLIENTS = 4
_PATIENCE = 40  # seconds
#: A thread of a worker may open its connections later than the others.
_SPARE = 8
_ROOT = Path(__file__).parents[2]


def run(
    name: str, *, seconds: float, reloads: int, seed: int, apart: float = 0, pause: float = 0
) -> Row:
    """``name`` is gunicorn-KIND. ``reloads``, then ``seconds`` in which nothing may grow.

    ``apart`` (seconds) is between two reloads, ``pause`` between two requests of a client.
    """
    row, rng, judge = Row(name, seed, strikes=reloads), random.Random(f"{name} {seed}"), Judge()
    with no_leak(row), ExitStack() as stack:
        server = stack.enter_context(closing(Server(BINARIES["valkey"], port=free_ports(1)[0])))
        served = stack.enter_context(closing(Gunicorn(name.removeprefix("gunicorn-"), server)))
        served.wait()
        with Clients(served, judge, rng, pause) as clients:
            _reload(served, clients, row, reloads, apart)
            _watch(served, clients, row, seconds)
        clients.audit()
    row.take(judge)
    return row


def _reload(served: Gunicorn, clients: Clients, row: Row, reloads: int, apart: float) -> None:
    """The master must not grow with its reloads."""
    master, before = Memory(served.pid), 0
    for number in range(reloads):
        if number == reloads // 2:
            master.note()
            before = _descriptors(served.pid)
        served.reload()
        clients.wait_for_answers(4)
        time.sleep(apart)
    served.wait_until(lambda: len(served.workers()) == WORKERS, "the workers")
    master.judge(row, "the master")
    if _descriptors(served.pid) > before:
        row.leaks.append(f"descriptors of the master {before} -> {_descriptors(served.pid)}")


def _watch(served: Gunicorn, clients: Clients, row: Row, seconds: float) -> None:
    """A worker must not grow with its requests."""
    clients.wait_for_answers(20 * WORKERS)
    time.sleep(seconds / 2)
    workers = {pid: Memory(pid) for pid in served.workers()}
    before = {pid: _descriptors(pid) for pid in workers}
    for memory in workers.values():
        memory.note()
    time.sleep(seconds / 2)
    # An open request has a descriptor too.
    clients.rest()
    for pid, memory in workers.items():
        memory.judge(row, "a worker")
        if _descriptors(pid) > before[pid] + _SPARE:
            row.leaks.append(f"descriptors of a worker {before[pid]} -> {_descriptors(pid)}")


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


class Gunicorn:
    """Four preloaded workers of one kind, on a socket that outlives each reload."""

    def __init__(self, kind: str, server: Server) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        url = f"redis://127.0.0.1:{server.port}"
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            self.port = listening.getsockname()[1]
            self._process = subprocess.Popen(
                _command(kind, url, listening.fileno()),
                pass_fds=[listening.fileno()],
                stdout=self._log,
                stderr=self._log,
                cwd=_ROOT,
                # Its group is what is ended when it does not end by itself.
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait(self) -> None:
        self.wait_until(lambda: len(self.workers()) == WORKERS and self._answers(), "gunicorn")

    def wait_until(self, reached: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + _PATIENCE
        while not reached():
            if time.monotonic() > until or self._process.poll() is not None:
                self._log.seek(0)
                log = self._log.read().decode(errors="replace")
                raise RuntimeError(f"not there: {what}; {log[-2000:]}")
            time.sleep(0.02)

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def reload(self) -> None:
        """Answers once there are new workers. The old ones end in their own time."""
        old = self.workers()
        os.kill(self.pid, signal.SIGHUP)
        self.wait_until(lambda: len(self.workers() - old) == WORKERS, "new workers")
        self.wait_until(lambda: len(self.workers()) <= 2 * WORKERS, "the end of old workers")

    def ask(self, method: str, path: str, token: str = "") -> tuple[int, dict[str, Any]]:
        """:raises OSError: or http.client.HTTPException: there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = response.read()
            return response.status, json.loads(body) if body else {}
        finally:
            connection.close()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()

    def _answers(self) -> bool:
        try:
            return self.ask("POST", "/login/first")[0] == 200
        except OSError:
            return False


class Clients:
    """Sign in, look, log out, and look again and again."""

    def __init__(self, served: Gunicorn, judge: Judge, rng: random.Random, pause: float) -> None:
        self._served, self._judge, self._pause = served, judge, pause
        self._over, self._resting = threading.Event(), threading.Event()
        self._ended: list[str] = []
        self._rng = random.Random(rng.random())
        self._threads = [
            threading.Thread(target=self._work, args=(f"user{number}", random.Random(rng.random())))
            for number in range(CLIENTS)
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.rest()

    def rest(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, count: int) -> None:
        enough = self._judge.counts["tries"] + count
        self._served.wait_until(lambda: self._judge.counts["tries"] >= enough, "answers")

    def audit(self) -> None:
        """Whichever worker is asked refuses what has been ended; of very many, some."""
        for token in self._rng.choices(self._ended, k=10 * WORKERS):
            self._look(token, "", expected=401)

    def _work(self, subject: str, rng: random.Random) -> None:
        while not self._over.is_set():
            pair = self._ask("POST", f"/login/{subject}", expected=200)
            if pair is None:
                continue
            access, refresh = pair["access_token"], pair["refresh_token"]
            self._look(access, subject, expected=200)
            if rng.random() < 0.3:
                renewed = self._ask("POST", "/auth/refresh", refresh, expected=200)
                access = (renewed or pair)["access_token"]
            path = rng.choice(["/auth/logout", "/auth/logout-everywhere"])
            if self._ask("POST", path, access, expected=(200, 204)) is not None:
                self._judge.count("acknowledged")
                self._ended.append(access)
            else:
                continue
            for token in (access, *rng.choices(self._ended, k=3)):
                self._look(token, subject, expected=401)

    def _look(self, token: str, subject: str, *, expected: int) -> None:
        found = self._ask("GET", "/access", token, expected=expected)
        if found and expected == 200 and found["subject"] != subject:
            self._judge.find("wrong", f"swapped: {subject} was answered as {found['subject']}")

    def _ask(
        self, method: str, path: str, token: str = "", *, expected: int | tuple[int, ...]
    ) -> dict[str, Any] | None:
        """The answer, or None where there is none: a worker that ends drops a connection."""
        time.sleep(self._pause)
        self._judge.count("tries")
        try:
            status, body = self._served.ask(method, path, token)
        except (OSError, http.client.HTTPException):
            status, body = 503, {}
        if status == 503:
            self._judge.count("outages")
            return None
        if status not in (expected if isinstance(expected, tuple) else (expected,)):
            self._judge.find("wrong", f"an answer {status}: to {method} {path}: {body}")
            return None
        return body


def _command(kind: str, url: str, fd: int) -> list[str]:
    threads = ["--threads", "4"] if kind == "gthread" else []
    return [
        *(sys.executable, "-m", "gunicorn", f"tests.campaign.served:app({url!r})"),
        *("--bind", f"fd://{fd}", "--preload", "--workers", str(WORKERS)),
        *("--worker-class", kind, *threads),
        *("--graceful-timeout", "2", "--log-level", "warning", "--no-control-socket"),
    ]
