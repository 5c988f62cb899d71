"""Claims to JWT and back: the one wall around PyJWT (RFC 7515, 7519, 8725)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt import PyJWS
from jwt.algorithms import Algorithm
from jwt.exceptions import (
    InvalidAlgorithmError,
    InvalidKeyError,
    InvalidSignatureError,
    PyJWTError,
)

from .config import Config
from .errors import (
    BadSignature,
    ConfigurationError,
    ExpiredToken,
    MalformedToken,
    MissingClaim,
    NotYetValid,
    WrongAudience,
    WrongIssuer,
)
from .models import Claims
from .seen import Known, Seen

#: The author's claims may not carry these names.
RESERVED = frozenset(
    ("sub", "jti", "sid", "iat", "exp", "nbf", "iss", "aud", "type", "ver", "fresh")
)
#: Bytes. A token travels in a header, and servers refuse longer header lines.
MAX_TOKEN = 8190
#: Bytes of UTF-8 in a subject, jti or sid: each becomes part of a key.
MAX_ID = 256
#: Lists and objects inside one another. Copying and writing what is deeper ends the stack.
MAX_DEPTH = 32
_LONGEST_VERSION = 2**63 - 1  # Redis counts no further
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
_SAID = ("alg", "kid", "iss", "sub", "jti", "sid", "type", "iat", "exp")
_END_OF_TIME = 253402300800  # the year 10000; Redis refuses TTLs far beyond
_SHORTEST_SECRET = {"HS256": 32, "HS384": 48, "HS512": 64}  # RFC 7518 section 3.2


def new_id() -> str:
    """128 random bits, base64url."""
    return secrets.token_urlsafe(16)


def check_id(name: str, value: object) -> str:
    """:raises ValueError: not a string of 1 to 256 bytes of UTF-8."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not valid Unicode") from None
    if not 1 <= size <= MAX_ID:
        raise ValueError(f"{name} must be 1 to {MAX_ID} bytes long, got {size}")
    return value


def own_claims(claims: Claims) -> dict[str, Any]:
    """The author's claims among all."""
    return {name: value for name, value in claims.claims.items() if name not in RESERVED}


