"""Every error as a page, or as JSON in the shape of the extension's own."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, HTTPException, Unauthorized

from .problem import problem

_CODES = {400: "invalid_request", 401: "invalid_credentials"}


class InvalidField(BadRequest):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"The field {field} {problem}.")
        self.field = field
        self.problem = problem


class WrongPassword(Unauthorized):
    def __init__(self) -> None:
        # RFC 9110 section 15.5.2: a 401 has a challenge.
        challenge = WWWAuthenticate("bearer")
        super().__init__("The user name or the password is wrong.", www_authenticate=challenge)


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, _answer)
    app.before_request(_check_query)


def _check_query() -> None:
    """Werkzeug's request.args raises what is no HTTP error."""
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        raise BadRequest("The query is not in UTF-8.") from None


def _answer(error: HTTPException) -> ResponseReturnValue:
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    if _is_for_a_page():
        return problem(error.code or 500, error.name.capitalize(), error.description, headers)
    response = _as_json(error)
    response.headers.extend(headers)
    return response


def _is_for_a_page() -> bool:
    if request.endpoint is not None:
        return request.blueprint == "pages"
    # No URL matched: only a browser names text/html.
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def _as_json(error: HTTPException) -> Response:
    code = _CODES.get(error.code or 500) or error.name.lower().replace(" ", "_")
    body = {"error": code, "error_description": error.description}
    if isinstance(error, InvalidField):
        body["field"] = error.field
    response = jsonify(body)
    response.status_code = error.code or 500
    return response
