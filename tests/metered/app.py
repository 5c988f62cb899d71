"""What gunicorn serves to test_gunicorn: a guarded view, and what Prometheus scrapes."""

from __future__ import annotations

import os

from flask import Flask, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from flask_jwt_revoke import JWTRevoke

from ..conftest import PATIENT, SECRET


def create_app(url: str) -> Flask:
    app = Flask("metered")
    app.config.update(SECRET_KEY=SECRET, JWT_REVOKE_REDIS_URL=url, JWT_REVOKE_METRICS=True)
    app.config.update(PATIENT)
    revoke = JWTRevoke(app)

    @app.get("/pid")
    @revoke.required
    def pid() -> str:
        return str(os.getpid())

    @app.get("/metrics")
    def metrics() -> Response:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return Response(generate_latest(registry), mimetype="text/plain")

    return app
