"""Every setting: its default, its check, and what it is for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from .errors import ConfigurationError
from .issuers import SEPARATOR, Issuer, issuers_of, nobody_of

PREFIX = "JWT_REVOKE_"
SCHEMES = (
    "redis", "rediss", "unix", "memory",
    "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster",
)  # fmt: skip
STRATEGIES = ("blacklist", "allowlist", "version")
TYPES = ("access", "refresh")
ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA")

_DAY = 24 * 3600
_CENTURY = 100 * 365 * _DAY

T = TypeVar("T")
Parse = Callable[[Any], T]


class _Rejected(Exception):
    """What the setting takes, and what it got where that is safe to print."""

    def __init__(self, takes: str, got: str) -> None:
        super().__init__(f"takes {takes}, got {got}")


def _seconds(at_least: float, at_most: float, *, above: bool = False) -> Parse[float]:
    begin = f"above {at_least:g}" if above else f"from {at_least:g}"
    takes = f"seconds (a number or a timedelta) {begin} to {at_most:g}"

    def parse(value: Any) -> float:
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _Rejected(takes, repr(value))
        if not at_least <= value <= at_most or (above and value == at_least):
            raise _Rejected(takes, repr(value))
        return float(value)

    return parse


def _choice(*words: str) -> Parse[str]:
    def parse(value: Any) -> str:
        if value not in words:
            raise _Rejected(f"one of {', '.join(words)}", repr(value))
        return str(value)

    return parse


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Rejected("True or False", repr(value))
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _Rejected("a non-empty string", repr(value))
    return value


def _texts(value: Any) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not values:
        raise _Rejected("a string or a list of strings", repr(value))
    return tuple(_text(item) for item in values)


def _key_prefix(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.:/-]{1,64}", value, re.ASCII):
        raise _Rejected("1 to 64 letters, digits or any of _ . : / -", repr(value))
    return value


def _url(value: Any) -> str:
    if not isinstance(value, str):
        raise _Rejected("a URL", f"a value of type {type(value).__name__}")
    scheme, found, _ = value.partition("://")
    if not found or scheme not in SCHEMES:
        # Not the whole value: a URL may hold a password.
        raise _Rejected(
            f"a URL whose scheme is one of {', '.join(SCHEMES)}",
            repr(scheme) if found and scheme.isidentifier() else "a value without one",
        )
    return value


def _key(value: Any) -> bytes:
    takes = "a non-empty string or bytes"
    if not isinstance(value, str | bytes) or not value:
        raise _Rejected(takes, f"a value of type {type(value).__name__}")
    try:
        return value.encode() if isinstance(value, str) else value
    except UnicodeEncodeError:
        raise _Rejected(takes, "a string that is not valid Unicode") from None


def _keys(value: Any) -> Mapping[str, bytes]:
    takes = "a dict of key id to key, the first of which signs"
    if not isinstance(value, Mapping) or not value:
        raise _Rejected(takes, f"a value of type {type(value).__name__}")
    if not all(isinstance(kid, str) and kid for kid in value):
        raise _Rejected(takes, "a key id that is not a non-empty string")
    return MappingProxyType({kid: _key(key) for kid, key in value.items()})


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _Rejected("a whole number from 1", repr(value))
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _Rejected("a whole number from 0", repr(value))
    return value


def _some_of(*words: str) -> Parse[tuple[str, ...]]:
    def parse(value: Any) -> tuple[str, ...]:
        found = tuple(value) if isinstance(value, list | tuple) else ()
        if not found or any(one not in words or found.count(one) > 1 for one in found):
            raise _Rejected(f"a list of some of {', '.join(words)}, each once", repr(value))
        return found

    return parse


def _by_type(*words: str) -> Parse[Any]:
    """One word for all token types, or a mapping that names each."""
    parse = _choice(*words)

    def parsed(value: Any) -> Any:
        if isinstance(value, str):
            return parse(value)
        if not isinstance(value, Mapping) or set(value) != set(TYPES):
            takes = f"one of {', '.join(words)}, or a mapping of {' and '.join(TYPES)} to one each"
            raise _Rejected(takes, repr(value))
        return MappingProxyType({type: parse(word) for type, word in value.items()})

    return parsed


def _strategy(value: Any) -> Any:
    verbs = ("on_issue", "on_revoke", "on_logout", "on_logout_everywhere", "question", "is_live")
    if value in STRATEGIES or (
        not isinstance(value, str | type)
        and all(callable(getattr(value, verb, None)) for verb in verbs)
    ):
        return value
    raise _Rejected(
        f"one of {', '.join(STRATEGIES)} or an object with {', '.join(verbs)}", repr(value)
    )


def _cookie_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.!#$%&'*+^`|~-]{1,64}", value, re.ASCII):
        raise _Rejected("a name of 1 to 64 letters, digits or hyphens", repr(value))
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or ";" in value:
        raise _Rejected("a path that begins with /", repr(value))
    return value


def _optional(parse: Parse[T]) -> Parse[T | None]:
    return lambda value: None if value is None else parse(value)


def _setting(default: Any, parse: Parse[Any], doc: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"parse": parse, "doc": doc})


class Cookies(NamedTuple):
    """How tokens travel in cookies, and the settings that say so, in the same order.

    ``samesite`` is None where browsers are not told.
    """

    secure: bool
    samesite: str | None
    csrf: bool
    settings: tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one app, checked. Times are in seconds."""

    redis_url: str | None = _setting(
        None, _optional(_url), "Where Redis is. Required unless a client is handed in.",
        secret=True,
    )  # fmt: skip
    secret_key: bytes | None = _setting(
        None, _optional(_key),
        "Signs and verifies; falls back to the app's SECRET_KEY. For RS256, ES256 and"
        " EdDSA a private key as PEM.",
        secret=True,
    )  # fmt: skip
    keys: Mapping[str, bytes] | None = _setting(
        None, _optional(_keys),
        "Key id to key, instead of one SECRET_KEY: the first signs, all verify.",
        secret=True,
    )  # fmt: skip
    algorithm: str = _setting("HS256", _choice(*ALGORITHMS), "The only algorithm accepted.")
    issuer: str | None = _setting(None, _optional(_text), "Written and required as iss.")
    audience: tuple[str, ...] | None = _setting(
        None, _optional(_texts), "Written as aud; a token must carry one of them."
    )
    issuers: Mapping[str, Issuer] | None = _setting(
        None, _optional(issuers_of),
        "Outside issuers whose tokens are accepted too: iss to a dict of settings, see"
        " [outside issuers](issuers.md).",
        secret=True,
    )  # fmt: skip
    leeway: float = _setting(
        0, _seconds(0, _DAY), "How far clocks may differ: added to each expiry and each TTL."
    )
    access_lifetime: float = _setting(
        15 * 60, _seconds(1, _CENTURY), "How long an access token lives."
    )
    refresh_lifetime: float = _setting(
        30 * _DAY, _seconds(1, _CENTURY), "How long a refresh token lives."
    )
    strategy: Any = _setting(  # noqa: RUF009 - a string, or what an author hands in
        "blacklist", _strategy,
        "How revocations are kept: blacklist, allowlist, version, or an object of your own.",
    )  # fmt: skip
    checked_types: tuple[str, ...] = _setting(
        TYPES, _some_of(*TYPES),
        "Token types that are looked up; with ('refresh',) an access token ends by expiring.",
    )  # fmt: skip
    refresh_grace: float = _setting(
        10,
        _seconds(0, _DAY),
        "How long a spent refresh token gets the same pair again.",
    )
    max_sessions: int | None = _setting(
        None, _optional(_count), "How many sessions a subject may have."
    )
    on_max_sessions: str = _setting(
        "oldest", _choice("oldest", "refuse"),
        "At the limit: end the oldest session, or refuse the sign-in.",
    )  # fmt: skip
    session_idle_timeout: float | None = _setting(
        None,
        _optional(_seconds(120, _CENTURY)),
        "A session that was not seen for so long cannot be refreshed.",
    )
    session_lifetime: float | None = _setting(
        None,
        _optional(_seconds(1, _CENTURY)),
        "However often it is refreshed, a session ends after so long.",
    )
    session_address: str = _setting(
        "network", _choice("full", "network", "none"),
        "What a session keeps of the address: all, the /24 or /48 network, or nothing.",
    )  # fmt: skip
    outside_tokens_without_jti: bool = _setting(
        False, _boolean, "Identify a token that has no jti by the SHA-256 of its signed part."
    )
    token_location: tuple[str, ...] = _setting(
        ("headers",),
        _some_of("headers", "cookies"),
        "Where tokens are looked for, in this order: headers, cookies.",
    )
    access_cookie: str = _setting("access_token", _cookie_name, "Name of the access cookie.")
    refresh_cookie: str = _setting("refresh_token", _cookie_name, "Name of the refresh cookie.")
    csrf_cookie: str = _setting(
        "csrf_token", _cookie_name, "Name of the cookie that scripts read the CSRF value from."
    )
    cookie_path: str = _setting("/", _path, "Path of the access cookie and of the CSRF cookie.")
    refresh_cookie_path: str = _setting("/auth", _path, "Path of the refresh cookie.")
    cookie_domain: str | None = _setting(None, _optional(_text), "Domain of the cookies.")
    cookie_secure: bool = _setting(True, _boolean, "Send the cookies over HTTPS only.")
    cookie_samesite: str = _setting(
        "Lax", _choice("Strict", "Lax", "None"), "SameSite of the cookies."
    )
    csrf_protect: bool = _setting(
        True, _boolean, "Ask for the CSRF value when a cookie authorises a request that writes."
    )
    csrf_header: str = _setting("X-CSRF-Token", _cookie_name, "Header that carries the CSRF value.")
    csrf_field: str = _setting("csrf_token", _text, "Form field that carries it instead.")
    key_prefix: str = _setting("jwtrevoke", _key_prefix, "What each Redis key begins with.")
    require_everywhere: bool = _setting(
        False, _boolean, "Require an access token on each view that is not exempt."
    )
    on_outage: Any = _setting(  # noqa: RUF009 - a string, or a mapping
        "deny", _by_type("deny", "allow"),
        "Without Redis: refuse with 503, or accept what is signed and unexpired. One word, or a"
        " mapping with one for each token type.",
    )  # fmt: skip
    on_lost_data: str = _setting(
        "deny", _choice("deny", "allow"),
        "When Redis lost the version that a token carries: ask for a new sign-in, or accept.",
    )  # fmt: skip
    timeout: float = _setting(
        0.25, _seconds(0, 60, above=True),
        "What a check may wait for Redis, connecting included; a write, twice as long.",
    )  # fmt: skip
    breaker_failures: int = _setting(
        3, _count, "After so many failures in a row, Redis is not asked for a while."
    )
    breaker_pause: float = _setting(
        1, _seconds(0.01, 3600), "How often one request then tries whether it answers again."
    )
    wait_replicas: int = _setting(
        0, _whole,
        "What ends a token, a session or a subject succeeds only once so many replicas have it."
        " 0 does not ask them.",
    )  # fmt: skip
    audit_length: int | None = _setting(
        None, _optional(_count),
        "How many revocations of the app stay in Redis for flask jwt audit. None keeps none.",
    )  # fmt: skip
    metrics: bool = _setting(
        False, _boolean, "Count and time for Prometheus; needs prometheus-client."
    )
    tracing: bool = _setting(
        False, _boolean, "A span for each check and verb; needs opentelemetry-api."
    )
    near_cache_staleness: float | None = _setting(
        None, _optional(_seconds(0.1, 30)),
        "Reuse verdicts, and accept a token for at most so long after its revocation in another"
        " process. None asks Redis each time.",
    )  # fmt: skip

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Config:
        """Read ``JWT_REVOKE_*`` from ``mapping`` and check each.

        :raises ConfigurationError: naming the setting, what it got and what it takes.
        """
        settings = {PREFIX + setting.name.upper(): setting for setting in fields(cls)}
        _refuse_unknown(mapping, settings)
        values = {
            setting.name: _parsed(name, setting.metadata["parse"], mapping[name])
            for name, setting in settings.items()
            if name in mapping
        }
        if values.get("secret_key") is None and values.get("keys") is None:
            values["secret_key"] = _parsed("SECRET_KEY", _optional(_key), mapping.get("SECRET_KEY"))
        config = cls(**values)
        config._check_together()
        return config

    def on_outage_of(self, type: str) -> str:
        """What ``ON_OUTAGE`` says of a token type: deny or allow."""
        answer = self.on_outage if isinstance(self.on_outage, str) else self.on_outage[type]
        return str(answer)

    @property
    def derives(self) -> bool:
        """Whether CSRF values are derived from the signing key."""
        return self.csrf_protect and "cookies" in self.token_location

    @property
    def cookies(self) -> Cookies | None:
        """None where tokens are in headers alone."""
        if "cookies" not in self.token_location:
            return None
        names = ("COOKIE_SECURE", "COOKIE_SAMESITE", "CSRF_PROTECT")
        secure, samesite, csrf = (PREFIX + name for name in names)
        return Cookies(
            self.cookie_secure, self.cookie_samesite, self.csrf_protect, (secure, samesite, csrf)
        )

    @property
    def longest_lifetime(self) -> float:
        outside = (one.lifetime for one in (self.issuers or {}).values())
        return max(self.access_lifetime, self.refresh_lifetime, *outside)

    def issuer_of(self, subject: str) -> Issuer | None:
        """Whose subject it is; None for the app's own."""
        if self.issuers is None:
            return None
        name, found, _ = subject.partition(SEPARATOR)
        return self.issuers.get(name) if found else None

    def check_named(self, subject: str) -> None:
        """:raises ValueError: it is an issuer, and nobody's name there."""
        issuer = self.issuer_of(subject)
        if issuer is not None and subject == nobody_of(issuer.name):
            raise ValueError(f"{subject} names nobody of {issuer.name}: write the sub after it")

    def _check_together(self) -> None:
        self._check_keys()
        self._check_cookies()
        if self.wait_replicas and self.redis_url == "memory://":
            raise ConfigurationError(
                f"{PREFIX}WAIT_REPLICAS takes a server with replicas, which memory:// has not"
            )
        if self.issuer is not None and self.issuer in (self.issuers or {}):
            raise ConfigurationError(
                f"{PREFIX}ISSUER is the app's own: take it out of {PREFIX}ISSUERS."
            )
        if self.session_idle_timeout is not None and "access" not in self.checked_types:
            raise ConfigurationError(
                f"{PREFIX}SESSION_IDLE_TIMEOUT takes CHECKED_TYPES with access: a session is seen"
                " when its access token is checked"
            )
        if self.refresh_lifetime < self.access_lifetime:
            raise ConfigurationError(
                f"{PREFIX}REFRESH_LIFETIME takes at least {PREFIX}ACCESS_LIFETIME"
                f" ({self.access_lifetime:g} s), got {self.refresh_lifetime:g}"
            )

    def _check_keys(self) -> None:
        if self.secret_key is None and self.keys is None:
            raise ConfigurationError(
                f"No signing key: set {PREFIX}SECRET_KEY, {PREFIX}KEYS or the app's SECRET_KEY."
            )
        if self.secret_key is not None and self.keys is not None:
            raise ConfigurationError(
                f"{PREFIX}SECRET_KEY and {PREFIX}KEYS exclude each other: put the secret into KEYS."
            )

    def _check_cookies(self) -> None:
        if self.cookie_samesite == "None" and not self.cookie_secure:
            raise ConfigurationError(
                f"{PREFIX}COOKIE_SAMESITE None takes {PREFIX}COOKIE_SECURE True"
            )
        cookies = (self.access_cookie, self.refresh_cookie, self.csrf_cookie)
        if len(set(cookies)) < len(cookies):
            raise ConfigurationError(
                f"{PREFIX}ACCESS_COOKIE, REFRESH_COOKIE and CSRF_COOKIE take different names"
            )


def _parsed(name: str, parse: Parse[T], value: Any) -> T:
    try:
        return parse(value)
    except _Rejected as rejected:
        raise ConfigurationError(f"{name} {rejected}") from None


def _refuse_unknown(mapping: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in mapping:
        if isinstance(name, str) and name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigurationError(f"{name} is not a setting{hint}")
