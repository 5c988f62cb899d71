"""What a view asks: a token, perhaps one, or to be left alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast, overload

from flask import current_app

from .errors import JWTRevokeError
from .models import OnOutage, TokenType
from .request import EXEMPT, OPTIONAL, Rule, answer, enforce, is_held, mark

View = TypeVar("View", bound=Callable[..., Any])


@overload
def required(view: View) -> View: ...
@overload
def required(
    *,
    type: TokenType = ...,
    fresh: bool = ...,
    allow_expired: bool = ...,
    strict: bool = ...,
    on_outage: OnOutage | None = ...,
) -> Callable[[View], View]: ...
def required(
    view: View | None = None,
    *,
    type: TokenType = "access",
    fresh: bool = False,
    allow_expired: bool = False,
    strict: bool = False,
    on_outage: OnOutage | None = None,
) -> View | Callable[[View], View]:
    """Answer 401 without a live token.

    ``fresh`` asks for a token from a sign-in, ``type="refresh"`` for a refresh token, and
    ``allow_expired`` accepts one that has expired, as a log-out view does; the entry of one
    that was revoked by itself has gone with it by then, the entry of its session has not.
    ``strict`` asks Redis even where ``NEAR_CACHE_STALENESS`` lets verdicts be reused,
    and ``on_outage`` stands before ``ON_OUTAGE``.
    """
    if on_outage not in (None, "deny", "allow"):
        raise ValueError(f"on_outage takes deny or allow, got {on_outage!r}")
    rule = Rule(
        type=type, fresh=fresh, allow_expired=allow_expired, strict=strict, on_outage=on_outage
    )
    return _guarded(rule) if view is None else _guarded(rule)(view)


def optional(view: View) -> View:
    """Let a request without a token through; a token that is there must be live."""
    return _guarded(OPTIONAL)(view)


def exempt(view: View) -> View:
    """Leave this view alone: a token that it is sent is not looked at."""
    return _guarded(EXEMPT)(view)


def _guarded(rule: Rule) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        is_async = iscoroutinefunction(view)

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if rule.required and not is_held(rule):
                try:
                    enforce(rule)
                except JWTRevokeError as error:
                    return answer(error)
            return (current_app.ensure_sync(view) if is_async else view)(*args, **kwargs)

        mark(guarded, rule)
        return cast(View, guarded)

    return decorate
