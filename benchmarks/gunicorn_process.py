"""One gunicorn with one worker, on a free port of 127.0.0.1."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from .apps import served
from .fairness import Answer, headers
from .view import PATH

THREADS = 4
KEEP_ALIVE = 10  # seconds; sync workers close each connection whatever is asked
PATIENCE = 20  # seconds to start


class Gunicorn:
    def __init__(self, key: str, redis_port: int, worker_class: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            self.port = listening.getsockname()[1]
            self._process = subprocess.Popen(
                _command(key, redis_port, worker_class, listening.fileno()),
                pass_fds=[listening.fileno()],
                stdout=self._log,
                stderr=self._log,
                env={k: v for k, v in os.environ.items() if k != "GUNICORN_CMD_ARGS"},
                # Ctrl-C is for us to answer, and its group is what we end.
                start_new_session=True,
            )

    def wait(self, token: str) -> None:
        """:raises RuntimeError: it does not answer."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.get(token)
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"gunicorn does not answer: {self.log()[-2000:]}")

    def get(self, token: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", PATH, headers=headers(token))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()


def _command(key: str, redis_port: int, worker_class: str, fd: int) -> list[str]:
    threads = ["--threads", str(THREADS)] if worker_class == "gthread" else []
    return [
        *(sys.executable, "-m", "gunicorn", f"{served.__module__}:served({key!r}, {redis_port})"),
        *("--bind", f"fd://{fd}", "--workers", "1", "--worker-class", worker_class, *threads),
        *("--keep-alive", str(KEEP_ALIVE)),
        *("--graceful-timeout", "1", "--log-level", "warning", "--no-control-socket"),
    ]
