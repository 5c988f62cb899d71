"""The app that the workers serve: it tells when each check began, and what it answered."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from flask import Flask, Response, request

from flask_jwt_revoke import Authority, Config, JWTRevoke, Outage, TokenRefused

from .liars import LIARS

SETTINGS = "NEAR_CACHE_SETTINGS"
LIAR = "NEAR_CACHE_LIAR"
WARM = "NEAR_CACHE_WARM"


def create_app() -> Flask:
    app = Flask("tests.near_cache")
    app.config.update(json.loads(os.environ[SETTINGS]))
    revoke = JWTRevoke(app)
    if LIAR in os.environ:
        lie, staleness = os.environ[LIAR].split()
        config = Config.from_mapping(app.config)
        app.extensions["jwt_revoke"] = LIARS[lie](config, float(staleness))
    authority: Authority = app.extensions["jwt_revoke"]
    if WARM in os.environ:
        warm(authority)

    @app.get("/pid")
    def pid() -> dict[str, int]:
        return {"pid": os.getpid()}

    @app.post("/checks")
    def checks() -> dict[str, Any]:
        answers = []
        for token in request.get_json():
            began = time.monotonic()
            status = judged(authority, token)
            answers.append((began, time.monotonic(), status))
            if status == Outage.status:
                break
        return {"pid": os.getpid(), "answers": answers}

    @app.get("/one")
    @revoke.required
    def one() -> Response:
        return Response(headers={"Pid": str(os.getpid())})

    @app.post("/end")
    def end() -> str:
        end_by(authority, **request.get_json())
        return ""

    return app


def judged(authority: Authority, token: str) -> int:
    """The status that a request with this token gets."""
    try:
        authority.check(token)
    except TokenRefused as refused:
        return refused.status
    except Outage as outage:
        return outage.status
    return 200


def end_by(authority: Authority, verb: str, subject: str, session_id: str, token: str) -> None:
    """Call a verb that ends a token, by its name."""
    if verb in ("revoke", "logout"):
        getattr(authority, verb)(token)
    elif verb == "logout_session":
        authority.logout_session(subject, session_id)
    elif verb == "logout_others":
        authority.logout_others(subject, keep=session_id)
    else:
        {"logout_everywhere": authority.logout_everywhere, "block": authority.block}[verb](subject)


def warm(authority: Authority) -> None:
    """Have a listener and a verdict before the fork, which no child may build on."""
    token = authority.issue("warm").access
    for _ in range(3):
        authority.check(token)
        time.sleep(0.05)
