"""A form that could not be used, shown again with what is wrong."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from flask_jwt_revoke import SignInRefused

from ..errors import InvalidField, WrongPassword

_NAMES = {
    "username": "The user name",
    "password": "The password",
    "current_password": "The current password",
    "new_password": "The new password",
    "subject": "The subject",
    "reason": "The reason",
    "token": "The token",
}


def shown_again(
    template: str, refused: InvalidField | WrongPassword | SignInRefused
) -> ResponseReturnValue:
    if isinstance(refused, SignInRefused):
        return render_template(template, error=refused.description), refused.status
    if isinstance(refused, WrongPassword):
        page = render_template(template, error=refused.description)
        return page, 401, {"WWW-Authenticate": "Bearer"}
    return render_template(template, **sentence(refused)), 400


def sentence(refused: InvalidField) -> dict[str, str]:
    """For a template: which field, and what is wrong with it."""
    problem = f"{_NAMES.get(refused.field, refused.field)} {refused.problem}."
    return {"wrong": refused.field, "error": problem}
