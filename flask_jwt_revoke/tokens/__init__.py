"""Claims to JWT and back: the one wall around PyJWT (RFC 7515, 7519, 8725)."""

from ..config import Config
from .claims import RESERVED, check_id, date_of, id_of, new_id, own_claims, unverified
from .signing import Tokens

__all__ = [
    "RESERVED",
    "Tokens",
    "check_id",
    "date_of",
    "id_of",
    "new_id",
    "own_claims",
    "tokens_of",
    "unverified",
]


def tokens_of(config: Config) -> Tokens:
    """:raises ConfigurationError: a key cannot be used."""
    if config.issuers is None:
        return Tokens(config)
    from .outside import TokensOfMany  # noqa: PLC0415 - no app without them waits for it

    return TokensOfMany(config)
