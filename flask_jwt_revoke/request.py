"""Find the token of a request, and guard the request with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from flask import Request, current_app, has_request_context, request
from werkzeug.local import LocalProxy

from .authority import Authority
from .config import Config
from .cookies import check_csrf
from .errors import BadRequest, JWTRevokeError, MissingToken, NotFresh, WrongType
from .models import Claims, TokenType

EXTENSION = "jwt_revoke"
_CLAIMS = "flask_jwt_revoke.claims"
_HELD = "flask_jwt_revoke.rule"
_BY_COOKIE = "flask_jwt_revoke.by_cookie"
_RULE = "_jwt_revoke_rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a view asks of the token."""

    required: bool = True
    type: TokenType = "access"
    fresh: bool = False
    allow_expired: bool = False
    exempt: bool = False


OPTIONAL = Rule(required=False)
REQUIRED = Rule()
EXEMPT = Rule(required=False, exempt=True)


def authority() -> Authority:
    """The current app's authority.

    :raises RuntimeError: no app context, or the app was never registered.
    """
    try:
        return cast(Authority, current_app.extensions[EXTENSION])
    except KeyError:
        raise RuntimeError(
            "This app has no JWTRevoke: call JWTRevoke(app) or revoke.init_app(app) first."
        ) from None


def current_claims() -> Claims | None:
    return request.environ.get(_CLAIMS) if has_request_context() else None


#: The verified claims of this request's token; falsy where it has none.
current_token = cast(Claims, LocalProxy(current_claims))


def check_request() -> None:
    """The before_request hook: judge a presented token before the request reaches its view."""
    # Where no URL matched, the answer is 404 whatever the token says.
    here = request._get_current_object()  # type: ignore[attr-defined]
    if here.endpoint is None or here.method == "OPTIONS":
        return
    door = authority()
    rule = _rule_of(here, here.endpoint, door.config)
    if rule.exempt:
        return
    token = find_token(here, rule.type, door.config)
    if token is not None:
        guard_cookie(here, token, door)
        here.environ[_CLAIMS] = door.check(
            token, type=rule.type, fresh=rule.fresh, allow_expired=rule.allow_expired
        )
    elif rule.required:
        raise MissingToken()
    here.environ[_HELD] = rule


def enforce(rule: Rule) -> None:
    """Hold a rule inside a view whose own mark another decorator may have hidden."""
    environ = request.environ
    if environ.get(_HELD) is rule or not rule.required or request.method == "OPTIONS":
        return
    claims = current_claims()
    if claims is None:
        raise MissingToken()
    if claims.type != rule.type:
        raise WrongType(f"A token of type {rule.type} is required.")
    if rule.fresh and not claims.fresh:
        raise NotFresh()


def find_token(here: Request, type: TokenType, config: Config) -> str | None:
    """The request's token, where the settings say: a header goes before a cookie.

    :raises BadRequest: see ``bearer_token``.
    """
    token = bearer_token(here) if "headers" in config.token_location else None
    if token is not None or "cookies" not in config.token_location:
        return token
    name = config.refresh_cookie if type == "refresh" else config.access_cookie
    token = here.cookies.get(name)
    if token is not None:
        here.environ[_BY_COOKIE] = True
    return token


def guard_cookie(here: Request, token: str, door: Authority) -> None:
    """Hold a token that came by cookie against the CSRF value.

    :raises TokenRefused: the token does not verify, or WrongCSRF.
    """
    if came_by_cookie():
        check_csrf(here, door.tokens.verify(token, door.clock(), allow_expired=True), door)


def came_by_cookie() -> bool:
    """Whether this request's token was found in a cookie."""
    return bool(request.environ.get(_BY_COOKIE))


def rate_limit_key() -> str:
    """For Flask-Limiter: the subject of a verified token, else the address."""
    claims = current_claims() or _signed_claims()
    return f"subject:{claims.subject}" if claims else f"address:{request.remote_addr}"


def _signed_claims() -> Claims | None:
    """The claims of a token whose signature verifies; a limiter may run before the hook."""
    door = authority()
    types: tuple[TokenType, ...] = ("access", "refresh")
    for type in types:
        try:
            token = find_token(request, type, door.config)
            if token is not None:
                return door.tokens.verify(token, door.clock(), allow_expired=True)
        except JWTRevokeError:
            continue
    return None


def bearer_token(here: Request) -> str | None:
    """The token in the Authorization header (RFC 6750 section 2.1); None without one.

    :raises BadRequest: a bearer credential that is empty, doubled or not one word.
    """
    header: str = here.environ.get("HTTP_AUTHORIZATION", "")
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = rest.strip()
    # Servers join repeated headers with a comma.
    if not token or "," in token or " " in token or "\t" in token:
        raise BadRequest()
    return token


def mark(view: Any, rule: Rule) -> None:
    setattr(view, _RULE, rule)


def _rule_of(here: Request, endpoint: str, config: Config) -> Rule:
    view = current_app.view_functions[endpoint]
    rule: Rule | None = getattr(view, _RULE, None) or _rule_of_method(here, view)
    if rule is not None:
        return rule
    if endpoint.rpartition(".")[2] == "static" and view.__module__.startswith("flask."):
        return EXEMPT
    return REQUIRED if config.require_everywhere else OPTIONAL


def _rule_of_method(here: Request, view: Any) -> Rule | None:
    """The rule of a class-based view's method that is decorated by itself."""
    method = "get" if here.method == "HEAD" else here.method.lower()
    return getattr(getattr(getattr(view, "view_class", None), method, None), _RULE, None)
