"""Every error as JSON, in the shape of the extension's own."""

from __future__ import annotations

from flask import Flask, Response, jsonify
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, HTTPException, Unauthorized

_CODES = {400: "invalid_request", 401: "invalid_credentials"}


class InvalidField(BadRequest):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"The field {field} {problem}.")
        self.field = field


class WrongPassword(Unauthorized):
    def __init__(self) -> None:
        # RFC 9110 section 15.5.2: a 401 has a challenge.
        challenge = WWWAuthenticate("bearer")
        super().__init__("The user name or the password is wrong.", www_authenticate=challenge)


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _as_json)


def _as_json(error: HTTPException) -> Response:
    code = _CODES.get(error.code or 500) or error.name.lower().replace(" ", "_")
    body = {"error": code, "error_description": error.description}
    if isinstance(error, InvalidField):
        body["field"] = error.field
    response = jsonify(body)
    response.status_code = error.code or 500
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers[name] = value
    return response
