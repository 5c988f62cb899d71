"""Find the token of a request, and guard the request with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from flask import current_app, has_request_context, request
from werkzeug.local import LocalProxy

from .authority import Authority
from .errors import BadRequest, MissingToken, NotFresh, WrongType
from .models import Claims, TokenType

EXTENSION = "jwt_revoke"
_CLAIMS = "flask_jwt_revoke.claims"
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
    if request.endpoint is None or request.method == "OPTIONS":
        return
    rule = _rule_of(request.endpoint)
    if rule.exempt:
        return
    token = bearer_token()
    if token is not None:
        request.environ[_CLAIMS] = authority().check(
            token, type=rule.type, fresh=rule.fresh, allow_expired=rule.allow_expired
        )
    elif rule.required:
        raise MissingToken()


def enforce(rule: Rule) -> None:
    """Hold a rule inside a view whose own mark another decorator may have hidden."""
    if not rule.required or request.method == "OPTIONS":
        return
    claims = current_claims()
    if claims is None:
        raise MissingToken()
    if claims.type != rule.type:
        raise WrongType(f"A token of type {rule.type} is required.")
    if rule.fresh and not claims.fresh:
        raise NotFresh()


def bearer_token() -> str | None:
    """The token in the Authorization header (RFC 6750 section 2.1); None without one.

    :raises BadRequest: a bearer credential that is empty, doubled or not one word.
    """
    scheme, _, rest = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = rest.strip()
    # Servers join repeated headers with a comma.
    if not token or "," in token or len(token.split()) > 1:
        raise BadRequest()
    return token


def mark(view: Any, rule: Rule) -> None:
    setattr(view, _RULE, rule)


def _rule_of(endpoint: str) -> Rule:
    view = current_app.view_functions[endpoint]
    rule = getattr(view, _RULE, None) or _rule_of_method(view)
    if rule is not None:
        return rule
    if endpoint == "static" or endpoint.endswith(".static"):
        return EXEMPT
    return REQUIRED if authority().config.require_everywhere else OPTIONAL


def _rule_of_method(view: Any) -> Rule | None:
    """The rule of a class-based view's method that is decorated by itself."""
    method = "get" if request.method == "HEAD" else request.method.lower()
    return getattr(getattr(getattr(view, "view_class", None), method, None), _RULE, None)
