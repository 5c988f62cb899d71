"""Who may see the pages for operators."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import abort

from flask_jwt_revoke import current_token

from ...api import revoke
from ...users import ADMIN, current_users

View = TypeVar("View", bound=Callable[..., Any])


def is_operator() -> bool:
    """Whether this request's token says so, and its account still does.

    By the claim alone, whoever was demoted would stay for as long as the session.
    """
    if not current_token or current_token.claims.get("role") != ADMIN:
        return False
    return current_users().role(current_token.subject) == ADMIN


def for_operators(view: View) -> View:
    """Answer 403 to everybody else. No verdict is reused, and an outage lets nobody pass."""

    @revoke.required(strict=True, on_outage="deny")
    @wraps(view)
    def admitted(*args: Any, **kwargs: Any) -> Any:
        if not is_operator():
            abort(403, "This page is for operators.")
        return view(*args, **kwargs)

    return cast(View, admitted)
