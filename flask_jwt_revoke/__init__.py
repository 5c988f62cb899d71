"""JWTs that can be revoked, for Flask, with Redis."""

from .authority import Authority
from .config import Config
from .errors import (
    BadRequest,
    BadSignature,
    BrokenData,
    ConfigurationError,
    ExpiredToken,
    IssuerOutage,
    JWTRevokeError,
    MalformedToken,
    MissingClaim,
    MissingToken,
    NotFresh,
    NotReplicated,
    NotYetValid,
    Outage,
    ReusedToken,
    RevokedToken,
    SignInRefused,
    SubjectBlocked,
    TokenRefused,
    TooManySessions,
    UnknownSession,
    WrongAudience,
    WrongCSRF,
    WrongIssuer,
    WrongType,
)
from .extension import JWTRevoke
from .models import Claims, Event, Session, TokenPair
from .request import current_token, rate_limit_key

__version__ = "0.1.0"

__all__ = [
    "Authority",
    "BadRequest",
    "BadSignature",
    "BrokenData",
    "Claims",
    "Config",
    "ConfigurationError",
    "Event",
    "ExpiredToken",
    "IssuerOutage",
    "JWTRevoke",
    "JWTRevokeError",
    "MalformedToken",
    "MissingClaim",
    "MissingToken",
    "NotFresh",
    "NotReplicated",
    "NotYetValid",
    "Outage",
    "ReusedToken",
    "RevokedToken",
    "Session",
    "SignInRefused",
    "SubjectBlocked",
    "TokenPair",
    "TokenRefused",
    "TooManySessions",
    "UnknownSession",
    "WrongAudience",
    "WrongCSRF",
    "WrongIssuer",
    "WrongType",
    "current_token",
    "rate_limit_key",
]
