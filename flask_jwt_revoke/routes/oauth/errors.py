"""Error answers as RFC 6749 section 5.2 has them."""

from __future__ import annotations

from flask import Response, jsonify


class OAuthError(Exception):
    """``error`` is a code of RFC 6749 section 5.2, or of RFC 7009 section 2.2.1."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


class InvalidRequest(OAuthError):
    def __init__(self, description: str) -> None:
        super().__init__("invalid_request", description)


class InvalidClient(OAuthError):
    def __init__(self) -> None:
        super().__init__("invalid_client", "The client is not known, or not allowed to.", 401)


def oauth_error_response(error: OAuthError) -> Response:
    response = jsonify(error=error.error, error_description=error.description)
    response.status_code = error.status
    if isinstance(error, InvalidClient):
        response.headers["WWW-Authenticate"] = 'Basic realm="oauth"'
    return response
