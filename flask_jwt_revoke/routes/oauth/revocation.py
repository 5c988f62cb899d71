"""Token revocation (RFC 7009)."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, make_response, request

from ...decorators import exempt
from ...errors import TokenRefused
from ...request import authority
from .clients import Clients, authenticated
from .errors import OAuthError
from .form import parameter


def view(clients: Clients) -> Callable[[], Response]:
    @exempt
    def revoke() -> Response:
        """Revoke a token; a refresh token takes its session along."""
        client = authenticated(clients, request)
        _revoke(parameter(request, "token"), client)
        return make_response("", 200)

    return revoke


def _revoke(token: str, client: str) -> None:
    """``token_type_hint`` is not needed: a token says of which type it is.

    :raises OAuthError: it was issued to another client, or would be accepted all the same.
    """
    door = authority()
    try:
        # One that is not valid yet, or was valid, is revoked too.
        claims = door.verify(token)
    except TokenRefused:
        return  # Section 2.2: nobody can do anything with it, which is what was asked for.
    if claims.claims.get("client_id", client) != client:
        raise OAuthError("invalid_grant", "The token was issued to another client.")
    if claims.type == "refresh":
        door.logout(claims, actor=client)
    elif "access" in door.config.checked_types:
        door.revoke(claims, actor=client)
    else:
        raise OAuthError("unsupported_token_type", "Access tokens end by expiring here.")
