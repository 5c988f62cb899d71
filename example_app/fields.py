"""Read what a form or a JSON body sends, and name the field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

from .errors import InvalidField
from .users import canonical

# In characters.
_LONGEST = {
    "username": 128,
    "password": 1024,
    "current_password": 1024,
    "new_password": 1024,
    "device": 128,
    "subject": 256,
    "reason": 64,
    "token": 16 * 1024,
}
SHORTEST_PASSWORD = 8
# Of a new account, in its canonical spelling: ASCII, so that no two names look the same.
_NEW_NAME = re.compile(r"[a-z0-9._-]{2,32}")
_REASON = re.compile(r"[\w.-]{1,64}", re.A)
NAME_RULE = "2 to 32 letters a to z, digits, dots, hyphens or underscores"


@dataclass(frozen=True)
class SignIn:
    username: str
    password: str = field(repr=False)
    device: str | None = None


@dataclass(frozen=True)
class PasswordChange:
    current: str = field(repr=False)
    new: str = field(repr=False)


@dataclass(frozen=True)
class Action:
    """What an operator does to a subject; ``session`` is the chosen one's id."""

    name: str
    session: str
    reason: str


def json_object() -> Mapping[str, Any]:
    """:raises BadRequest: the request's body is none."""
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object, sent as application/json.")
    return body


def sign_in(body: Mapping[str, Any]) -> SignIn:
    return SignIn(
        username=canonical(_required(body, "username")),
        password=_required(body, "password"),
        device=_text(body, "device"),
    )


def registration(body: Mapping[str, Any]) -> SignIn:
    name = canonical(_required(body, "username"))
    if not _NEW_NAME.fullmatch(name):
        raise InvalidField("username", f"must be {NAME_RULE}")
    return SignIn(username=name, password=_new_password(body, "password"))


def password_change(body: Mapping[str, Any]) -> PasswordChange:
    return PasswordChange(
        current=_required(body, "current_password"), new=_new_password(body, "new_password")
    )


def subject(body: Mapping[str, Any]) -> str:
    """As it is written: whose tokens they are need not be an account's canonical name."""
    found = _required(body, "subject")
    if len(found.encode()) > _LONGEST["subject"]:
        raise InvalidField("subject", f"is longer than {_LONGEST['subject']} bytes")
    return found


def action(body: Mapping[str, str]) -> Action:
    reason = _text(body, "reason") or ""
    if not _REASON.fullmatch(reason):
        raise InvalidField("reason", "must be 1 to 64 letters, digits or any of _ . -")
    return Action(name=body.get("action", ""), session=body.get("session", ""), reason=reason)


def token(body: Mapping[str, Any]) -> str:
    return _required(body, "token").strip()


def _new_password(body: Mapping[str, Any], name: str) -> str:
    password = _required(body, name)
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidField(name, f"must be at least {SHORTEST_PASSWORD} characters long")
    return password


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
