"""Tokens of outside issuers, each judged by its own keys, algorithms and audience."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from jwt import PyJWS

from ..config import Config
from ..errors import BadSignature, MalformedToken, MissingClaim, WrongIssuer, WrongType
from ..issuers import Issuer, media_type
from ..models import Claims
from ..seen import Known
from .claims import COMPACT, MAX_TOKEN, check_audience, date_of, digest_id, id_of, loads
from .keysets import Key, key_set
from .signatures import header_of, payload_of
from .signing import Tokens


class KnownOutside(Known):
    """A verified token of an issuer."""

    __slots__ = ("_issuer", "_key")

    def __init__(self, claims: Claims, leeway: float, issuer: OutsideIssuer, key: Key) -> None:
        super().__init__(claims, leeway)
        self.opens = max(self.opens, issuer.earliest(claims) - leeway)
        self._issuer, self._key = issuer, key

    def is_vouched_for(self) -> bool:
        """Whether the issuer still has the key.

        :raises IssuerOutage: it could not be asked for so long that nobody can say.
        """
        self._issuer.keys.freshen()
        return not self._key.is_withdrawn


class OutsideIssuer:
    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.keys = key_set(issuer)
        self._jws = PyJWS(algorithms=list(issuer.algorithms))

    def earliest(self, claims: Claims) -> float:
        """When a token was issued, or had it no iat, since when it can have been."""
        if claims.issued_at is None:
            return claims.expires_at - self.issuer.lifetime
        return claims.issued_at

    def access_token(self, token: str) -> tuple[Claims, Key]:
        """:raises TokenRefused: the subclass says why."""
        payload, key = self.verified(token, self.issuer.typ)
        return self.claims_of(payload, digest_id(token)), key

    def claims_of(self, payload: Mapping[str, Any], substitute_id: str | None = None) -> Claims:
        """Read a payload whose signature is vouched for; ``substitute_id`` is for no jti."""
        if "events" in payload:
            raise WrongType("A security event is no access token.")  # RFC 8417 section 2.2
        for name, accepted in self.issuer.require.items():
            if payload.get(name) not in accepted:
                raise WrongType(f"The claim {name} is not that of an access token.")
        check_audience(payload.get(self._name("aud")), self.issuer.audience)
        claims = self._read(payload, substitute_id)
        issued_at = claims.issued_at
        if issued_at is not None and claims.expires_at - issued_at > self.issuer.lifetime:
            raise MalformedToken("The token lives longer than the settings say of its issuer.")
        return claims

    def verified(self, token: str, types: Collection[str]) -> tuple[Mapping[str, Any], Key]:
        """The payload, and the key that has verified it."""
        header = header_of(self._jws, token)
        typ, algorithm = header.get("typ", ""), header.get("alg")
        if not isinstance(typ, str) or media_type(typ) not in types:
            raise WrongType("The token is of another type (typ).")
        if algorithm not in self.issuer.algorithms:
            raise BadSignature("The token names an algorithm that its issuer may not use.")
        for key in self.keys.find(header.get("kid"), algorithm):
            try:
                payload = loads(payload_of(self._jws, token, [key.key], algorithm))
            except BadSignature:
                continue
            if not isinstance(payload, Mapping) or payload.get("iss") != self.issuer.name:
                raise WrongIssuer()
            return payload, key
        raise BadSignature()

    def _read(self, payload: Mapping[str, Any], substitute_id: str | None) -> Claims:
        sub, jti, sid = self._name("sub"), self._name("jti"), self._name("sid")
        named = {**payload, jti: payload.get(jti, substitute_id)}
        for name in ("exp", jti, sub):
            if named.get(name) is None:
                raise MissingClaim(f"The token lacks the claim {name}.")
        if "nbf" in named:
            date_of(named, "nbf")
        subject = {"sub": self.issuer.subject(id_of(named, sub))}
        return Claims(
            subject=id_of(subject, "sub"),
            id=id_of(named, jti),
            session_id=id_of(named, sid) if named.get(sid) is not None else None,
            expires_at=date_of(named, "exp"),
            issued_at=date_of(named, "iat") if "iat" in named else None,
            issuer=self.issuer.name,
            claims=MappingProxyType(dict(payload)),
        )

    def _name(self, claim: str) -> str:
        return self.issuer.claims.get(claim, claim)


class TokensOfMany(Tokens):
    """The app's own tokens, and those of each of ``ISSUERS``: told apart by iss."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        named = (config.issuers or {}).items()
        self._issuers = {name: OutsideIssuer(issuer) for name, issuer in named}

    def known(self, token: str, now: float, *, allow_expired: bool = False) -> Known:
        known = super().known(token, now, allow_expired=allow_expired)
        if not isinstance(known, KnownOutside) or known.is_vouched_for():
            return known
        self._seen.clear()
        return super().known(token, now, allow_expired=allow_expired)

    def claims_of(self, payload: object) -> Claims:
        issuer = self._issuer_of(payload)
        if issuer is not None and isinstance(payload, Mapping):
            return issuer.claims_of(payload)
        return self._own(super().claims_of(payload))

    def check_signable(self, claims: Claims) -> None:
        if self._config.issuer_of(claims.subject) is not None:
            raise ValueError("the subject belongs to an outside issuer, which alone signs it in")
        super().check_signable(claims)

    def verify_other(
        self, token: str, *, types: Collection[str], audience: Collection[str] | None = None
    ) -> Mapping[str, Any]:
        """Verify a JWT of an issuer that is no access token: of OpenID Connect Back-Channel
        Logout, of RFC 8417 and the like.

        Judged are its form, signature, ``alg``, ``iss``, ``aud`` and ``typ``; dates, and all
        that its own standard asks for, are not. ``types`` are the values of ``typ`` to accept,
        in lower case and without ``application/``; ``""`` is for none. Without ``audience``
        it is the issuer's, as for an access token.

        :raises TokenRefused: the subclass says why.
        :raises IssuerOutage: the issuer's keys cannot be fetched.
        :raises TypeError: one string instead of a collection of them.
        """
        if isinstance(types, str) or isinstance(audience, str):
            # A part of it would be taken for one of them.
            raise TypeError("types and audience take a tuple or another collection of strings")
        if not isinstance(token, str) or len(token) > MAX_TOKEN:
            raise MalformedToken()
        issuer = self._issuer_named_in(token)
        if issuer is None:
            raise WrongIssuer()
        payload, _ = issuer.verified(token, types)
        accepted = issuer.issuer.audience if audience is None else audience
        check_audience(payload.get("aud"), accepted)
        return payload

    def _known(self, token: str) -> Known:
        issuer = self._issuer_named_in(token)
        if issuer is None:
            known = super()._known(token)
            self._own(known.claims())
            return known
        claims, key = issuer.access_token(token)
        return KnownOutside(claims, self._config.leeway, issuer, key)

    def _own(self, claims: Claims) -> Claims:
        # A name that a user has chosen must not be another issuer's user.
        if self._config.issuer_of(claims.subject) is not None:
            raise MalformedToken("The claim sub belongs to an outside issuer.")
        return claims

    def _issuer_named_in(self, token: str) -> OutsideIssuer | None:
        """By a claim that nothing vouches for yet: it only chooses the keys to verify with."""
        if not COMPACT.fullmatch(token):
            raise MalformedToken()
        part = token.split(".")[1]
        try:
            payload = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except ValueError:
            raise MalformedToken() from None
        return self._issuer_of(loads(payload))

    def _issuer_of(self, payload: object) -> OutsideIssuer | None:
        name = payload.get("iss") if isinstance(payload, Mapping) else None
        return self._issuers.get(name) if isinstance(name, str) else None
