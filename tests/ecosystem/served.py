"""What the servers of WSGI apps serve."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask

from flask_jwt_revoke import JWTRevoke, current_token

from ..conftest import PATIENT, SECRET

URL = "ECOSYSTEM_REDIS_URL"


def create_app() -> Flask:
    app = Flask("served")
    app.config.update(SECRET_KEY=SECRET, JWT_REVOKE_REDIS_URL=os.environ[URL])
    app.config.update(PATIENT)
    revoke = JWTRevoke(app)

    @app.post("/login")
    def login() -> dict[str, Any]:
        return revoke.issue("alice").to_dict()

    @app.get("/me")
    @revoke.required
    def me() -> dict[str, Any]:
        return {"user": current_token.subject, "pid": os.getpid()}

    @app.post("/logout-everywhere")
    @revoke.required
    def logout_everywhere() -> dict[str, Any]:
        return {"revoked": revoke.logout_everywhere(current_token.subject)}

    return app
