"""The receiver of OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import Response, make_response, request

from ...decorators import exempt
from ...errors import ExpiredToken, MalformedToken, MissingClaim, TokenRefused
from ...request import authority
from ...tokens import id_of
from .errors import InvalidRequest
from .form import parameter
from .outside import Audiences, Payload, date, subject_of, verified

log = logging.getLogger("flask_jwt_revoke")

EVENT = "http://schemas.openid.net/event/backchannel-logout"
REASON = "backchannel_logout"
#: Values of typ; section 2.4 recommends logout+jwt, and many issuers sign without.
_TYPES = ("", "jwt", "logout+jwt")


def view(audiences: Audiences) -> Callable[[], Response]:
    @exempt
    def backchannel_logout() -> Response:
        """End the session, or all sessions, that a logout token names."""
        token = parameter(request, "logout_token")
        try:
            payload = verified(token, _TYPES, audiences)
            life = _checked_life(payload)
            end = _ending(payload)
        except TokenRefused as refused:
            log.info("a logout token was refused: %s", refused.description)
            raise InvalidRequest(refused.description) from refused
        if not authority().once(payload["iss"], payload["jti"], life, end):
            raise InvalidRequest("The logout token was received before.")
        return make_response("", 200)

    return backchannel_logout


def _checked_life(payload: Payload) -> float:
    """Seconds for which a logout token is valid, once the rules of section 2.6 hold.

    :raises TokenRefused: one of them does not.
    """
    door = authority()
    life = date(payload, "exp") + door.config.leeway - door.clock()
    if life <= 0:
        raise ExpiredToken()
    events = payload.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise MalformedToken("The claim events does not say that this is a logout token.")
    if "nonce" in payload:
        raise MalformedToken("A logout token has no claim nonce.")
    return life


def _ending(payload: Payload) -> Callable[[], object]:
    """Without sid, everything of the subject ends.

    :raises TokenRefused: neither sub nor sid, or one that cannot be used.
    """
    door, issuer = authority(), payload["iss"]
    sid = id_of(payload, "sid") if "sid" in payload else None
    subject = subject_of(issuer, payload["sub"]) if "sub" in payload else None
    about = {"reason": REASON, "actor": issuer}
    if subject is None:
        if sid is None:
            raise MissingClaim("The token lacks the claims sub and sid.")
        return lambda: door.logout_outside_session(issuer, sid, **about)
    if sid is None:
        return lambda: door.logout_everywhere(subject, **about)
    return lambda: door.logout_session(subject, sid, **about)
