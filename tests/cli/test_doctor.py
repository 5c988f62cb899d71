"""``flask jwt doctor``."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from ..servers import Cluster, Server
from .conftest import Console

Make = Callable[..., Console]

KEY = secrets.token_hex(32)


def test_the_worst_is_first_and_a_failure_is_1(server: Server, make_console: Make) -> None:
    console = make_console(server.url, secret_key="a" * 64, timeout=3)
    result = console("doctor", "timeout", "secret", "store", "canary")
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["status", "line", "found", "remedy"]
    assert [line.split()[:2] for line in lines[1:-1]] == [
        ["FAIL", "secret"], ["WARN", "timeout"], ["UNKNOWN", "canary"], ["OK", "store"]
    ]  # fmt: skip
    assert "secrets.token_hex" in lines[1]
    assert lines[-1] == "1 FAIL, 1 WARN, 1 UNKNOWN, 1 OK."


def test_a_warning_and_what_is_unknown_are_0(server: Server, make_console: Make) -> None:
    console = make_console(server.url, timeout=3)
    assert console("doctor", "timeout", "canary").exit_code == 0


def test_a_named_line_that_does_not_apply_is_said(server: Server, make_console: Make) -> None:
    result = make_console(server.url, timeout=3)("doctor", "fsync", "csrf", "timeout")
    assert result.stderr.splitlines() == [
        "Note: csrf does not apply here.",
        "Note: fsync does not apply here.",
    ]


def test_json(server: Server, make_console: Make) -> None:
    console = make_console(server.url, on_outage="allow", secret_key=KEY)
    (found,) = console.json("doctor", "on_outage")
    assert (found["name"], found["status"], found["where"]) == ("on_outage", "WARN", [])
    assert "JWT_REVOKE_ON_OUTAGE" in found["remedy"]
    assert len(console.json("doctor")) > 20


@pytest.mark.parametrize(("flag", "status"), [("1", "FAIL"), ("0", "UNKNOWN")])
def test_flask_overrides_the_debug_mode_of_the_app_here(
    make_console: Make, monkeypatch: pytest.MonkeyPatch, flag: str, status: str
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", flag)
    console = make_console()
    console.app.debug = True
    (found,) = console.json("doctor", "debug", exit_code=int(status == "FAIL"))
    assert found["status"] == status


def test_in_a_cluster_each_line_says_where(
    servers: Callable[[str], Cluster], make_console: Make
) -> None:
    cluster = servers("cluster")
    console = make_console(cluster.url, timeout=2)
    result = console("doctor", "version")
    assert result.stdout.split("\n")[0].split() == ["status", "line", "where", "found", "remedy"]
    (found,) = console.json("doctor", "version")
    assert sorted(found["where"]) == sorted(f"127.0.0.1:{one.port}" for one in cluster.servers)
