"""The error tree.

ConfigurationError          a setting cannot work; raised while the app starts
JWTRevokeError              the answer to a request
├── BadRequest             400  the credentials are not written as RFC 6750 says
├── TokenRefused           401
│   ├── MissingToken
│   ├── MalformedToken
│   ├── BadSignature
│   ├── ExpiredToken
│   ├── NotYetValid
│   ├── WrongType
│   ├── WrongIssuer
│   ├── WrongAudience
│   ├── MissingClaim
│   ├── RevokedToken
│   ├── ReusedToken
│   ├── NotFresh
│   └── WrongCSRF
├── SignInRefused          403
│   ├── SubjectBlocked
│   └── TooManySessions
├── UnknownSession         404
└── Outage                 503  Redis cannot be asked within the time budget
    ├── NotReplicated           it is revoked, and too few replicas have it
    ├── BrokenData              a key holds what was not written there by us
    └── IssuerOutage            nor an issuer for the keys that it signs with
"""

from __future__ import annotations

from typing import ClassVar


class ConfigurationError(ValueError):
    """A setting is missing or has a value that cannot work; raised by ``init_app``."""


class JWTRevokeError(Exception):
    """Root of what a request can be answered with; register an error handler on it.

    ``status`` is the HTTP status, ``error`` the OAuth error code (RFC 6750
    section 3.1), ``reason`` a stable word for programs, and ``description`` a
    sentence for people. None of them ever holds a token or a key.
    """

    status: ClassVar[int]
    error: ClassVar[str]
    reason: ClassVar[str]
    default_description: ClassVar[str]

    def __init__(self, description: str | None = None) -> None:
        self.description = description or self.default_description
        super().__init__(self.description)


class BadRequest(JWTRevokeError):
    status = 400
    error = "invalid_request"
    reason = "malformed"
    default_description = "The Authorization header must be 'Bearer <token>', once."


class TokenRefused(JWTRevokeError):
    """The presented token is not accepted; the subclass and ``reason`` say why."""

    status = 401
    error = "invalid_token"
    reason = "revoked"
    default_description = "The token is not accepted."


class MissingToken(TokenRefused):
    reason = "missing"
    default_description = "A token is required."


class MalformedToken(TokenRefused):
    reason = "malformed"
    default_description = "The token is not a well-formed JWT."


class BadSignature(TokenRefused):
    reason = "bad_signature"
    default_description = "The token's signature does not verify."


class ExpiredToken(TokenRefused):
    reason = "expired"
    default_description = "The token has expired."


class NotYetValid(TokenRefused):
    reason = "not_yet_valid"
    default_description = "The token is not valid yet."


class WrongType(TokenRefused):
    reason = "wrong_type"
    default_description = "A token of another type is required."


class WrongIssuer(TokenRefused):
    reason = "wrong_issuer"
    default_description = "The token comes from another issuer."


class WrongAudience(TokenRefused):
    reason = "wrong_audience"
    default_description = "The token is meant for another audience."


class MissingClaim(TokenRefused):
    reason = "missing_claim"
    default_description = "The token lacks a required claim."


class RevokedToken(TokenRefused):
    reason = "revoked"
    default_description = "The token has been revoked."


class ReusedToken(TokenRefused):
    reason = "reused"
    default_description = "The refresh token was used before; its session has been ended."


class NotFresh(TokenRefused):
    reason = "not_fresh"
    default_description = "A fresh sign-in is required."


class WrongCSRF(TokenRefused):
    reason = "csrf"
    default_description = "The CSRF value is missing or wrong."


class SignInRefused(JWTRevokeError):
    """A sign-in that the subject's state does not allow."""

    status = 403
    error = "access_denied"
    reason = "refused"
    default_description = "Signing in is not possible."


class SubjectBlocked(SignInRefused):
    reason = "blocked"
    default_description = "This account is blocked."


class TooManySessions(SignInRefused):
    reason = "too_many_sessions"
    default_description = "This account is signed in on too many devices."


class UnknownSession(JWTRevokeError):
    status = 404
    error = "not_found"
    reason = "unknown_session"
    default_description = "There is no such session."


class Outage(JWTRevokeError):
    """Redis could not be asked. After a write it is unknown whether it was done.

    ``retry_after`` is in seconds, for the Retry-After header.
    """

    status = 503
    error = "temporarily_unavailable"
    reason = "outage"
    default_description = "Tokens cannot be checked at the moment."
    retry_after: ClassVar[int] = 1


class NotReplicated(Outage):
    """What was to end has ended, but fewer than ``WAIT_REPLICAS`` replicas have it.

    A fail-over could undo it. Repeating is safe, and succeeds once the replicas have it.
    """

    reason = "not_replicated"
    default_description = "It is revoked, but not on enough replicas yet; please repeat."


class BrokenData(Outage):
    """A key of the subject holds what the package did not write there; the log names it.

    ``ON_OUTAGE`` does not apply: nothing is accepted.
    """

    reason = "broken_data"
    default_description = "What is known of this account cannot be read."


class IssuerOutage(Outage):
    """An issuer's keys cannot be fetched: nobody can say whether it signed a token."""

    reason = "issuer_outage"
    default_description = "The issuer's keys cannot be fetched at the moment."
