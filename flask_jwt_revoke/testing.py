"""For the tests of an app: a client that is signed in, a clock to move, an outage on demand.

The fixtures of the pytest plugin hand these out; they need no pytest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

from flask import Flask
from flask.testing import FlaskClient

from .authority import Authority
from .models import TokenPair
from .request import authority_of
from .store.client import is_in_process


class Client(FlaskClient):
    """A test client that can be signed in; see ``client_of``.

    ``pair`` is what it is signed in with, None where it is not.
    """

    pair: TokenPair | None = None

    def as_user(self, subject: str, **sign_in: Any) -> Client:
        """Another client, signed in; ``sign_in`` is what ``Authority.issue`` takes.

        It sends its access token with each request, in a header or, where ``TOKEN_LOCATION``
        is cookies alone, as a browser does, with the CSRF value.
        """
        client = type(self)(self.application, self.response_wrapper, use_cookies=True)
        client.pair = authority_of(self.application).issue(subject, **sign_in)
        client._carry(client.pair)
        return client

    def _carry(self, pair: TokenPair) -> None:
        door = authority_of(self.application)
        config = door.config
        if "headers" in config.token_location:
            self.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {pair.access}"
            return
        csrf = door.tokens.derived("csrf", pair.session_id)
        host = (self.application.config["SERVER_NAME"] or "localhost").partition(":")[0]
        domain, origin_only = config.cookie_domain or host, config.cookie_domain is None
        for name, value, path in (
            (config.access_cookie, pair.access, config.cookie_path),
            (config.refresh_cookie, pair.refresh, config.refresh_cookie_path),
            (config.csrf_cookie, csrf, config.cookie_path),
        ):
            self.set_cookie(name, value, path=path, domain=domain, origin_only=origin_only)
        self.environ_base["HTTP_" + config.csrf_header.upper().replace("-", "_")] = csrf


class Clock:
    """Unix time in seconds, which stands still until it is moved."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, **span: float) -> None:
        """``span`` is what a timedelta takes: ``advance(minutes=16)``."""
        self.now += timedelta(**span).total_seconds()


def client_of(app: Flask) -> Client:
    """A client that is not signed in, of the app's own ``test_client_class`` too."""
    own = app.test_client_class or FlaskClient
    return cast(Client, type("Client", (Client, own), {})(app, app.response_class))


@contextmanager
def clock_of(app: Flask) -> Iterator[Clock]:
    """Let the app's tokens live by a clock that is moved by hand. Redis keeps its own."""
    door = authority_of(app)
    before: Callable[[], float] = door.clock
    door.clock = clock = Clock(time.time())
    try:
        yield clock
    finally:
        door.clock = before


@contextmanager
def outage(app: Flask) -> Iterator[None]:
    """Let memory:// answer nothing for a while.

    :raises RuntimeError: the app has another Redis, which is not ours to end.
    """
    door = authority_of(app)
    client = door.store.client
    if not is_in_process(client):
        raise RuntimeError("An outage on demand takes JWT_REVOKE_REDIS_URL memory://.")
    server = client.connection_pool.connection_kwargs.get("server")
    if server is None:
        raise RuntimeError(
            "An outage on demand takes a fakeredis client with a server of its own:"
            " FakeRedis(server=FakeServer())"
        )
    server.connected = False
    try:
        yield
    finally:
        server.connected = True
        door.store.breakers.of(client, "").succeeded()


def assert_revoked(who: Client | str, app: Flask | None = None) -> None:
    """Assert that a client's tokens, or one token of ``app``, are refused as revoked.

    :raises AssertionError: one is live, or is refused for another reason, such as its age.
    """
    for token, door in _tokens(who, app):
        found = door.explain(token)
        if found.live:
            raise AssertionError(f"{_named(token, door)} is live")
        if found.reason != "revoked":
            raise AssertionError(f"{_named(token, door)} is refused as {found.reason}")


def assert_live(who: Client | str, app: Flask | None = None) -> None:
    """Assert that a client's tokens, or one token of ``app``, are accepted.

    :raises AssertionError: one is refused.
    """
    for token, door in _tokens(who, app):
        found = door.explain(token)
        if not found.live:
            because = f" ({found.because})" if found.because else ""
            raise AssertionError(f"{_named(token, door)} is refused as {found.reason}{because}")


def _tokens(who: Client | str, app: Flask | None) -> list[tuple[str, Authority]]:
    if isinstance(who, str):
        if app is None:
            raise TypeError("A token is asserted of an app: assert_revoked(token, app)")
        return [(who, authority_of(app))]
    if who.pair is None:
        raise TypeError("This client is not signed in: client.as_user(subject)")
    door = authority_of(who.application)
    return [(token, door) for token in (who.pair.access, who.pair.refresh)]


def _named(token: str, door: Authority) -> str:
    claims = door.explain(token).claims
    return f"the {claims.type} token of {claims.subject!r}" if claims else "the token"
