"""One subject: sessions, trail, and what ``flask jwt logout``, ``block`` and ``unblock`` do."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest, HTTPException, NotFound

from flask_jwt_revoke import Session, current_token
from flask_jwt_revoke.audit import glance

from ... import fields
from ...api import revoke
from ...errors import InvalidField
from ..destinations import OPERATORS, go_to
from ..forms import sentence
from ..words import visible
from .admission import for_operators
from .freshness import ask_for_fresh
from .overview import MOST, PATIENCE

_SHOWN = 20
_GONE = "There is no such session of this subject any more. Nothing was changed."


def add_to(blueprint: Blueprint) -> None:
    blueprint.get(f"{OPERATORS}/subject")(subject)
    blueprint.post(f"{OPERATORS}/subject")(act)


@for_operators
def subject() -> ResponseReturnValue:
    if "subject" not in request.args:
        return render_template("operators/subject.html")
    try:
        return _shown(fields.subject(request.args))
    except InvalidField as refused:
        return render_template("operators/subject.html", **sentence(refused)), 400


@for_operators
def act() -> ResponseReturnValue:
    ask_for_fresh()
    # In the URL it arrives as it is: of a field's line ends browsers make others.
    name = fields.subject(request.args)
    try:
        asked = fields.action(request.form)
        done = _verb(asked)(name, asked)
    except InvalidField as refused:
        return _shown(name, **sentence(refused)), 400
    except HTTPException as refused:
        return _shown(name, error=refused.description), refused.code or 400
    flash(f"{done[0].upper()}{done[1:]}.")
    return _back_to(name)


def _end_session(name: str, asked: fields.Action) -> str:
    if not revoke.end_listed(name, _chosen(name, asked).id, **_how(asked)):
        raise NotFound(_GONE)
    return f"ended the session of {visible(name)}"


def _end_device(name: str, asked: fields.Action) -> str:
    device_id = _chosen(name, asked).device_id
    if not device_id:
        raise BadRequest("The session is of no device that is known. Nothing was changed.")
    count = revoke.logout_device(name, device_id, **_how(asked))
    return f"ended {_sessions(count)} of the device of {visible(name)}"


def _end_others(name: str, asked: fields.Action) -> str:
    count = revoke.logout_others(name, keep=_chosen(name, asked).id, **_how(asked))
    return f"ended {_sessions(count)} of {visible(name)}, all but the chosen one"


def _end_all(name: str, asked: fields.Action) -> str:
    count = revoke.logout_everywhere(name, **_how(asked))
    return f"signed {visible(name)} out everywhere: {count} live tokens"


def _block(name: str, asked: fields.Action) -> str:
    if name == current_token.subject:
        raise BadRequest("You cannot block yourself. Nothing was changed.")
    revoke.block(name, **_how(asked))
    return f"blocked {visible(name)}"


def _unblock(name: str, _asked: fields.Action) -> str:
    if not revoke.unblock(name, actor=current_token.subject):
        raise NotFound(f"{visible(name)} is not blocked. Nothing was changed.")
    return f"unblocked {visible(name)}"


_VERBS: dict[str, Callable[[str, fields.Action], str]] = {
    "session": _end_session,
    "device": _end_device,
    "others": _end_others,
    "everywhere": _end_all,
    "block": _block,
    "unblock": _unblock,
}


def _verb(asked: fields.Action) -> Callable[[str, fields.Action], str]:
    """Does it, and answers in words what was done."""
    if asked.name not in _VERBS:
        raise BadRequest("Choose what to do. Nothing was changed.")
    return _VERBS[asked.name]


def _how(asked: fields.Action) -> dict[str, str]:
    return {"reason": asked.reason, "actor": current_token.subject}


def _chosen(name: str, asked: fields.Action) -> Session:
    if not asked.session:
        raise BadRequest("Choose the session that is meant. Nothing was changed.")
    for one in revoke.sessions(name):
        if one.id == asked.session:
            return one
    raise NotFound(_GONE)


def _shown(name: str, **problem: str | None) -> str:
    authority = revoke.authority
    trail, is_whole = glance(authority.store, name, most=MOST, patience=PATIENCE)
    return render_template(
        "operators/subject.html",
        subject=name,
        sessions=revoke.sessions(name),
        is_blocked=authority.is_blocked(name),
        trail=trail[:_SHOWN],
        is_whole=is_whole,
        **problem,
    )


def _back_to(name: str) -> Response:
    return go_to(url_for("pages.subject", subject=name))


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"
