"""Endpoints by the standards, one room for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState

from ...errors import ConfigurationError, Outage
from ...request import EXTENSION
from ...responses import error_response
from . import backchannel_logout, introspection, revocation, security_events
from .clients import Clients, check_clients, client_credentials
from .errors import OAuthError, oauth_error_response

__all__ = ["Clients", "OAuthError", "client_credentials", "oauth_blueprint"]

Audience = Mapping[str, "str | list[str]"]


def oauth_blueprint(
    name: str = "jwt_revoke_oauth",
    *,
    url_prefix: str = "/oauth",
    clients: Clients | None = None,
    introspectors: Clients | None = None,
    logout_audience: Audience | None = None,
    event_audience: Audience | None = None,
    event_authorization: str | None = None,
) -> Blueprint:
    """Make the blueprint; it has the endpoints that it is given what they need for.

    ``clients`` may revoke tokens (RFC 7009) and ``introspectors`` may ask about them (RFC 7662):
    a mapping of client id to secret, None for a public client's, or a function that takes the
    request and answers the client's id, or None to refuse it.

    ``logout_audience`` is the client id that the app has at each issuer of ``ISSUERS`` that may
    send logout tokens (OpenID Connect Back-Channel Logout 1.0), ``event_audience`` what each
    that may push security events (RFC 8935) calls the app, and ``event_authorization`` the
    Authorization header that these are pushed with.

    :raises ValueError: there is no endpoint, or none for a secret, or a secret is empty
        or no string.
    """
    _check_authorization(event_authorization, event_audience)
    made = Blueprint(name, __name__, url_prefix=url_prefix)
    views = []
    if clients is not None:
        views.append(("/revoke", revocation.view(check_clients(clients))))
    if introspectors is not None:
        views.append(
            ("/introspect", introspection.view(check_clients(introspectors, public=False)))
        )
    if logout_audience is not None:
        views.append(("/backchannel-logout", backchannel_logout.view(_lists(logout_audience))))
    if event_audience is not None:
        view = security_events.view(_lists(event_audience), event_authorization)
        views.append(("/security-events", view))
    if not views:
        raise ValueError("oauth_blueprint takes clients, introspectors or an audience")
    for path, view in views:
        made.add_url_rule(path, view.__name__, view, methods=["POST"])
    made.register_error_handler(OAuthError, oauth_error_response)
    made.register_error_handler(
        security_events.EventRefused, security_events.event_refused_response
    )
    made.register_error_handler(Outage, error_response)
    made.after_request(_not_stored)
    made.record_once(_check_issuers({*(logout_audience or ()), *(event_audience or ())}))
    return made


def _check_authorization(given: str | None, audience: Audience | None) -> None:
    if not isinstance(given, str | None):
        raise ValueError("event_authorization must be a string")
    if given == "":
        raise ValueError("event_authorization must not be empty; None is for none")
    if given is not None and audience is None:
        raise ValueError("event_authorization is of no use without event_audience")


def _lists(audience: Audience) -> dict[str, list[str]]:
    return {name: [one] if isinstance(one, str) else list(one) for name, one in audience.items()}


def _not_stored(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _check_issuers(names: set[str]) -> Callable[[BlueprintSetupState], None]:
    def check(state: BlueprintSetupState) -> None:
        """:raises ConfigurationError: nothing is known of an issuer's keys."""
        door = state.app.extensions.get(EXTENSION)
        unknown = sorted(names.difference(door.config.issuers or ())) if door else []
        if unknown:
            raise ConfigurationError(f"JWT_REVOKE_ISSUERS lacks {unknown[0]!r}")

    return check
