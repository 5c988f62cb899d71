"""JWTs that can be revoked, for Flask, with Redis."""

from .authority import Authority
from .config import Config
from .errors import (
    BadRequest,
    BadSignature,
    ConfigurationError,
    ExpiredToken,
    JWTRevokeError,
    MalformedToken,
    MissingClaim,
    MissingToken,
    NotFresh,
    NotYetValid,
    Outage,
    RevokedToken,
    TokenRefused,
    WrongAudience,
    WrongIssuer,
    WrongType,
)
from .extension import JWTRevoke
from .models import Claims, Event, TokenPair
from .request import current_token

__version__ = "0.1.0"

__all__ = [
    "Authority",
    "BadRequest",
    "BadSignature",
    "Claims",
    "Config",
    "ConfigurationError",
    "Event",
    "ExpiredToken",
    "JWTRevoke",
    "JWTRevokeError",
    "MalformedToken",
    "MissingClaim",
    "MissingToken",
    "NotFresh",
    "NotYetValid",
    "Outage",
    "RevokedToken",
    "TokenPair",
    "TokenRefused",
    "WrongAudience",
    "WrongIssuer",
    "WrongType",
    "current_token",
]