def unverified(token: str) -> dict[str, str]:
    """What a token says of itself, true or not, for people who look at it. Never a key."""
    found: dict[str, str] = {}
    for part in token[:MAX_TOKEN].split(".")[:2]:
        try:
            named = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except (ValueError, RecursionError):
            continue
        for name in _SAID if isinstance(named, dict) else ():
            if isinstance(named.get(name), str | int | float):
                found.setdefault(name, str(named[name])[:MAX_ID])
    return found


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
        self._verifying = {kid: _public(key) for kid, key in loaded.items()}
        self._seen = Seen()
        self._overhead: int | None = None  # of header and signature

    def sign(self, claims: Claims) -> str:
        return self._signed(_dumps(self._payload(claims)))

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
            written = _dumps(self._payload(claims))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"claims cannot be written as JSON: {error}") from None
        try:
            _loads(written)
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
        return self._overhead + math.ceil(len(_dumps(self._payload(longest))) * 4 / 3)

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
            known = self._seen.add(digest, Known(self._read(token), self._config.leeway))
        if now < known.opens:
            raise NotYetValid()
        if now >= known.closes and not allow_expired:
            raise ExpiredToken()
        return known

    def _read(self, token: str) -> Claims:
        """Everything about a token that time does not change."""
        if not _COMPACT.fullmatch(token):
            raise MalformedToken()
        claims = self.claims_of(_loads(self._verified(token)), self._substitute_id(token))
        if "nbf" in claims.claims:
            _date(claims.claims, "nbf")
        if self._config.issuer is not None and claims.claims.get("iss") != self._config.issuer:
            raise WrongIssuer()
        _check_audience(claims.claims, self._config.audience)
        return claims

    def claims_of(self, payload: object, substitute_id: str | None = None) -> Claims:
        """Read a payload whose signature is vouched for.

        ``substitute_id`` stands in for a jti that is not there.

        :raises MissingClaim: no exp, jti or sub.
        :raises MalformedToken: a claim of the wrong kind.
        """
        if not isinstance(payload, Mapping):
            raise MalformedToken()
        payload = {name: _timestamp(value) for name, value in payload.items()}
        if substitute_id is not None and "jti" not in payload:
            payload = {**payload, "jti": substitute_id}
        for name in ("exp", "jti", "sub"):
            if payload.get(name) is None:
                raise MissingClaim(f"The token lacks the claim {name}.")
        return Claims(
            subject=_id(payload, "sub"),
            id=_id(payload, "jti"),
            session_id=_id(payload, "sid") if "sid" in payload else None,
            expires_at=_date(payload, "exp"),
            issued_at=_date(payload, "iat") if "iat" in payload else None,
            type=_type(payload),
            version=_version(payload),
            fresh=payload.get("fresh") is True,
            claims=MappingProxyType(dict(payload)),
        )

    def _substitute_id(self, token: str) -> str | None:
        """A digest of what is signed; the signature has more than one spelling."""
        if not self._config.outside_tokens_without_jti:
            return None
        return "sha256-" + hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()

    def _verified(self, token: str) -> bytes:
        try:
            for key in self._candidates(token):
                try:
                    verified = self._jws.decode_complete(token, key, [self._config.algorithm])
                except InvalidSignatureError:
                    continue
                payload: bytes = verified["payload"]
                return payload
        except (InvalidAlgorithmError, InvalidKeyError) as error:
            raise BadSignature() from error
        except (PyJWTError, ValueError, RecursionError):
            # PyJWT's text may repeat what the header says, in a traceback.
            raise MalformedToken() from None
        raise BadSignature()

    def _candidates(self, token: str) -> Iterable[Any]:
        """The key that the token names; all keys for a token from before keys had names."""
        if len(self._verifying) == 1:
            return self._verifying.values()
        kid = self._jws.get_unverified_header(token).get("kid")
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
        return payload


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


def _public(key: Any) -> Any:
    private = (
        rsa.RSAPrivateKey,
        ec.EllipticCurvePrivateKey,
        ed25519.Ed25519PrivateKey,
        ed448.Ed448PrivateKey,
    )
    return key.public_key() if isinstance(key, private) else key


def _dumps(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()


def _loads(payload: bytes) -> object:
    try:
        found = _DECODER.decode(payload.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedToken() from error
    if _is_too_deep(found):
        raise MalformedToken()
    return found


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    # 1e999 is JSON, but what it is read as could not be signed again.
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
)


def _id(payload: Mapping[str, Any], name: str) -> str:
    try:
        return check_id(f"The claim {name}", payload[name])
    except ValueError as error:
        raise MalformedToken(f"{error}.") from None


def _date(payload: Mapping[str, Any], name: str) -> float:
    value = payload[name]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < _END_OF_TIME
    ):
        raise MalformedToken(f"The claim {name} is not a date.")
    return value


def _timestamp(value: Any) -> Any:
    # PyJWT takes a datetime for a date, and so may an author who hands in the same claims.
    return value.timestamp() if isinstance(value, datetime) else value


def _type(payload: Mapping[str, Any]) -> Any:
    # An outside signer that knows no types signs access tokens.
    type = payload.get("type", "access")
    if type not in ("access", "refresh"):
        raise MalformedToken("The claim type is neither access nor refresh.")
    return type


def _version(payload: Mapping[str, Any]) -> int | None:
    # Other issuers have a ver of their own; ours stands beside these.
    if not {"ver", "sid", "type", "fresh"} <= payload.keys():
        return None
    version = payload["ver"]
    if isinstance(version, bool) or not isinstance(version, int):
        raise MalformedToken("The claim ver is not an integer.")
    return version


def _check_audience(payload: Mapping[str, Any], accepted: tuple[str, ...] | None) -> None:
    audience = payload.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if named is None and accepted is None:
        return
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise WrongAudience()
    # RFC 7519 section 4.1.3: who is not named in aud must refuse.
    if not set(named).intersection(accepted or ()):
        raise WrongAudience()
