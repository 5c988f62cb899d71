"""Exit codes, and errors on one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from flask_jwt_revoke import JWTRevoke
from flask_jwt_revoke.cli import jwt

from ..servers import BINARIES, Server
from .conftest import Console

Make = Callable[..., Console]

ALL = (
    ("sessions", "alice"), ("keys", "alice"), ("stats",), ("watch",), ("logout", "alice"),
    ("block", "alice"), ("unblock", "alice"), ("purge",), ("purge", "alice"), ("repair", "alice"),
    ("audit",), ("audit", "alice"),
    ("doctor",),
)  # fmt: skip


@pytest.mark.parametrize("kind", ["single", "cluster", "sentinel"])
def test_an_outage_is_3(make_console: Make, kind: str) -> None:
    url = {
        "single": "unix:///nowhere/socket",
        "cluster": "redis+cluster://127.0.0.1:1",
        "sentinel": "redis+sentinel://127.0.0.1:1/main",
    }[kind]
    console = make_console(url)
    token = make_console().authority.issue("alice").access
    for words in (*ALL, ("why", token), ("revoke", token)):
        for more in ((), ("--json",)):
            result = console(*words, *more)
            assert (result.exit_code, result.stdout) == (3, ""), words
            assert result.stderr.count("\n") == 1
            assert result.stderr.startswith("Error: Redis cannot be asked: ")


def test_an_outage_that_begins_in_the_middle_is_3(make_console: Make) -> None:
    server = Server(BINARIES["valkey"])
    try:
        console = make_console(server.url)
        token = console.authority.issue("alice").access
        assert console("why", token).exit_code == 0
        server.pause()
        assert console("why", token).exit_code == 3
    finally:
        server.close()


def test_what_a_user_may_not_is_3(make_app: Callable[..., Flask], server: Server) -> None:
    console = Console(make_app(server.url))  # as the app's own user
    for word, command in ("audit", "xrevrange"), ("stats", "dbsize"):
        result = console(word)
        assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
        assert f"'{command}'" in result.stderr
        assert " _" not in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sessions",), "Missing argument 'SUBJECT'."),
        (("sessions", ""), "subject must be 1 to 256 bytes long, got 0"),
        (("keys", "x" * 257), "subject must be 1 to 256 bytes long, got 257"),
        (("block", "\udcff"), "subject is not valid Unicode"),
        (("block", "alice", "--reason", "two words"), "Invalid value for '--reason'"),
        (("audit", "alice", "--since", "yesterday"), "Invalid value for '--since'"),
        (("audit", "alice", "--count", "0"), "Invalid value for '--count'"),
        (("block", "alice", "--actor", "\udcff"), "Invalid value for '--actor'"),
        (("logout", "alice", "--nope"), "No such option"),
        (("doctor", "evictions"), "there is no line evictions; there are reachable, "),
        (("nonsense",), "No such command 'nonsense'."),
    ],
)
def test_wrong_usage_is_2(make_console: Make, words: tuple[str, ...], message: str) -> None:
    result = make_console()(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Error: {message}" in result.stderr.splitlines()[-1]


def test_an_app_without_the_extension_is_2() -> None:
    result = Flask("bare").test_cli_runner().invoke(jwt, ["sessions", "alice"])
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: This app has no JWTRevoke: call JWTRevoke(app) or revoke.init_app(app) first.\n"
    )


def test_an_app_that_cannot_be_made_is_2() -> None:
    def create_app() -> Flask:
        app = Flask("wrong")
        app.config.update(
            SECRET_KEY="x" * 32, JWT_REVOKE_REDIS_URL="memory://", JWT_REVOKE_LEEWAY=-1
        )
        JWTRevoke(app)
        return app

    from flask.cli import ScriptInfo

    result = (
        Flask("any")
        .test_cli_runner()
        .invoke(jwt, ["sessions", "alice"], obj=ScriptInfo(create_app=create_app))
    )
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: JWT_REVOKE_LEEWAY takes seconds")
    assert result.stderr.count("\n") == 1


def test_memory_is_noted(make_console: Make) -> None:
    assert make_console()("sessions", "alice").stderr.startswith("Note: memory://")
