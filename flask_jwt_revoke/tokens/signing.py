"""The app's own tokens: claims to JWT and back (RFC 7515, 7519, 8725)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from jwt import PyJWS
from jwt.algorithms import Algorithm
from jwt.exceptions import PyJWTError

from ..config import Config
from ..errors import (
    BadSignature,
    ConfigurationError,
    ExpiredToken,
    MalformedToken,
    NotYetValid,
    WrongIssuer,
)
from ..models import Claims
from ..seen import Known, Seen
from .claims import (
    COMPACT,
    MAX_TOKEN,
    RESERVED,
    check_audience,
    claims_of,
    date_of,
    digest_id,
    dumps,
    loads,
    new_id,
    own_claims,
)
from .signatures import header_of, payload_of, public

_LONGEST_VERSION = 2**63 - 1  # Redis counts no further
_SHORTEST_SECRET = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518 section 3.2


class Tokens:
    """Signs and verifies with the keys and the one algorithm of the configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._jws = PyJWS(algorithms=[config.algorithm])
        algorithm = self._jws.get_algorithm_by_name(config.algorithm)
        named = config.keys or {"": config.secret_key or b""}
        loaded = {kid: _load(config.algorithm, algorithm, key, kid) for kid, key in named.items()}
        self._kid, self._signing = next(iter(loaded.items()))
        # With a public key alone, tokens of an outside signer can still be checked.
        signing = [kid for kid, key in loaded.items() if _can_sign(config.algorithm, key)]
        self._can_sign = self._kid in signing
        # What is derived from a public key, anybody could derive.
        self._secrets = tuple(named[kid] for kid in signing)
        if config.derives and not self._can_sign:
            raise ConfigurationError(
                f"JWT_REVOKE_TOKEN_LOCATION with cookies takes a key that can sign, since CSRF"
                f" values are derived from it; {_setting_of(self._kid)} is a public key"
            )
        self._verifying = {kid: public(key) for kid, key in loaded.items()}
        self._seen = Seen()
        self._overhead: int | None = None  # of header and signature
        # Another extension may sign the same claims under other names.
        self.named: Callable[[object], object] = lambda payload: payload
        self.renamed: Callable[[dict[str, Any]], dict[str, Any]] = lambda payload: payload

    def sign(self, claims: Claims) -> str:
        return self._signed(dumps(self._payload(claims)))

    def _signed(self, payload: bytes) -> str:
        return self._jws.encode(
            payload,
            self._signing,
            self._config.algorithm,
            headers={"kid": self._kid} if self._kid else None,
        )

    def derived(self, purpose: str, value: str) -> str:
        """128 bits that only the holder of the signing key can compute, base64url."""
        self._check_key()
        return _derived(self._secrets[0], purpose, value)

    def is_derived(self, given: str, purpose: str, value: str) -> bool:
        """Whether ``derived`` answered it, or did so before another key came first."""
        return any(
            hmac.compare_digest(given.encode(), _derived(key, purpose, value).encode())
            for key in self._secrets
        )

    def seal(self, text: str) -> str:
        """As ``derived``; empty where there is no key but public ones."""
        return _derived(self._secrets[0], "seal", text) if self._secrets else ""

    def is_sealed(self, text: str, seal: str) -> bool:
        """Whether one of the app's secret or private keys has sealed it."""
        return any(
            hmac.compare_digest(seal.encode(), _derived(key, "seal", text).encode())
            for key in self._secrets
        )

    def check_signable(self, claims: Claims) -> None:
        """:raises ValueError: the author's claims cannot be in a token, or there is no key."""
        self._check_key()
        if not all(isinstance(name, str) for name in claims.claims):
            raise ValueError("claims: each name must be a string")
        reserved = sorted(RESERVED.intersection(claims.claims))
        if reserved:
            raise ValueError(f"claims: the name {reserved[0]!r} is reserved")
        try:
            written = dumps(self._payload(claims))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"claims cannot be written as JSON: {error}") from None
        try:
            loads(written)
        except MalformedToken:
            raise ValueError("claims are nested too deeply, or a name stands twice") from None
        if self._length(claims) > MAX_TOKEN:
            raise ValueError(f"claims are too large: {len(written)} bytes of JSON in one token")

    def check_exchangeable(self, spent: Claims) -> None:
        """Its claims, written again, may need more room than before.

        :raises MalformedToken: the new pair would be refused.
        """
        self._check_key()
        own = replace(spent, claims=own_claims(spent))
        if self._length(own) > MAX_TOKEN:
            raise MalformedToken("The claims have become too large for a new token; sign in.")

    def _check_key(self) -> None:
        if not self._can_sign:
            raise ConfigurationError(f"{_setting_of(self._kid)}: a public key cannot sign")

    def _length(self, claims: Claims) -> int:
        """Of the longest token with these claims: its version is not known yet."""
        longest = replace(
            claims, id="x" * len(new_id()), version=_LONGEST_VERSION, type="refresh", fresh=False
        )
        if self._overhead is None:
            self._overhead = len(self._signed(b""))
        return self._overhead + math.ceil(len(dumps(self._payload(longest))) * 4 / 3)

    def verify(self, token: str, now: float, *, allow_expired: bool = False) -> Claims:
        """Verify the signature, then each claim. ``now`` is a Unix time in seconds.

        :raises TokenRefused: the subclass says why.
        """
        return self.known(token, now, allow_expired=allow_expired).claims()

    def known(self, token: str, now: float, *, allow_expired: bool = False) -> Known:
        """Verify as ``verify`` does, and answer what this process knows of the token."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN:
            raise MalformedToken()
        # Not by OpenSSL, whose way to its SHA-256 costs more than the hashing.
        digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        known = self._seen.get(digest)
        if known is None:
            known = self._seen.add(digest, self._known(token))
        if now < known.opens:
            raise NotYetValid()
        if now >= known.closes and not allow_expired:
            raise ExpiredToken()
        return known

    def claims_of(self, payload: object) -> Claims:
        """Read a payload whose signature is vouched for.

        :raises MissingClaim: no exp, jti or sub.
        :raises MalformedToken: a claim of the wrong kind.
        """
        return claims_of(payload)

    def _known(self, token: str) -> Known:
        """Everything about a token that time does not change."""
        if not COMPACT.fullmatch(token):
            raise MalformedToken()
        substitute = digest_id(token) if self._config.outside_tokens_without_jti else None
        claims = claims_of(self.named(loads(self._verified(token))), substitute)
        if "nbf" in claims.claims:
            date_of(claims.claims, "nbf")
        if self._config.issuer is not None and claims.claims.get("iss") != self._config.issuer:
            raise WrongIssuer()
        check_audience(claims.claims.get("aud"), self._config.audience)
        return Known(claims, self._config.leeway)

    def _verified(self, token: str) -> bytes:
        return payload_of(self._jws, token, self._candidates(token), self._config.algorithm)

    def _candidates(self, token: str) -> Iterable[Any]:
        """The key that the token names; all keys for a token from before keys had names."""
        if len(self._verifying) == 1:
            return self._verifying.values()
        kid = header_of(self._jws, token).get("kid")
        if kid is None:
            return self._verifying.values()
        if kid not in self._verifying:
            raise BadSignature("The token names an unknown key.")
        return (self._verifying[kid],)

    def _payload(self, claims: Claims) -> dict[str, Any]:
        config = self._config
        payload = {
            **claims.claims,
            "sub": claims.subject,
            "jti": claims.id,
            "sid": claims.session_id,
            "iat": claims.issued_at,
            "exp": claims.expires_at,
            "type": claims.type,
            "ver": claims.version,
            "fresh": claims.fresh,
        }
        if config.issuer is not None:
            payload["iss"] = config.issuer
        if config.audience is not None:
            payload["aud"] = config.audience[0] if len(config.audience) == 1 else config.audience
        return self.renamed(payload)


def _load(name: str, algorithm: Algorithm, key: bytes, kid: str) -> Any:
    """:raises ConfigurationError: the key does not suit the algorithm."""
    try:
        loaded = algorithm.prepare_key(key)
    except (PyJWTError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{_setting_of(kid)} cannot be used with {name}: {error}"
        ) from None
    shortest = _SHORTEST_SECRET.get(name)
    if shortest and len(key) < shortest:
        raise ConfigurationError(
            f"{_setting_of(kid)} is too short for {name}: {len(key)} bytes, needs {shortest}"
            " (RFC 7518 section 3.2); make one with:"
            f' python -c "import secrets; print(secrets.token_hex({shortest}))"'
        )
    weakness = algorithm.check_key_length(loaded)
    if weakness:
        raise ConfigurationError(f"{_setting_of(kid)}: {weakness}")
    return loaded


def _can_sign(algorithm: str, key: Any) -> bool:
    return algorithm in _SHORTEST_SECRET or hasattr(key, "sign")


def _setting_of(kid: str) -> str:
    if len(kid) >= min(_SHORTEST_SECRET.values()):
        return "JWT_REVOKE_KEYS"  # key and id may have changed places
    if kid:
        return f"JWT_REVOKE_KEYS[{kid!r}]"
    return "The signing key (JWT_REVOKE_SECRET_KEY or SECRET_KEY)"


def _derived(key: bytes, purpose: str, value: str) -> str:
    digest = hmac.digest(key, f"{purpose}:{value}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
