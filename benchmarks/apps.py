"""The contenders: one JSON view, guarded in different ways. A row of the table is one here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import redis
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, get_jwt, jwt_required

from flask_jwt_revoke import JWTRevoke

from .raw_mget import RawMget
from .signed_in import TIMEOUT
from .view import PATH

# Flask opens a session cookie at each request of an app with a key, so all have the same.
SECRET_KEY = "side by side in one run, on one machine"
ACCESS_EXPIRES = timedelta(hours=1)
STALENESS = 2.0  # seconds


@dataclass(frozen=True)
class Contender:
    """``short`` is its name in the table, ``label`` in the plot.

    ``make`` takes the port of Redis on 127.0.0.1. A revocable one serves
    ``POST /login`` and ``DELETE /logout`` besides the view.
    """

    key: str
    short: str
    label: str
    make: Callable[[int], Flask]
    revocable: bool = False


def without_authentication(_port: int) -> Flask:
    app = _app()

    @app.get(PATH)
    def view():
        return {"user": "alice"}

    return app


def with_raw_mget(port: int) -> Flask:
    app = _app()
    raw = RawMget(port)

    @app.get(PATH)
    def view():
        raw.ask()
        return {"user": "alice"}

    return app


def with_flask_jwt_extended(port: int) -> Flask:
    """As its documentation shows: Blocklist and Token Revoking, Redis."""
    app = _app()
    app.config["JWT_ACCESS_TOKEN_EXPIRES"] = ACCESS_EXPIRES
    jwt = JWTManager(app)
    jwt_redis_blocklist = redis.StrictRedis(
        host="127.0.0.1", port=port, db=0, decode_responses=True
    )

    @jwt.token_in_blocklist_loader
    def check_if_token_is_revoked(_jwt_header, jwt_payload):
        jti = jwt_payload["jti"]
        token_in_redis = jwt_redis_blocklist.get(jti)
        return token_in_redis is not None

    @app.get(PATH)
    @jwt_required()
    def view():
        return {"user": "alice"}

    @app.post("/login")
    def login():
        return {"access_token": create_access_token(identity="alice")}

    @app.delete("/logout")
    @jwt_required()
    def logout():
        jwt_redis_blocklist.set(get_jwt()["jti"], "", ex=ACCESS_EXPIRES)
        return {}

    return app


def with_strict_checks(port: int) -> Flask:
    return _with_flask_jwt_revoke(port)


def with_near_cache(port: int) -> Flask:
    return _with_flask_jwt_revoke(port, JWT_REVOKE_NEAR_CACHE_STALENESS=STALENESS)


def _with_flask_jwt_revoke(port: int, **settings: object) -> Flask:
    app = _app()
    app.config["JWT_REVOKE_REDIS_URL"] = f"redis://127.0.0.1:{port}"
    app.config["JWT_REVOKE_TIMEOUT"] = TIMEOUT
    app.config.update(settings)
    revoke = JWTRevoke(app)

    @app.get(PATH)
    @revoke.required
    def view():
        return {"user": "alice"}

    @app.post("/login")
    def login():
        return revoke.issue("alice").to_dict()

    @app.delete("/logout")
    @revoke.required
    def logout():
        revoke.logout()
        return {}

    return app


CONTENDERS = (
    Contender("bare", "no auth", "no authentication", without_authentication),
    Contender("raw", "no auth + raw MGET", "no authentication + raw MGET", with_raw_mget),
    Contender(
        "extended",
        "flask-jwt-extended",
        "flask-jwt-extended, Redis blocklist",
        with_flask_jwt_extended,
        revocable=True,
    ),
    Contender("strict", "strict", "flask-jwt-revoke, strict", with_strict_checks, revocable=True),
    Contender(
        "near", "near cache", "flask-jwt-revoke, near cache", with_near_cache, revocable=True
    ),
)
#: What is promised of flask-jwt-revoke is promised in each of these modes.
MODES = ("strict", "near")


def served(key: str, port: int) -> Flask:
    """What gunicorn is told to serve."""
    return contender(key).make(port)


def contender(key: str) -> Contender:
    return next(one for one in CONTENDERS if one.key == key)


@contextmanager
def made(port: int) -> Iterator[dict[str, Flask]]:
    """All of them in this process; those that listen stop afterwards."""
    apps = {one.key: one.make(port) for one in CONTENDERS}
    try:
        yield apps
    finally:
        for mode in MODES:
            apps[mode].extensions["jwt_revoke"].close()


def _app() -> Flask:
    app = Flask(__name__)
    app.config["SECRET_KEY"] = SECRET_KEY
    return app
