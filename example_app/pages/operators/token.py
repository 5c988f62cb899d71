"""One token, pasted: why it is refused, or refuse it from now on."""

from __future__ import annotations

from flask import Blueprint, flash, render_template, request
from flask.typing import ResponseReturnValue

from flask_jwt_revoke import TokenRefused, current_token

from ... import fields
from ...api import revoke
from ...errors import InvalidField
from ..destinations import OPERATORS, go_to
from ..forms import sentence
from ..words import visible
from .admission import for_operators
from .freshness import ask_for_fresh

_TEMPLATE = "operators/token.html"
#: What an exchange of a refresh token would come to.
_EXCHANGES = {
    "new pair": "it is answered with a new pair",
    "same pair again": "it is answered with the same pair again, in the grace window",
    "reused": "refused, and the session ends: a second use",
    "expired": "refused: the session was idle for too long, or is too old",
    "revoked": "refused: Redis lost the session",
}


def add_to(blueprint: Blueprint) -> None:
    blueprint.get(f"{OPERATORS}/token")(token_form)
    blueprint.post(f"{OPERATORS}/token")(token)


@for_operators
def token_form() -> ResponseReturnValue:
    return render_template(_TEMPLATE)


@for_operators
def token() -> ResponseReturnValue:
    try:
        presented = fields.token(request.form)
        if request.form.get("action") == "revoke":
            return _revoked(presented, fields.action(request.form).reason)
    except InvalidField as refused:
        return render_template(_TEMPLATE, **sentence(refused)), 400
    found = revoke.authority.explain(presented)
    return render_template(_TEMPLATE, found=found, exchanges=_EXCHANGES)


def _revoked(presented: str, reason: str) -> ResponseReturnValue:
    ask_for_fresh()
    authority = revoke.authority
    try:
        claims = authority.verify(presented)
    except TokenRefused as refused:
        problem = f"{refused.description} Nothing was changed."
        return render_template(_TEMPLATE, error=problem), 400
    authority.revoke(claims, reason=reason, actor=current_token.subject)
    flash(f"Revoked the {claims.type} token {visible(claims.id)} of {visible(claims.subject)}.")
    return go_to(f"{OPERATORS}/token")
