"""Read what a sign-in sends, and name the field that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

from .errors import InvalidField
from .users import canonical

# In characters.
_LONGEST = {"username": 128, "password": 1024, "device": 128}


@dataclass(frozen=True)
class SignIn:
    username: str
    password: str = field(repr=False)
    device: str | None


def sign_in() -> SignIn:
    """:raises BadRequest: the request's body is not a sign-in."""
    body = _json_object()
    return SignIn(
        username=canonical(_required(body, "username")),
        password=_required(body, "password"),
        device=_text(body, "device"),
    )


def _json_object() -> Mapping[str, Any]:
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object, sent as application/json.")
    return body


def _required(body: Mapping[str, Any], name: str) -> str:
    value = _text(body, name)
    if value is None or not value.strip():
        raise InvalidField(name, "is missing")
    return value


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidField(name, "must be a string")
    if len(value) > _LONGEST[name]:
        raise InvalidField(name, f"is longer than {_LONGEST[name]} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can write half of a surrogate pair.
        raise InvalidField(name, "is not valid Unicode") from None
    return value
