"""Errors as HTTP answers (RFC 6750 section 3)."""

from __future__ import annotations

from flask import Response, jsonify

from .errors import (
    BadRequest,
    JWTRevokeError,
    MissingToken,
    Outage,
    TokenRefused,
)


def error_response(error: JWTRevokeError) -> Response:
    response = jsonify(error=error.error, error_description=error.description, reason=error.reason)
    response.status_code = error.status
    if isinstance(error, Outage):
        response.headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, BadRequest | TokenRefused):
        response.headers["WWW-Authenticate"] = _challenge(error)
    return response


def _challenge(error: JWTRevokeError) -> str:
    # Section 3.1: no error code for a request that has no credentials.
    if isinstance(error, MissingToken):
        return "Bearer"
    return f'Bearer error="{error.error}", error_description="{error.description}"'
