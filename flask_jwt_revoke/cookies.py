"""Tokens in HttpOnly cookies, and the double-submitted value that proves who sent them.

The CSRF value belongs to the session, and is derived from its id with the signing key. It is
sent back in a header or a form field, and compared with what the token's cookie says, never
with another cookie: a value that somebody planted for a whole domain is worth nothing.
"""

from __future__ import annotations

from flask import Request
from werkzeug.wrappers import Response

from .authority import Authority
from .config import Config
from .errors import WrongCSRF
from .models import Claims, TokenPair

_SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


def set_cookies(response: Response, pair: TokenPair, door: Authority) -> None:
    """Sign a browser in. The CSRF cookie is the one that scripts can read."""
    config = door.config
    # The access cookie outlives its token, so that an expired one can still log out.
    _set(response, config, config.access_cookie, pair.access, config.cookie_path)
    _set(response, config, config.refresh_cookie, pair.refresh, config.refresh_cookie_path)
    value = door.tokens.derived("csrf", pair.session_id)
    _set(response, config, config.csrf_cookie, value, config.cookie_path, http_only=False)


def clear_cookies(response: Response, config: Config) -> None:
    for name, path in (
        (config.access_cookie, config.cookie_path),
        (config.refresh_cookie, config.refresh_cookie_path),
        (config.csrf_cookie, config.cookie_path),
    ):
        response.delete_cookie(
            name,
            path=path,
            domain=config.cookie_domain,
            secure=config.cookie_secure,
            samesite=config.cookie_samesite,
        )


def csrf_value(claims: Claims, door: Authority) -> str:
    """What a request that writes must send back beside the cookie of this token."""
    return door.tokens.derived("csrf", _csrf_of(claims))


def check_csrf(here: Request, claims: Claims, door: Authority) -> None:
    """:raises WrongCSRF: a request that writes, without the value that belongs to its cookie."""
    config = door.config
    if not config.csrf_protect or here.method in _SAFE:
        return
    sent = here.headers.get(config.csrf_header) or here.form.get(config.csrf_field) or ""
    if not door.tokens.is_derived(sent, "csrf", _csrf_of(claims)):
        raise WrongCSRF()


def _csrf_of(claims: Claims) -> str:
    return claims.session_id or claims.id


def _set(
    response: Response, config: Config, name: str, value: str, path: str, *, http_only: bool = True
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(config.refresh_lifetime),
        path=path,
        domain=config.cookie_domain,
        secure=config.cookie_secure,
        httponly=http_only,
        samesite=config.cookie_samesite,
    )
