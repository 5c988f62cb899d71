"""The app that the workers serve: it tells when each check began, and what it answered."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from flask import Flask, current_app, request

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
        app.extensions["jwt_revoke"] = liar(app)
    if WARM in os.environ:
        warm(app.extensions["jwt_revoke"])
    app.add_url_rule("/pid", "pid", named)
    app.add_url_rule("/checks", "checks", checks, methods=["POST"])
    app.add_url_rule("/end", "end", end, methods=["POST"])
    app.add_url_rule("/near", "near", revoke.required(named))
    app.add_url_rule("/strict", "strict", revoke.required(strict=True)(named))
    return app


def named() -> dict[str, int]:
    return {"pid": os.getpid()}


def checks() -> dict[str, Any]:
    """When each check began and ended, monotonic, and its status; an outage is the last."""
    answers = []
    for token in request.get_json():
        began = time.monotonic()
        status = judged(authority(), token)
        answers.append((began, time.monotonic(), status))
        if status == Outage.status:
            break
    return named() | {"answers": answers}


def end() -> str:
    end_by(authority(), **request.get_json())
    return ""


def authority() -> Authority:
    return current_app.extensions["jwt_revoke"]


def liar(app: Flask) -> Authority:
    lie, staleness = os.environ[LIAR].split()
    return LIARS[lie](Config.from_mapping(app.config), float(staleness))


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
