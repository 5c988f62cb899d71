"""Another password, which signs out every other device."""

from __future__ import annotations

from flask import Blueprint, flash, render_template, request
from flask.typing import ResponseReturnValue

from flask_jwt_revoke import Outage, TokenPair, current_token

from .. import fields
from ..api import revoke
from ..errors import InvalidField
from ..users import current_users
from .destinations import DEVICES, PASSWORD, go_to
from .forms import shown_again


def add_to(blueprint: Blueprint) -> None:
    blueprint.get(PASSWORD)(password_form)
    blueprint.post(PASSWORD)(change_password)


@revoke.required
def password_form() -> ResponseReturnValue:
    return render_template("password.html")


@revoke.required
def change_password() -> ResponseReturnValue:
    try:
        asked = fields.password_change(request.form)
        if not current_users().authenticated(current_token.subject, asked.current):
            raise InvalidField("current_password", "is wrong")
    except InvalidField as refused:
        return shown_again("password.html", refused)
    # First the password: whoever knows the old one could come in again after the log-out.
    current_users().change_password(current_token.subject, asked.new)
    response = go_to(DEVICES)
    revoke.set_cookies(response, _end_the_others())
    flash("Your password is changed, and every other device is signed out.")
    return response


def asked_name() -> str:
    return current_token.subject


def _end_the_others() -> TokenPair:
    try:
        return revoke.logout_everywhere(
            current_token.subject,
            reason="password_changed",
            keep=current_token.session_id or "",
        )
    except Outage as outage:
        raise Outage(
            "Your password is changed, but the other devices may still be signed in:"
            " sign them out on the page of your devices."
        ) from outage
