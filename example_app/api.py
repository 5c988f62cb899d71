"""The JSON views: sign in, ask who one is, log out here or everywhere."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from flask_jwt_revoke import JWTRevoke, current_token

from .errors import WrongPassword
from .fields import json_object, sign_in
from .users import current_users

revoke = JWTRevoke()
blueprint = Blueprint("api", __name__)


@blueprint.post("/login")
@revoke.exempt  # whoever signs in may still send the token of before
def login() -> ResponseReturnValue:
    asked = sign_in(json_object())
    user = current_users().authenticated(asked.username, asked.password)
    if user is None:
        raise WrongPassword()
    claims = current_users().claims(user)
    return revoke.issue(user, device=asked.device, claims=claims).to_dict()


def asked_name() -> str:
    """Who wants to sign in, for counting."""
    return sign_in(json_object()).username


@blueprint.get("/me")
@revoke.required
def me() -> ResponseReturnValue:
    return {"user": current_token.subject}


@blueprint.post("/logout")
@revoke.required(allow_expired=True)
def logout() -> ResponseReturnValue:
    revoke.logout()
    return "", 204


@blueprint.post("/logout-everywhere")
@revoke.required
def logout_everywhere() -> ResponseReturnValue:
    return {"revoked": revoke.logout_everywhere(current_token.subject)}
