"""The commands that docs/redis.md adds for ``flask jwt`` suffice for it, and each is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
import redis
from flask import Flask

from flask_jwt_revoke import JWTRevoke
from flask_jwt_revoke.cli import jwt
from flask_jwt_revoke.store.commands import NEEDED_IN_CLUSTER, NEEDED_TO_WAIT, needed
from flask_jwt_revoke.store.keys import Keys

from ..conftest import SECRET
from ..redis_page import APP, DOCTOR, IN_CLUSTER, REPLICAS, TO_EXAMINE, TO_OPERATE
from ..servers import BINARIES, Server
from .test_least_privilege import let_in

ADDED = [rule.removeprefix("+") for rule in (*TO_OPERATE, *TO_EXAMINE)]
WORDS = (
    ("sessions", "alice"), ("keys", "alice"), ("stats",), ("why",), ("doctor",), ("audit",),
    ("repair",), ("repair", "alice"), ("purge",), ("purge", "alice"),
    ("logout", "alice"), ("revoke",), ("block", "alice"), ("unblock", "alice"),
)  # fmt: skip
NEEDS_TOKEN = ("why", "revoke")


@dataclass(frozen=True)
class Tour:
    """All commands of ``flask jwt``: what the server was asked, and what it refused."""

    asked: set[str]
    refused: set[str]


@pytest.fixture(scope="module")
def tour() -> Iterator[Tour]:
    with closing(Server(BINARIES["valkey"])) as server, server.client() as client:
        user = let_in(server, DOCTOR.named("whole"))
        app, admin = (made(one.at(server.url)) for one in (user, APP))
        token = admin.extensions["jwt_revoke"].issue("alice").access
        _put_others(client)
        client.config_resetstat()
        for command, *words in WORDS:
            given = [token] if command in NEEDS_TOKEN else []
            app.test_cli_runner().invoke(jwt, [command, *words, *given])
        stats = client.info("commandstats").items()
        asked = {name.removeprefix("cmdstat_") for name, one in stats if one["calls"]}
        yield Tour(asked, {one["object"] for one in client.acl_log()})


def made(url: str) -> Flask:
    app = Flask("tests")
    app.config.update(SECRET_KEY=SECRET, JWT_REVOKE_REDIS_URL=url)
    JWTRevoke(app)
    return app


def _put_others(client: redis.Redis) -> None:
    """Keys of types that the package has none of, as a strategy of an author's might."""
    client.sadd("jwtrevoke:{alice}:set", 1)
    client.rpush("jwtrevoke:{alice}:list", 1)
    client.xadd("jwtrevoke:{alice}:stream", {"a": "b"})
    client.zadd("jwtrevoke:{bob}:tokens", {"J1": time.time() + 900})


def test_they_suffice(tour: Tour) -> None:
    assert tour.refused == set()


@pytest.mark.parametrize("command", ADDED)
def test_each_is_needed(tour: Tour, command: str) -> None:
    assert command in tour.asked


def test_the_doctor_knows_the_commands_of_the_page() -> None:
    names = [call[0].lower() for call in needed(Keys("jwtrevoke"))]
    assert names == APP.commands


def test_and_those_of_a_cluster() -> None:
    calls = ["|".join(call).lower() for call in NEEDED_IN_CLUSTER]
    assert [f"+{call}" for call in calls] == list(IN_CLUSTER)


def test_and_those_of_who_waits() -> None:
    assert [f"+{call[0].lower()}" for call in NEEDED_TO_WAIT] == list(REPLICAS)
