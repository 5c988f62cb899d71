"""Metrics of several processes, added up as docs/metrics.md says."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flask_jwt_revoke import Authority

from ..servers import Server

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text()


class Asker:
    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, path: str, token: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(20)
        connection.sock.connect(str(self._path))
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def gunicorn(server: Server) -> Iterator[Asker]:
    """Two workers, with the configuration of docs/metrics.md."""
    with tempfile.TemporaryDirectory(prefix="fjr-") as name:
        folder = Path(name)
        (folder / "prometheus").mkdir()
        block = PAGE.split("in `gunicorn.conf.py`:\n\n```python\n")[1].split("```")[0]
        (folder / "gunicorn.conf.py").write_text(block)
        command = [
            sys.executable, "-m", "gunicorn", f"tests.metered.app:create_app({server.url!r})",
            f"--config={folder / 'gunicorn.conf.py'}", f"--bind=unix:{folder / 's'}",
            "--workers=2", "--no-control-socket",
        ]  # fmt: skip
        environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder / "prometheus")}
        log = folder / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=out, stderr=out)
        try:
            until = time.monotonic() + 30
            while not (folder / "s").exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.02)
            yield Asker(folder / "s")
        finally:
            process.terminate()
            process.wait(20)


def scraped(gunicorn: Asker) -> dict[tuple[str, ...], float]:
    status, body = gunicorn.get("/metrics")
    assert status == 200
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def test_a_scrape_adds_up_what_the_workers_did(
    gunicorn: Asker, server: Server, make_authority: Callable[..., Authority]
) -> None:
    token = make_authority(server.url).issue("alice").access
    pids: set[str] = set()
    asked = 0
    until = time.monotonic() + 90
    while len(pids) < 2:
        assert time.monotonic() < until
        status, pid = gunicorn.get("/pid", token)
        assert status == 200
        pids.add(pid)
        asked += 1
    assert gunicorn.get("/pid", token + "A")[0] == 401
    found = scraped(gunicorn)
    assert found["jwt_revoke_checks_total", "live", "strict"] == asked
    assert found["jwt_revoke_checks_total", "bad_signature", "none"] == 1
    assert found["jwt_revoke_check_seconds_count", "strict"] == asked
    assert found[("jwt_revoke_breaker_open",)] == 0
    # The first of each, too, is an increase to Prometheus.
    assert found["jwt_revoke_outages_total", "write"] == 0
    assert found["jwt_revoke_revocations_total", "logout"] == 0
    server.kill()
    try:
        opened = 0
        while opened < 2:  # each worker's
            assert time.monotonic() < until
            assert gunicorn.get("/pid", token)[0] == 503
            opened = int(scraped(gunicorn)[("jwt_revoke_breaker_open",)])
    finally:
        server.start()
    while scraped(gunicorn)[("jwt_revoke_breaker_open",)]:
        assert time.monotonic() < until
        gunicorn.get("/pid", token)
