"""The receiver of security events: CAEP session-revoked in a SET (RFC 8417), pushed (RFC 8935)."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping
from typing import Any

from flask import Request, Response, jsonify, make_response, request

from ...decorators import exempt
from ...errors import (
    BadSignature,
    ExpiredToken,
    MalformedToken,
    TokenRefused,
    WrongAudience,
    WrongIssuer,
)
from ...request import authority
from ...tokens import id_of
from .outside import Audiences, Payload, date, required, subject_of, verified

log = logging.getLogger("flask_jwt_revoke")

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
REASON = "session_revoked"
MEDIA_TYPE = "application/secevent+jwt"
#: Seconds. Few SETs expire; an older one could be a replay that nobody remembers.
MAX_AGE = 7 * 24 * 3600
#: Bytes.
_MAX_BODY = 16_384

#: RFC 8935 section 2.4.
_CODES: dict[type[TokenRefused], str] = {
    BadSignature: "invalid_key",
    WrongIssuer: "invalid_issuer",
    WrongAudience: "invalid_audience",
}


class EventRefused(Exception):
    """``err`` is a code of RFC 8935 section 2.4."""

    def __init__(self, err: str, description: str) -> None:
        super().__init__(description)
        self.err, self.description = err, description


def view(audiences: Audiences, authorization: str | None) -> Callable[[], Response]:
    @exempt
    def security_events() -> Response:
        """Receive one security event; what is not understood is received all the same."""
        _authenticate(request, authorization)
        token = _body(request)
        try:
            payload = verified(token, ("secevent+jwt",), audiences)
            end = _ending(payload)
            life = _checked_life(payload)
        except TokenRefused as refused:
            raise EventRefused(
                _CODES.get(type(refused), "invalid_request"), refused.description
            ) from refused
        if end is not None:
            # Section 2: one that was received before is answered as it was then.
            authority().once(payload["iss"], payload["jti"], life, end)
        return make_response("", 202)

    return security_events


def event_refused_response(error: EventRefused) -> Response:
    log.info("a security event was refused: %s", error.description)
    response = jsonify(err=error.err, description=error.description)
    response.headers["Content-Language"] = "en"
    return make_response(response, 400)


def _authenticate(here: Request, expected: str | None) -> None:
    given = here.headers.get("Authorization", "")
    if expected is not None and not hmac.compare_digest(given.encode(), expected.encode()):
        raise EventRefused("authentication_failed", "The Authorization header is not accepted.")


def _body(here: Request) -> str:
    if here.mimetype != MEDIA_TYPE:
        raise EventRefused("invalid_request", f"The body must be {MEDIA_TYPE}.")
    body = _in_chunks(here) if here.content_length is None else b""
    if len(body) > _MAX_BODY or (here.content_length or 0) > _MAX_BODY:
        raise EventRefused("invalid_request", f"The body must be at most {_MAX_BODY} bytes long.")
    # Empty where there is a length, or the app itself has read the body before.
    return (body or here.get_data()).decode("ascii", "replace").strip()


def _in_chunks(here: Request) -> bytes:
    """A body that does not say how long it is; of one that is too long, a byte too many."""
    body = b""
    while len(body) <= _MAX_BODY:
        more = here.stream.read(_MAX_BODY + 1 - len(body))
        if not more:
            break
        body += more
    return body


def _checked_life(payload: Payload) -> float:
    """Seconds for which an event may be received.

    :raises TokenRefused: there are none left.
    """
    door, ends = authority(), date(payload, "iat") + MAX_AGE
    if "exp" in payload:
        ends = min(ends, date(payload, "exp"))
    life = ends + door.config.leeway - door.clock()
    if life <= 0:
        raise ExpiredToken("The event is too old.")
    return life


def _ending(payload: Payload) -> Callable[[], object] | None:
    """What the event asks for; None for an event of another kind.

    :raises TokenRefused: the event is not written as its standards say.
    """
    events = payload.get("events")
    if not isinstance(events, dict) or not events:
        raise MalformedToken("The claim events holds no event.")
    if not all(isinstance(one, dict) for one in events.values()):
        raise MalformedToken("An event is no object.")
    if SESSION_REVOKED not in events:
        return None
    _check_timestamp(events[SESSION_REVOKED])
    required(payload, "sub_id")
    return _ending_of(payload["iss"], payload["sub_id"])


def _check_timestamp(event: Mapping[str, Any]) -> None:
    value = event.get("event_timestamp", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise MalformedToken("The event_timestamp is not a date.")


def _ending_of(issuer: str, sub_id: object) -> Callable[[], object]:
    """By the formats of RFC 9493, and complex subjects of Shared Signals."""
    door, about = authority(), {"reason": REASON, "actor": issuer}
    match sub_id:
        case {"format": "jwt_id", **named}:
            token_id = _named(issuer, named, "jti")
            return lambda: door.revoke_outside_token(issuer, token_id, **about)
        case {"format": "complex", "session": session, **rest}:
            sid = _opaque(session)
            if "user" not in rest:
                return lambda: door.logout_outside_session(issuer, sid, **about)
            subject = _user(issuer, rest["user"])
            return lambda: door.logout_session(subject, sid, **about)
        case {"format": "complex", "user": user}:
            # What narrows it down further, a device say, is unknown here: everything ends.
            subject = _user(issuer, user)
        case {"format": "opaque"}:
            return _ending_of_opaque(issuer, _opaque(sub_id))
        case _:
            subject = _user(issuer, sub_id)
    return lambda: door.logout_everywhere(subject, **about)


def _ending_of_opaque(issuer: str, id: str) -> Callable[[], object]:
    """It does not say whether it is a session's, as CAEP prints it, or a user's: both end."""
    door, about, subject = authority(), {"reason": REASON, "actor": issuer}, subject_of(issuer, id)

    def end() -> None:
        try:
            door.logout_outside_session(issuer, id, **about)
        finally:  # also where it has ended, and replicas do not have it
            door.logout_everywhere(subject, **about)

    return end


def _user(issuer: str, sub_id: object) -> str:
    match sub_id:
        case {"format": "iss_sub", **named}:
            return subject_of(issuer, _named(issuer, named, "sub"))
        case {"format": "opaque"}:
            return subject_of(issuer, _opaque(sub_id))
    raise MalformedToken("Subjects are iss_sub, opaque, jwt_id or complex.")


def _named(issuer: str, sub_id: Mapping[Any, Any], name: str) -> str:
    """A member of a subject that has an issuer, which must be the event's own."""
    required(sub_id, "iss")
    required(sub_id, name)
    if sub_id["iss"] != issuer:
        raise EventRefused("access_denied", "The subject is not one of the issuer's own.")
    return id_of(sub_id, name)


def _opaque(sub_id: object) -> str:
    match sub_id:
        case {"format": "opaque", "id": id}:
            return id_of({"id": id}, "id")
    raise MalformedToken("The subject is not written as its format asks.")
