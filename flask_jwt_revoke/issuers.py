"""What the setting ``ISSUERS`` says of each outside issuer, checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from .errors import ConfigurationError

SECRET = ("HS256", "HS384", "HS512")
PUBLIC = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
#: Claims that an issuer may keep under another name.
NAMES = ("sub", "jti", "sid", "aud")
#: Between an issuer and its own name of a subject. No issuer has it in its name, as OpenID
#: Connect Discovery (section 3) forbids a fragment.
SEPARATOR = "#"

_DAY = 24 * 3600
_NAME = re.compile(r"[!-~]{1,128}", re.ASCII)

Parse = Callable[[str, Any], Any]


def nobody_of(name: str) -> str:
    """The subject that stands for an issuer itself; no token can have it."""
    return name + SEPARATOR


def _refusal(where: str, takes: str, got: object) -> ConfigurationError:
    return ConfigurationError(f"{where} takes {takes}, got {got}")


def _seconds(at_least: float, at_most: float) -> Parse:
    def parse(where: str, value: Any) -> float:
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not at_least <= seconds <= at_most
        ):
            takes = f"seconds (a number or a timedelta) from {at_least:g} to {at_most:g}"
            raise _refusal(where, takes, repr(value))
        return float(seconds)

    return parse


def _texts(where: str, value: Any) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if (
        not isinstance(values, list | tuple)
        or not values
        or not all(isinstance(one, str) and one for one in values)
    ):
        raise _refusal(where, "a string or a list of strings", repr(value))
    return tuple(values)


def _algorithms(where: str, value: Any) -> tuple[str, ...]:
    found = _texts(where, value)
    if not (set(found) <= set(PUBLIC) or set(found) <= set(SECRET)):
        takes = f"some of {', '.join(PUBLIC)}, or some of {', '.join(SECRET)}, but not of both"
        raise _refusal(where, takes, repr(value))
    return found


def _types(where: str, value: Any) -> tuple[str, ...]:
    return tuple(media_type(one) for one in _texts(where, value))


def media_type(typ: str) -> str:
    """A typ header as RFC 7515 section 4.1.9 compares it."""
    return typ.lower().removeprefix("application/")


def _url(where: str, value: Any) -> str:
    takes = "an https:// URL (http:// for this machine, or a host without a dot)"
    if not isinstance(value, str):
        raise _refusal(where, takes, f"a value of type {type(value).__name__}")
    if not _is_safe(value):
        raise _refusal(where, takes, repr(value))
    return value


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # one that is no number is found when read
    except ValueError:
        return False
    return host != "" and (parts.scheme == "https" or (parts.scheme == "http" and _is_near(host)))


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host


def _keys(where: str, value: Any) -> Mapping[str, bytes]:
    takes = "a dict of key id to key"
    if not isinstance(value, Mapping) or not value:
        raise _refusal(where, takes, f"a value of type {type(value).__name__}")
    try:
        found = {
            kid: key.encode() if isinstance(key, str) else key
            for kid, key in value.items()
            if isinstance(kid, str)
        }
    except UnicodeEncodeError:
        raise _refusal(where, takes, "a key that is not valid Unicode") from None
    if len(found) < len(value) or not all(isinstance(k, bytes) and k for k in found.values()):
        raise _refusal(where, takes, "something else")
    return MappingProxyType(found)


def _names(where: str, value: Any) -> Mapping[str, str]:
    if (
        not isinstance(value, Mapping)
        or not set(value) <= set(NAMES)
        or not all(isinstance(one, str) and one for one in value.values())
    ):
        takes = f"a dict of some of {', '.join(NAMES)} to the issuer's name for it"
        raise _refusal(where, takes, repr(value))
    return MappingProxyType(dict(value))


def _required(where: str, value: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value):
        raise _refusal(
            where, "a dict of claim to the value or values that it may have", repr(value)
        )
    return MappingProxyType(
        {name: _texts(f"{where}[{name!r}]", one) for name, one in value.items()}
    )


def _setting(default: Any, parse: Parse, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"parse": parse})


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer. Times are in seconds. ``docs/issuers.md`` says what each setting is for."""

    name: str
    audience: tuple[str, ...] = _setting((), _texts)
    jwks_url: str | None = _setting(None, _url)
    keys: Mapping[str, bytes] | None = _setting(None, _keys, secret=True)
    algorithms: tuple[str, ...] = _setting(("RS256",), _algorithms)
    claims: Mapping[str, str] = field(default_factory=dict, metadata={"parse": _names})
    require: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict, metadata={"parse": _required}
    )
    typ: tuple[str, ...] = _setting(("", "jwt", "at+jwt"), _types)
    lifetime: float = _setting(30 * _DAY, _seconds(60, 366 * _DAY))
    timeout: float = _setting(2, _seconds(0.05, 30))
    refresh: float = _setting(300, _seconds(1, _DAY))
    cooldown: float = _setting(10, _seconds(0.1, 3600))
    outage: float = _setting(_DAY, _seconds(0, 366 * _DAY))

    def subject(self, sub: str) -> str:
        """The subject that this issuer calls ``sub``, apart from all others."""
        return f"{self.name}{SEPARATOR}{sub}"


_FIELDS = {one.name: one for one in fields(Issuer) if one.name != "name"}


def issuer_of(name: str, settings: Any) -> Issuer:
    """:raises ConfigurationError: naming the setting, what it got and what it takes."""
    where = f"JWT_REVOKE_ISSUERS[{name!r}]"
    if not isinstance(settings, Mapping):
        raise _refusal(where, "a dict of settings", f"a value of type {type(settings).__name__}")
    unknown = [one for one in settings if one not in _FIELDS]
    if unknown:
        raise _refusal(where, f"the settings {', '.join(_FIELDS)}", repr(unknown[0]))
    values = {
        one: _FIELDS[one].metadata["parse"](f"{where}[{one!r}]", value)
        for one, value in settings.items()
    }
    issuer = Issuer(name=name, **values)
    _check_together(where, issuer)
    return issuer


def issuers_of(value: Any) -> Mapping[str, Issuer]:
    """:raises ConfigurationError: naming the setting, what it got and what it takes."""
    if not isinstance(value, Mapping) or not value:
        takes = "a dict of issuer (its iss) to a dict of settings"
        raise _refusal("JWT_REVOKE_ISSUERS", takes, f"a value of type {type(value).__name__}")
    for name in value:
        if not isinstance(name, str) or SEPARATOR in name or not _NAME.fullmatch(name):
            takes = f"issuers of 1 to 128 printable characters without {SEPARATOR} and blanks"
            raise _refusal("JWT_REVOKE_ISSUERS", takes, repr(name))
    return MappingProxyType({name: issuer_of(name, one) for name, one in value.items()})


def _check_together(where: str, issuer: Issuer) -> None:
    if (issuer.jwks_url is None) == (issuer.keys is None):
        raise _refusal(where, "either jwks_url or keys", "both" if issuer.keys else "none")
    if not issuer.audience:
        # RFC 8725 section 3.9: an issuer signs for others too.
        raise _refusal(where, "an audience, what its tokens for this app name as aud", "none")
    if issuer.jwks_url is not None and issuer.algorithms[0] in SECRET:
        raise _refusal(
            f"{where}['algorithms']", "public-key algorithms with jwks_url", "a secret's"
        )
