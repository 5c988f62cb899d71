"""What a person reads or is led to, where a program gets the extension's JSON."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwt_revoke import (
    ExpiredToken,
    JWTRevokeError,
    MissingToken,
    NotFresh,
    Outage,
    ReusedToken,
    RevokedToken,
    TokenRefused,
    WrongCSRF,
)

from ..problem import problem
from .destinations import DEVICES, destination, go_to, send_to
from .entrance import signed_out

_SIGNED_OUT = (
    "You have been signed out: from another device, or because the password was changed."
    " Sign in again to go on."
)
_REUSED = (
    "You have been signed out, since this browser's session was used from somewhere else too."
    " If that was not you, change your password."
)


def add_to(blueprint: Blueprint) -> None:
    blueprint.register_error_handler(JWTRevokeError, answer)


def answer(error: JWTRevokeError) -> ResponseReturnValue:
    match error:
        case ExpiredToken() if request.endpoint != "pages.renew":
            return _renew()
        case WrongCSRF():
            return problem(
                400,
                "This page is out of date",
                "Somebody has signed in since. Nothing was changed. Continue, and try again.",
                back=destination(request.path),
            )
        case TokenRefused():
            return _sign_in(_reason(error))
        case Outage():
            wait = [("Retry-After", str(error.retry_after))]
            return problem(503, "Not available", error.description, wait)
    return problem(error.status, "Not possible", error.description)


def _renew() -> Response:
    url = url_for("pages.renew", next=_here())
    return send_to(url) if request.method == "POST" else go_to(url)


def _sign_in(reason: str | None) -> Response:
    if reason:
        flash(reason)
    here = destination(request.args.get("next") or _here())
    return signed_out(back_to=None if here == DEVICES else here)


def _here() -> str:
    """With its query, where that is a part of a page's address."""
    whole = f"{request.path}?{request.query_string.decode(errors='replace')}"
    return whole if destination(whole) == whole else request.path


def _reason(error: TokenRefused) -> str | None:
    match error:
        case MissingToken():
            posted = request.method == "POST"
            return "You are signed out, so nothing was changed." if posted else None
        case RevokedToken():
            return _SIGNED_OUT
        case ReusedToken():
            return _REUSED
        case ExpiredToken():
            return "You were away for long. Sign in again to go on."
        case NotFresh():
            return "This takes a sign-in of just now, so nothing was changed. Sign in again."
    return "Sign in again to go on."
