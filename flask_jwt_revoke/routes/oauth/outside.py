"""Messages that an outside issuer has signed: logout tokens and security events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...errors import MissingClaim, NotYetValid, WrongAudience, WrongIssuer
from ...issuers import nobody_of
from ...request import authority
from ...tokens import date_of, id_of

Audiences = Mapping[str, Collection[str]]
Payload = Mapping[str, Any]


def verified(token: str, types: Collection[str], audiences: Audiences) -> Payload:
    """The payload of one that says by whom it was issued, to whom and when, and has an id.

    :raises TokenRefused: the subclass says why.
    :raises IssuerOutage: the issuer's keys cannot be fetched.
    """
    door = authority()
    everybody = [one for some in audiences.values() for one in some]
    payload = door.verify_other(token, types=types, audience=everybody)
    if payload["iss"] not in audiences:
        raise WrongIssuer()
    # Another issuer may know another app by the same name.
    named = [payload["aud"]] if isinstance(payload["aud"], str) else payload["aud"]
    if not set(named).intersection(audiences[payload["iss"]]):
        raise WrongAudience()
    required(payload, "jti")
    id_of(payload, "jti")
    if date(payload, "iat") > door.clock() + door.config.leeway:
        raise NotYetValid()
    return payload


def date(payload: Payload, name: str) -> float:
    """:raises TokenRefused: a Unix time in seconds is not there."""
    required(payload, name)
    return date_of(payload, name)


def required(payload: Payload, name: str) -> None:
    """:raises MissingClaim: it is not there."""
    if payload.get(name) is None:
        raise MissingClaim(f"The token lacks the claim {name}.")


def subject_of(issuer: str, sub: object) -> str:
    """The subject whom an issuer calls so.

    :raises MalformedToken: no name of a subject.
    """
    own = id_of({"sub": sub}, "sub")
    return id_of({"sub": nobody_of(issuer) + own}, "sub")
