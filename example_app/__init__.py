"""A small app that signs people in with a password and out on every device."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from . import api, errors, headers, instance, pages, throttle, users


def create_app(settings: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Flask:
    """``settings`` go over the defaults; ``folder`` holds the accounts and the signing key.

    ``JWT_REVOKE_REDIS_URL`` and ``EXAMPLE_APP_INSTANCE`` (the folder) are read from the
    environment where they are not given.
    """
    folder = instance.prepared(folder or instance.default_folder())
    app = Flask(__name__, instance_path=str(folder))
    app.config.from_mapping(
        JWT_REVOKE_REDIS_URL=os.environ.get("JWT_REVOKE_REDIS_URL"),
        JWT_REVOKE_TOKEN_LOCATION=["headers", "cookies"],
        # The page for operators draws from it.
        JWT_REVOKE_AUDIT_LENGTH=10_000,
        LOGIN_LIMIT_PER_USER="20 per minute",
        LOGIN_LIMIT_PER_ADDRESS="60 per minute",
        MAX_CONTENT_LENGTH=16 * 1024,
        # Flask's own session carries the messages from one page to the next.
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=True,
    )
    app.config.from_mapping(settings)
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = instance.secret_key(folder)
    users.init_app(app, folder / "users.sqlite3")
    errors.init_app(app)
    headers.init_app(app)
    api.revoke.init_app(app)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(pages.blueprint)
    limiter = throttle.guard(app, {"api.login": api.asked_name} | pages.GUARDED)
    app.register_blueprint(api.revoke.blueprint(url_prefix="/auth", limiter=limiter))
    return app
