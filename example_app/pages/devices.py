"""Your devices: each session as a card, and the buttons that end them."""

from __future__ import annotations

from flask import Blueprint, abort, flash, render_template
from flask.typing import ResponseReturnValue

from flask_jwt_revoke import current_token

from ..api import revoke
from .destinations import DEVICES, go_to
from .entrance import signed_out


def add_to(blueprint: Blueprint) -> None:
    blueprint.get("/")(home)
    blueprint.get(DEVICES)(devices)
    blueprint.post(f"{DEVICES}/<sid>/sign-out")(sign_out_one)
    blueprint.post(f"{DEVICES}/sign-out-others")(sign_out_others)
    blueprint.post(f"{DEVICES}/sign-out-everywhere")(sign_out_everywhere)


@revoke.exempt
def home() -> ResponseReturnValue:
    return go_to(DEVICES)


@revoke.required
def devices() -> ResponseReturnValue:
    found = revoke.sessions(current_token.subject)
    found.sort(key=lambda one: not one.current)
    return render_template("devices.html", sessions=found)


@revoke.required
def sign_out_one(sid: str) -> ResponseReturnValue:
    if not revoke.end_listed(current_token.subject, sid):
        abort(404, "There is no such device among yours. It may be signed out already.")
    flash("The device is signed out.")
    return go_to(DEVICES)


@revoke.required
def sign_out_others() -> ResponseReturnValue:
    count = revoke.logout_others(current_token.subject, keep=current_token.session_id or "")
    flash("The other device is signed out." if count == 1 else f"{count} devices are signed out.")
    return go_to(DEVICES)


@revoke.required
def sign_out_everywhere() -> ResponseReturnValue:
    revoke.logout_everywhere(current_token.subject)
    flash("You are signed out everywhere.")
    return signed_out()
