"""Settings of the app that let pass what should not pass."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise

from ..config import Config, Cookies
from .finding import Judgement, fail, ok, unknown, warn

_HOUR, _DAY = 3600, 86_400
_LONG_TIMEOUT = 1.0  # seconds
_FEW = 8  # different bytes
_REGULAR = 0.75
_NOT_LETTERS = b"0123456789!?.-_"
_PLACEHOLDERS = (
    b"change me",
    b"changeme",
    b"change-me",
    b"change_me",
    b"your-secret",
    b"your secret",
)
_RANDOM = 'use what python -c "import secrets; print(secrets.token_hex(64))" prints'


def secret(config: Config) -> Judgement:
    secrets = [*_own_secrets(config), *_shared_secrets(config)]
    if not secrets:
        return ok(f"{config.algorithm}: a key pair")
    shortest = min(map(len, secrets))
    if any(_is_placeholder(one) or _is_regular(one) for one in secrets):
        return fail("a signing key that can be guessed: whoever has it signs himself in", _RANDOM)
    if any(_is_in_words(one) for one in secrets):
        return warn("a signing key in words, which can be guessed sooner than chance", _RANDOM)
    return ok(f"{config.algorithm}, {shortest} bytes")


def _own_secrets(config: Config) -> Iterable[bytes]:
    if not config.algorithm.startswith("HS"):
        return ()
    return (config.keys or {"": config.secret_key or b""}).values()


def _shared_secrets(config: Config) -> Iterator[bytes]:
    """Those that outside issuers sign with."""
    for issuer in (config.issuers or {}).values():
        if issuer.algorithms[0].startswith("HS"):
            yield from (issuer.keys or {}).values()


def _is_placeholder(key: bytes) -> bool:
    return any(one in key.lower() for one in _PLACEHOLDERS)


def _is_regular(key: bytes) -> bool:
    """Few different bytes, one piece again and again, or counted up as in abcdef."""
    if len(set(key)) < _FEW or key in (key + key)[1:-1]:
        return True
    beside = sum(abs(one - next) <= 1 for one, next in pairwise(key))
    return beside > _REGULAR * len(key)


def _is_in_words(key: bytes) -> bool:
    """Random base64 and hex have digits, or capitals anywhere, and random bytes are not ASCII."""
    if b"secret" in key.lower():
        return True
    words = re.split(rb"[^0-9A-Za-z]+", key.strip(_NOT_LETTERS))
    in_words = all(re.fullmatch(rb"[A-Za-z][a-z]*|[A-Z]+", one) for one in words)
    return key.isascii() and (b" " in key or in_words)


def access_lifetime(config: Config) -> Judgement:
    is_checked = "access" in config.checked_types
    outside = [] if is_checked else [one.lifetime for one in (config.issuers or {}).values()]
    seconds = max(config.access_lifetime, *outside, 0)
    said = f"{seconds:g} s"
    if not is_checked:
        found = f"{said}, for which a revoked access token is accepted (CHECKED_TYPES)"
        if seconds > _HOUR:
            shorten = "the lifetime of ISSUERS" if outside else "JWT_REVOKE_ACCESS_LIFETIME"
            return fail(found, f"check access tokens, or shorten {shorten}")
        return warn(found, "check access tokens, if that is too long")
    if seconds > _DAY:
        found = f"{said}: a stolen access token is good for as long, unless it is revoked"
        return warn(found, "shorten JWT_REVOKE_ACCESS_LIFETIME; refresh tokens keep people in")
    return ok(said)


def cookie_secure(cookies: Cookies) -> Judgement:
    if cookies.secure:
        return ok("over HTTPS alone")
    return fail("tokens are sent over plain HTTP too", f"set {cookies.settings[0]} to True")


def cookie_samesite(cookies: Cookies) -> Judgement:
    remedy = f"set {cookies.settings[1]} to Lax, unless other sites embed yours"
    if cookies.samesite is None:
        return warn("not set: in some browsers other sites' pages send the cookies along", remedy)
    if cookies.samesite == "None":
        return warn("None: other sites' pages send the cookies along", remedy)
    return ok(cookies.samesite)


def csrf(cookies: Cookies) -> Judgement:
    if cookies.csrf:
        return ok("asked for")
    return fail("another site's form acts for who is signed in", f"set {cookies.settings[2]}")


def store(is_in_process: bool) -> Judgement:
    if not is_in_process:
        return ok("a server")
    workers = os.environ.get("WEB_CONCURRENCY", "")
    found = "memory, which each process has of its own and loses when it ends"
    if workers.isdigit() and int(workers) > 1:
        remedy = "set JWT_REVOKE_REDIS_URL to a server"
        return fail(
            f"{found}: {workers} workers do not hear of each other (WEB_CONCURRENCY)", remedy
        )
    return warn(found, "set JWT_REVOKE_REDIS_URL to a server, for more than one process")


def on_outage(config: Config) -> Judgement:
    allowed = [type for type in config.checked_types if config.on_outage_of(type) == "allow"]
    if allowed:
        found = f"allow, for {' and '.join(allowed)}: while Redis is away, revoked tokens pass"
        return warn(found, "set JWT_REVOKE_ON_OUTAGE to deny")
    return ok("deny")


def on_lost_data(config: Config) -> Judgement:
    if config.on_lost_data == "allow":
        found = "allow: after Redis has lost data, revoked tokens pass"
        return warn(found, "set JWT_REVOKE_ON_LOST_DATA to deny")
    return ok("deny")


def timeout(config: Config) -> Judgement:
    found = f"{config.timeout:g} s"
    if config.timeout > _LONG_TIMEOUT:
        said = f"{found}: as long is each request held while Redis does not answer"
        return warn(said, "shorten JWT_REVOKE_TIMEOUT; see round_trip for what it takes")
    return ok(found)


def debug(is_debug: bool | None) -> Judgement:
    if is_debug is None:
        found = "not told: another process serves, and may be in debug mode"
        return unknown(found, "see how it is started")
    if is_debug:
        found = "on: who can reach an error page may read and run what he likes"
        return fail(found, "start without --debug and FLASK_DEBUG")
    return ok("off")


_OF_CONFIG = (
    secret,
    access_lifetime,
    on_outage,
    on_lost_data,
    timeout,
)
_OF_COOKIES = (cookie_secure, cookie_samesite, csrf)
NAMES = tuple(look.__name__ for look in (*_OF_CONFIG, *_OF_COOKIES, store, debug))


def settings(
    config: Config, cookies: Cookies | None, is_in_process: bool, is_debug: bool | None
) -> dict[str, Callable[[], Judgement]]:
    """The lines about the app, by name."""
    looks = [partial(look, config) for look in _OF_CONFIG]
    if cookies is not None:
        looks += [partial(look, cookies) for look in _OF_COOKIES]
    looks += [partial(store, is_in_process), partial(debug, is_debug)]
    return {look.func.__name__: look for look in looks}
