from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from flask_jwt_revoke import current_token

from ..conftest import Clock
from ..issuers.provider import Provider
from ..servers import Server
from .examples import CLIENT, SECRET

MakeApp = Callable[..., Flask]

PUBLIC = "phone-app"
IDP = "https://id.example"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider(IDP, "ES256")
    yield provider
    provider.stop()


@pytest.fixture
def clock() -> Clock:
    # Ahead of the second in which a token is signed.
    return Clock(int(time.time()) + 30)


@pytest.fixture
def make_endpoints(
    make_app: MakeApp, server: Server, clock: Clock, provider: Provider
) -> Callable[..., Flask]:
    """Make an app with each endpoint, and a view that asks for a token."""

    def make(name: str = IDP, **settings: Any) -> Flask:
        issuer = provider.settings(algorithms=["ES256"], lifetime=3600)
        settings = {"issuers": {name: issuer}, **settings}
        app = with_endpoints(make_app(settings.pop("url", server.url), **settings), name)
        app.extensions["jwt_revoke"].clock = clock
        provider.name = name
        return app

    return make


def with_endpoints(app: Flask, issuer: str = IDP) -> Flask:
    app.register_blueprint(
        app.revoke.oauth_blueprint(
            clients={CLIENT: SECRET, PUBLIC: None},
            introspectors={CLIENT: SECRET},
            logout_audience={issuer: "s6BhdRkqt3"},
            event_audience={issuer: ["https://sp.example.com/caep", "shop-events"]},
        )
    )

    @app.get("/me")
    @app.revoke.required
    def me() -> dict[str, str]:
        return {"user": current_token.subject}

    return app


@pytest.fixture
def app(make_endpoints: Callable[..., Flask]) -> Flask:
    return make_endpoints()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def live(app: Flask) -> Iterator[str]:
    """The app behind a real socket; the URL that it answers at."""
    served = make_server("127.0.0.1", 0, app, threaded=True)
    serve = {"poll_interval": 0.01}
    thread = threading.Thread(target=served.serve_forever, kwargs=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()
    thread.join()


def is_live(client: FlaskClient, token: str) -> bool:
    answer = client.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200 or answer.json["reason"] == "revoked"
    return answer.status_code == 200


def keys_of(server: Server) -> list[bytes]:
    with server.client() as client:
        return sorted(client.keys("*"))
