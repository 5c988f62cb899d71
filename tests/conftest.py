from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import pytest
from flask import Flask

from flask_jwt_revoke import Authority, Config, JWTRevoke
from flask_jwt_revoke.store.client import connect

from . import redis_page
from .leaks import SECRET, shown_in
from .servers import BINARIES, Cluster, Server

BACKENDS = ("valkey", "redis", "debian", "cluster", "memory")

#: Seconds. A busy machine may hold a server up for longer than the package's own default.
PATIENT = {"JWT_REVOKE_TIMEOUT": 1}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, in an order as random as before: no worker waits for another's last."""
    items.sort(key=_may_take_long, reverse=True)


def _may_take_long(item: pytest.Item) -> bool:
    timeout = item.get_closest_marker("timeout")
    return timeout is not None and timeout.args[0] > float(item.config.getini("timeout"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """A test that prints or logs a token fails, whatever it is about (promise 12)."""
    report = yield
    shown = shown_in(report.capstdout + report.capstderr + report.caplog)
    if report.passed and shown:
        report.outcome, report.longrepr = "failed", f"printed or logged: {shown}"
    return report


def missing(what: str) -> None:
    """Skip on a developer's machine, fail where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Server | Cluster]]:
    """Start a kind of server when the first test asks for it."""
    started: dict[str, Server | Cluster] = {}

    def serve(kind: str) -> Server | Cluster:
        if kind not in started:
            binary = BINARIES["valkey" if kind == "cluster" else kind]
            if binary is None:
                missing("Debian's redis-server")
            started[kind] = Cluster(binary) if kind == "cluster" else Server(binary)
        return started[kind]

    yield serve
    for server in started.values():
        server.close()


@pytest.fixture
def server(servers: Callable[[str], Server]) -> Iterator[Server]:
    """An empty Valkey."""
    found = servers("valkey")
    found.empty()
    yield found
    assert found.leaks() == []


@pytest.fixture(params=BACKENDS)
def url(
    request: pytest.FixtureRequest, servers: Callable[[str], Server | Cluster]
) -> Iterator[str]:
    """The URL of an empty store, of each kind in turn."""
    if request.param == "memory":
        yield "memory://"
        return
    server = servers(request.param)
    server.empty()
    yield server.url
    assert server.leaks() == []


def store_of(authority: Authority) -> Any:
    """A client of its Redis that may do all, which the authority's own may not."""
    url = authority.config.redis_url
    return authority.store.client if url in (None, "memory://") else _administrator(url)


@lru_cache
def _administrator(url: str) -> Any:
    return connect(redis_page.administrator(url), timeout=10)


class Clock:
    """A clock that tests move; Unix time in seconds. Redis keeps its own."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def make_authority() -> Iterator[Callable[..., Authority]]:
    made: list[Authority] = []

    def make(url: str | None, *, redis: object = None, clock: object = None, **settings: object):
        config = Config.from_mapping(
            {"SECRET_KEY": SECRET, "JWT_REVOKE_REDIS_URL": url}
            | PATIENT
            | {f"JWT_REVOKE_{name.upper()}": value for name, value in settings.items()}
        )
        extra = {"clock": clock} if clock else {}
        made.append(Authority(config, redis=redis, **extra))
        return made[-1]

    yield make
    for authority in made:
        authority.close()


@pytest.fixture
def make_app() -> Iterator[Callable[..., Flask]]:
    """Make an app whose views ask for a token in each way; ``app.revoke`` is its extension."""
    made: list[Flask] = []

    def make(url: str | None = "memory://", *, redis: object = None, **settings: object) -> Flask:
        app = Flask("tests")
        app.config.update({"SECRET_KEY": SECRET, "JWT_REVOKE_REDIS_URL": url, "TESTING": True})
        app.config.update(PATIENT)
        app.config.update({f"JWT_REVOKE_{name.upper()}": value for name, value in settings.items()})
        app.revoke = JWTRevoke(app, redis=redis)
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["jwt_revoke"].close()
