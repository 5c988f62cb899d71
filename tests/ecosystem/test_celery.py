"""Celery: the page's task ends sessions through the door, which knows no Flask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import setup_logging
from flask import Flask

from flask_jwt_revoke import current_token
from flask_jwt_revoke.testing import assert_live, assert_revoked, client_of

from ..conftest import SECRET
from ..servers import Server
from .conftest import snippet


@pytest.fixture
def _own_logging() -> Iterator[None]:
    """The worker would take the handlers and the level of the whole process."""

    def kept(**_: object) -> None:
        """With a receiver, Celery leaves logging alone."""

    setup_logging.connect(kept)
    yield
    setup_logging.disconnect(kept)


@pytest.fixture
def tasks(server: Server) -> Iterator[dict[str, Any]]:
    """The page's module, with a broker in this process."""
    code = snippet("Celery")
    for shown, used in (
        ('broker="redis://localhost:6379/1"', 'broker="memory://", backend="cache+memory://"'),
        ('"redis://localhost:6379"', repr(server.url)),
        ('"the same as the app\'s: 32 bytes or more"', repr(SECRET)),
    ):
        assert code.count(shown) == 1
        code = code.replace(shown, used)
    names: dict[str, Any] = {"__name__": "tasks"}
    exec(code, names)
    # How long the broker in memory sleeps when its queue is empty, in seconds.
    names["queue"].conf.broker_transport_options = {"polling_interval": 0.01}
    yield names
    names["queue"].close()
    names["door"].close()


@pytest.mark.usefixtures("_own_logging")
def test_a_task_ends_what_the_app_began(
    tasks: dict[str, Any], server: Server, make_app: Callable[..., Flask]
) -> None:
    app = make_app(server.url)

    @app.get("/me")
    @app.revoke.required
    def me() -> str:
        return current_token.subject

    alice, bob = client_of(app).as_user("alice"), client_of(app).as_user("bob")
    with start_worker(tasks["queue"], perform_ping_check=False, loglevel="ERROR"):
        assert tasks["account_closed"].delay("alice").get(timeout=20) == 2
    assert alice.get("/me").json["reason"] == "revoked"
    assert bob.get("/me").text == "bob"
    assert_revoked(alice)
    assert_live(bob)
