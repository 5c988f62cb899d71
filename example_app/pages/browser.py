"""The id that a browser keeps, so that signing in again replaces its session."""

from __future__ import annotations

import re
import secrets

from flask import Response, current_app, request

_COOKIE = "device_id"
_MADE_HERE = re.compile(r"[A-Za-z0-9_-]{22}")
# In seconds; browsers keep none for longer.
_LIFETIME = 400 * 24 * 60 * 60


def device_id() -> str:
    kept = request.cookies.get(_COOKIE, "")
    return kept if _MADE_HERE.fullmatch(kept) else secrets.token_urlsafe(16)


def remember(response: Response, device_id: str) -> None:
    response.set_cookie(
        _COOKIE,
        device_id,
        max_age=_LIFETIME,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )
