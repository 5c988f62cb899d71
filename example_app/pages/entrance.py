"""Come in and go out: sign in, register, renew, sign out."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from flask_jwt_revoke import MissingToken, SignInRefused, TokenRefused

from .. import fields
from ..api import revoke
from ..errors import InvalidField, WrongPassword
from ..users import canonical, current_users
from . import browser
from .destinations import destination, form, go_to, send_to
from .forms import shown_again


def add_to(blueprint: Blueprint) -> None:
    blueprint.get("/sign-in")(sign_in_form)
    blueprint.post("/sign-in")(sign_in)
    blueprint.get("/register")(register_form)
    blueprint.post("/register")(register)
    # Below the path of the refresh cookie, which no other page is sent.
    blueprint.route("/auth/renew", methods=["GET", "POST"])(renew)
    blueprint.post("/sign-out")(sign_out)


@revoke.exempt
def sign_in_form() -> ResponseReturnValue:
    return render_template("sign_in.html")


@revoke.exempt
def sign_in() -> ResponseReturnValue:
    try:
        asked = fields.sign_in(request.form)
        user = current_users().authenticated(asked.username, asked.password)
        if user is None:
            raise WrongPassword()
        return _let_in(user)
    except (InvalidField, WrongPassword, SignInRefused) as refused:
        return shown_again("sign_in.html", refused)


@revoke.exempt
def register_form() -> ResponseReturnValue:
    return render_template("register.html")


@revoke.exempt
def register() -> ResponseReturnValue:
    try:
        asked = fields.registration(request.form)
        if not current_users().add(asked.username, asked.password):
            raise InvalidField("username", "is taken: choose another")
        return _let_in(asked.username)
    except (InvalidField, SignInRefused) as refused:
        return shown_again("register.html", refused)


@revoke.exempt
def renew() -> ResponseReturnValue:
    """Exchange the refresh token and go on. Nothing but that: a GET can be another site's.

    A form is sent on to where it was going. It still proves itself there: what it proves
    belongs to the session, not to the token that has expired.
    """
    token = request.cookies.get(revoke.authority.config.refresh_cookie)
    if token is None:
        raise MissingToken()
    pair = revoke.rotate(token)
    asked = request.args.get("next")
    sent = form(asked) if request.method == "POST" else None
    response = send_to(sent) if sent else go_to(destination(asked))
    revoke.set_cookies(response, pair)
    return response


@revoke.required(allow_expired=True)
def sign_out() -> ResponseReturnValue:
    revoke.logout()
    flash("You are signed out.")
    return signed_out()


def signed_out(*, back_to: str | None = None) -> Response:
    """To the entrance, with no token kept."""
    response = go_to(url_for("pages.sign_in_form", next=back_to))
    revoke.clear_cookies(response)
    return response


def asked_name() -> str:
    """Who wants to come in, for counting, whatever else is wrong with the form."""
    return canonical(request.form.get("username", "")[:128]) or "-"


def _let_in(user: str) -> Response:
    known_as = browser.device_id()
    pair = revoke.issue(user, device_id=known_as, claims=current_users().claims(user))
    _end_session_before()
    response = go_to(destination(request.form.get("next")))
    revoke.set_cookies(response, pair)
    browser.remember(response, known_as)
    return response


def _end_session_before() -> None:
    """Another user's, on this browser, which is about to lose its tokens."""
    token = request.cookies.get(revoke.authority.config.access_cookie)
    with suppress(TokenRefused):
        if token is not None:
            revoke.logout(token, reason="displaced")
