"""Find the token of a request, and guard the request with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from flask import Flask, Request, Response, current_app, has_request_context, request
from werkzeug.local import LocalProxy

from .authority import Authority
from .config import Config
from .cookies import check_csrf
from .devices import address_of, agent_of
from .errors import (
    BadRequest,
    JWTRevokeError,
    MissingToken,
    NotFresh,
    TokenRefused,
    WrongType,
)
from .models import Claims, OnOutage, Origin, TokenType
from .turns import give_way

EXTENSION = "jwt_revoke"
# Names in the request object, which no other app is given as it is given the environ.
_CLAIMS = "_jwt_revoke_claims"
_HELD = "_jwt_revoke_held"
_BY_COOKIE = "_jwt_revoke_by_cookie"
_RULE = "_jwt_revoke_rule"

# The request itself: each attribute of its proxy costs more than this call.
_request: Callable[[], Request] = request._get_current_object  # type: ignore[attr-defined]


class Rule(NamedTuple):
    """What a view asks of the token."""

    required: bool = True
    type: TokenType = "access"
    fresh: bool = False
    allow_expired: bool = False
    strict: bool = False
    on_outage: OnOutage | None = None
    exempt: bool = False


OPTIONAL = Rule(required=False)
REQUIRED = Rule()
EXEMPT = Rule(required=False, exempt=True)


def authority() -> Authority:
    """The current app's authority.

    :raises RuntimeError: no app context, or the app was never registered.
    """
    return authority_of(current_app)


def authority_of(app: Flask) -> Authority:
    """:raises RuntimeError: the app was never registered."""
    try:
        return cast(Authority, app.extensions[EXTENSION])
    except KeyError:
        raise RuntimeError(
            "This app has no JWTRevoke: call JWTRevoke(app) or revoke.init_app(app) first."
        ) from None


def current_claims() -> Claims | None:
    return getattr(_request(), _CLAIMS, None) if has_request_context() else None


def present(claims: Claims) -> None:
    """Make them this request's claims; another extension has found and verified them."""
    setattr(_request(), _CLAIMS, claims)


#: The verified claims of this request's token; falsy where it has none.
current_token = cast(Claims, LocalProxy(current_claims))


def origin(session_address: str) -> Origin:
    """Who sends the current request, and from where; nothing outside of one."""
    claims = current_claims()
    return Origin(
        actor=claims.subject if claims else None,
        address=address_of(session_address),
        agent=agent_of(),
    )


def guard(app: Flask, door: Authority) -> Callable[[], None]:
    """What judges a presented token before the request reaches its view."""
    views, config, check = app.view_functions, door.config, door.check

    def check_request() -> None:
        here = _request()
        endpoint = here.endpoint
        # Where no URL matched, the answer is 404 whatever the token says.
        if endpoint is None or here.method == "OPTIONS":
            return
        view = views[endpoint]
        rule: Rule = getattr(view, _RULE, None) or _rule_of(here, endpoint, view, config)
        if rule.exempt:
            return
        token = find_token(here, rule.type, config)
        if token is not None:
            give_way()
            if hasattr(here, _BY_COOKIE):
                guard_cookie(here, token, door)
            claims = check(
                token,
                type=rule.type,
                fresh=rule.fresh,
                allow_expired=rule.allow_expired,
                strict=rule.strict,
                on_outage=rule.on_outage,
            )
            setattr(here, _CLAIMS, claims)
        elif rule.required:
            raise MissingToken()
        setattr(here, _HELD, rule)

    return check_request


def answering(check: Callable[[], None]) -> Callable[[], Response | None]:
    """A before_request hook that answers what ``check`` raises."""

    def answered() -> Response | None:
        try:
            return check()  # type: ignore[func-returns-value]
        except JWTRevokeError as error:
            return answer(error)

    return answered


def answer(error: JWTRevokeError) -> Response:
    """What the app's error handlers make of it.

    Asked of the class: on the app itself, Flask-RESTful puts a handler before them that knows
    HTTP exceptions alone, and would answer 500.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    return cast(Response, app.make_response(type(app).handle_user_exception(app, error)))


def is_held(rule: Rule) -> bool:
    """Whether the hook held this request to the rule."""
    return getattr(_request(), _HELD, None) is rule


def enforce(rule: Rule) -> None:
    """Hold a rule inside a view whose own mark another decorator has hidden."""
    here = _request()
    if here.method == "OPTIONS":
        return
    claims = current_claims()
    if claims is None:
        raise MissingToken()
    if claims.type != rule.type:
        raise WrongType(f"A token of type {rule.type} is required.")
    if rule.fresh and not claims.fresh:
        raise NotFresh()
    if rule.strict or rule.on_outage == "deny":
        # Whoever has judged it may have reused a verdict, or accepted the token unchecked.
        door = authority()
        if not hasattr(here, _HELD):
            # Another extension has found it, perhaps where nobody looks here.
            door.check_verified(claims, strict=rule.strict, on_outage=rule.on_outage)
            return
        token = find_token(here, rule.type, door.config)
        door.check(
            token or "",
            type=rule.type,
            allow_expired=rule.allow_expired,
            strict=rule.strict,
            on_outage=rule.on_outage,
        )


def find_token(here: Request, type: TokenType, config: Config) -> str | None:
    """The request's token, where the settings say: a header goes before a cookie.

    :raises BadRequest: see ``bearer_token``.
    """
    locations = config.token_location
    token = bearer_token(here) if "headers" in locations else None
    if token is not None or "cookies" not in locations:
        return token
    name = config.refresh_cookie if type == "refresh" else config.access_cookie
    token = here.cookies.get(name)
    if token is not None:
        setattr(here, _BY_COOKIE, True)
    return token


def guard_cookie(here: Request, token: str, door: Authority) -> None:
    """Hold a token that came by cookie against the CSRF value.

    :raises TokenRefused: the token does not verify, or WrongCSRF.
    """
    if not hasattr(here, _BY_COOKIE):
        return
    try:
        check_csrf(here, door.verify(token), door)
    except TokenRefused as refused:
        door.tell_refused(refused)
        raise


def came_by_cookie() -> bool:
    """Whether this request's token was found in a cookie."""
    return hasattr(_request(), _BY_COOKIE)


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
    if header[:7] != "Bearer ":
        header = header.strip()
        if header[:7].lower() not in ("bearer ", "bearer"):
            return None
    token = header[7:].strip()
    # Servers join repeated headers with a comma.
    if not token or "," in token or " " in token or "\t" in token:
        raise BadRequest()
    return token


def mark(view: Any, rule: Rule) -> None:
    setattr(view, _RULE, rule)


def _rule_of(here: Request, endpoint: str, view: Any, config: Config) -> Rule:
    rule = _rule_of_method(here, view)
    if rule is not None:
        return rule
    if endpoint.rpartition(".")[2] == "static" and view.__module__.startswith("flask."):
        return EXEMPT
    return REQUIRED if config.require_everywhere else OPTIONAL


def _rule_of_method(here: Request, view: Any) -> Rule | None:
    """The rule of a class-based view's method that is decorated by itself."""
    method = "get" if here.method == "HEAD" else here.method.lower()
    return getattr(getattr(getattr(view, "view_class", None), method, None), _RULE, None)
