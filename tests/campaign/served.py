"""What gunicorn serves: the campaign's app, which has spoken to Redis before the fork."""

from __future__ import annotations

import os

from flask import Flask

from .doors import app_of

_TIMEOUT = 5.0


def app(url: str) -> Flask:
    made = app_of(url, timeout=_TIMEOUT)
    # With --preload this runs in the master: its connections must not be used after the fork.
    made.extensions["jwt_revoke"].issue("preloaded")

    @made.after_request
    def tell(response):
        response.headers["X-Worker"] = str(os.getpid())
        return response

    return made
