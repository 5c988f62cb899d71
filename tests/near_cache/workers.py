"""Gunicorn on a unix socket, and a client that measures its answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .app import LIAR, SETTINGS, WARM

ROOT = Path(__file__).parents[2]

#: The kinds of worker, and their options: four processes in all.
KINDS = {
    "sync": ("--worker-class=sync",),
    "gthread": ("--worker-class=gthread", "--threads=2", "--workers=2", "--preload"),
    "gevent": ("--worker-class=gevent",),
}


class Workers:
    """One gunicorn with the workers of one kind."""

    def __init__(self, kind: str, settings: Mapping[str, Any], lie: str | None) -> None:
        self.kind = kind
        self._folder = Path(tempfile.mkdtemp(prefix="fjr-"))
        self.socket = self._folder / "s"
        environ = os.environ | {SETTINGS: json.dumps(settings)}
        environ |= {LIAR: lie} if lie else {}
        environ |= {WARM: "1"} if "--preload" in KINDS[kind] else {}
        command = [
            sys.executable, "-m", "gunicorn", *KINDS[kind], f"--bind=unix:{self.socket}",
            "--keep-alive=60", "--no-control-socket", "tests.near_cache.app:create_app()",
        ]  # fmt: skip
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=log, stderr=log)

    def wait(self) -> None:
        """:raises RuntimeError: it does not serve."""
        until = time.monotonic() + 30
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.pid()
                return
            time.sleep(0.02)
        raise RuntimeError((self._folder / "log").read_text())

    def pid(self) -> int:
        """The process that answers this request; not always the same one."""
        with contextlib.closing(Asker(self)) as asker:
            return asker.ask("GET", "/pid").pid

    @contextlib.contextmanager
    def paused(self) -> Iterator[int]:
        """Stop one of the processes."""
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Answer:
    """``began`` and ``ended`` are monotonic times around the request, in seconds."""

    def __init__(self, began: float, answer: http.client.HTTPResponse) -> None:
        self.began = began
        self.body = answer.read()
        self.ended = time.monotonic()
        self.status = answer.status

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def pid(self) -> int:
        """The process that answered; 0 where it refused, which names none."""
        return self.json()["pid"] if self.status == 200 else 0


class Asker(http.client.HTTPConnection):
    """One connection at a time to the workers of one kind."""

    def __init__(self, workers: Workers) -> None:
        super().__init__("localhost", timeout=20)
        self.workers = workers

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.workers.socket))

    def ask(
        self, method: str, path: str, *, token: str | None = None, json_of: object = None
    ) -> Answer:
        """:raises OSError: no answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Content-Type": "application/json"} if json_of is not None else {}
        body = None if json_of is None else json.dumps(json_of)
        try:
            if self.sock is None:
                self.connect()
            began = time.monotonic()
            self.request(method, path, body, headers)
            return Answer(began, self.getresponse())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise OSError(str(error)) from error
