"""Token introspection (RFC 7662)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request

from ...decorators import exempt
from ...errors import TokenRefused
from ...issuers import SEPARATOR
from ...models import Claims
from ...request import authority
from .clients import Clients, authenticated
from .form import parameter

_TEXTS = ("iss", "client_id", "scope", "username")


def view(introspectors: Clients) -> Callable[[], Response]:
    @exempt
    def introspect() -> Response:
        """Tell an authorised caller whether a token is live, and what it says."""
        authenticated(introspectors, request)
        claims = _live(parameter(request, "token"))
        return jsonify({"active": False} if claims is None else _shown(claims))

    return introspect


def _live(token: str) -> Claims | None:
    door = authority()
    try:
        return door.check(token, type=door.verify(token).type, strict=True, on_outage="deny")
    except TokenRefused:
        return None


def _shown(claims: Claims) -> dict[str, Any]:
    """Section 2.2. A resource server must tell a refresh token from an access token."""
    said = claims.claims
    found = {
        "active": True,
        "token_type": "Bearer" if claims.type == "access" else "refresh_token",
        "sub": claims.subject if claims.issuer is None else _own_name(claims),
        "jti": claims.id,
        "sid": claims.session_id,
        "exp": int(claims.expires_at),
        "iat": None if claims.issued_at is None else int(claims.issued_at),
        "nbf": int(said["nbf"]) if "nbf" in said else None,
        "aud": said.get("aud"),
    } | {name: said[name] for name in _TEXTS if isinstance(said.get(name), str)}
    return {name: value for name, value in found.items() if value is not None}


def _own_name(claims: Claims) -> str:
    """What its issuer calls the subject."""
    return claims.subject.removeprefix(f"{claims.issuer}{SEPARATOR}")
