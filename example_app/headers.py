"""What each answer tells the browser to allow and to keep."""

from __future__ import annotations

from flask import Flask, Response, request

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def init_app(app: Flask) -> None:
    app.after_request(_add)


def _add(response: Response) -> Response:
    response.headers.update(_HEADERS)
    # So that the Back button asks again, and a browser that was signed out shows nothing.
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
