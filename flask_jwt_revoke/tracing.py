"""A span of OpenTelemetry for each check and verb. Imported where ``JWT_REVOKE_TRACING`` is set,
and only there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from .errors import (
    ConfigurationError,
    IssuerOutage,
    JWTRevokeError,
    Outage,
    ReusedToken,
    RevokedToken,
)
from .models import Claims, TokenPair

try:
    from opentelemetry.trace import Span, Status, StatusCode, Tracer, get_tracer
except ImportError:
    raise ConfigurationError(
        "JWT_REVOKE_TRACING needs opentelemetry-api: pip install 'flask-jwt-revoke[tracing]'"
    ) from None

#: Verbs whose first argument is a token, and those where it is a subject.
OF_TOKENS = ("check", "record", "rotate", "revoke", "logout")
OF_SUBJECTS = (
    "issue", "logout_session", "end_listed", "logout_device", "logout_others",
    "logout_everywhere", "block", "unblock", "purge", "repair",
)  # fmt: skip
#: Of an issuer, which does not say whose it is.
OF_ISSUERS = ("logout_outside_session", "revoke_outside_token")

#: Refusals and failures that come after the signature has verified.
_VERIFIED = (RevokedToken, ReusedToken, Outage)

Verb = Callable[..., Any]


def trace(door: Any) -> None:
    """Have each verb of an Authority begin a span from now on."""
    tracer = get_tracer("flask_jwt_revoke")
    for name in (*OF_TOKENS, *OF_SUBJECTS, *OF_ISSUERS):
        setattr(door, name, _traced(tracer, name, getattr(door, name), door.tokens))
    door.check_verified = _traced(tracer, "check", door.check_verified, door.tokens)


def _traced(tracer: Tracer, name: str, verb: Verb, tokens: Any) -> Verb:
    @wraps(verb)
    def traced(*given: Any, **options: Any) -> Any:
        with tracer.start_as_current_span(
            f"jwt_revoke.{name}", record_exception=False, set_status_on_exception=False
        ) as span:
            if not span.is_recording():
                return verb(*given, **options)
            _describe(span, name, given, options)
            try:
                answer = verb(*given, **options)
            except Exception as error:
                if isinstance(error, _VERIFIED) and not isinstance(error, IssuerOutage):
                    _tell_whose(span, name, given, options, tokens)
                _failed(span, error)
                raise
            if not isinstance(answer, Claims):
                _tell_whose(span, name, given, options, tokens)
            _answered(span, name, answer)
            return answer

    return traced


def _describe(span: Span, name: str, given: tuple[Any, ...], options: dict[str, Any]) -> None:
    if name in OF_SUBJECTS:
        subject = given[0] if given else options.get("subject")
        _set(span, "user.id", subject)
    elif given and isinstance(given[0], Claims):
        _tell_claims(span, given[0])
    _set(span, "jwt_revoke.reason", options.get("reason"))


def _tell_whose(
    span: Span, name: str, given: tuple[Any, ...], options: dict[str, Any], tokens: Any
) -> None:
    """Of a token that the verb was given as text, and has verified."""
    token = given[0] if given else options.get("token")
    if name in OF_TOKENS and isinstance(token, str):
        with suppress(JWTRevokeError):
            _tell_claims(span, tokens.verify(token, math.inf, allow_expired=True))


def _answered(span: Span, name: str, answer: object) -> None:
    if isinstance(answer, Claims):
        _tell_claims(span, answer)
    if name == "check":
        span.set_attribute("jwt_revoke.verdict", "live")
    elif isinstance(answer, TokenPair):
        span.set_attribute("session.id", answer.session_id)
    elif isinstance(answer, int):
        span.set_attribute("jwt_revoke.count", int(answer))


def _failed(span: Span, error: Exception) -> None:
    """A refusal is an answer, and no error of the service."""
    if isinstance(error, JWTRevokeError):
        span.set_attribute("jwt_revoke.verdict", error.reason)
    if isinstance(error, Outage) or not isinstance(error, JWTRevokeError):
        span.set_attribute("error.type", type(error).__qualname__)
        # Without its text, which may hold what was given.
        span.set_status(Status(StatusCode.ERROR))


def _tell_claims(span: Span, claims: Claims) -> None:
    _set(span, "user.id", claims.subject)
    _set(span, "session.id", claims.session_id)
    _set(span, "jwt_revoke.token.id", claims.id)
    _set(span, "jwt_revoke.token.type", claims.type)


def _set(span: Span, name: str, value: object) -> None:
    if isinstance(value, str):
        span.set_attribute(name, value)
