"""The ready blueprint: refresh, log out, and the list of one's sessions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request
from flask.blueprints import BlueprintSetupState

from ..cookies import clear_cookies, set_cookies
from ..decorators import exempt, required
from ..errors import ConfigurationError, MissingToken, UnknownSession
from ..models import Session, TokenPair
from ..request import (
    EXTENSION,
    authority,
    came_by_cookie,
    current_token,
    find_token,
    guard_cookie,
    rate_limit_key,
)

View = Callable[..., Response]


def blueprint(
    name: str = "jwt_revoke",
    *,
    url_prefix: str = "/auth",
    limiter: Any = None,
    limit: str = "60 per minute",
) -> Blueprint:
    """Make the blueprint. A Flask-Limiter ``limiter`` holds each of its views to ``limit``
    per subject, or per address without a verified token.
    """
    made = Blueprint(name, __name__, url_prefix=url_prefix)
    made.record_once(_check_path)
    # Its views refer to it weakly, and one that is switched off is kept by no app.
    made.limiter = limiter  # type: ignore[attr-defined]

    def guarded(view: View) -> View:
        if limiter is None:
            return view
        limited: View = limiter.limit(limit, key_func=rate_limit_key)(_named(name, view))
        return limited

    def route(path: str, method: str, view: View) -> None:
        made.add_url_rule(path, view.__name__, guarded(view), methods=[method])

    route("/refresh", "POST", refresh)
    route("/logout", "POST", logout)
    route("/logout-others", "POST", logout_others)
    route("/logout-everywhere", "POST", logout_everywhere)
    route("/sessions", "GET", sessions)
    route("/sessions/<sid>", "GET", session)
    route("/sessions/<sid>", "DELETE", end_session)
    return made


def _named(blueprint: str, view: View) -> View:
    """A view of its own: Flask-Limiter counts by a function's name."""

    @wraps(view)
    def named(**values: str) -> Response:
        return view(**values)

    named.__qualname__ = named.__name__ = f"{blueprint}_{view.__name__}"
    return named


def _check_path(state: BlueprintSetupState) -> None:
    """:raises ConfigurationError: no browser would send the refresh cookie here."""
    door = state.app.extensions.get(EXTENSION)
    if door is None or "cookies" not in door.config.token_location:
        return
    path = door.config.refresh_cookie_path
    prefix = (state.app.config["APPLICATION_ROOT"] or "").rstrip("/") + (state.url_prefix or "")
    if not f"{prefix}/".startswith(f"{path.rstrip('/')}/"):
        raise ConfigurationError(
            f"JWT_REVOKE_REFRESH_COOKIE_PATH is {path}, but the blueprint is at {prefix}:"
            " the refresh cookie would never reach it"
        )


@exempt  # a check would refuse a spent token before the exchange can tell reuse from repeat
def refresh() -> Response:
    """Exchange the refresh token for a new pair."""
    token = find_token(request, "refresh", authority().config)
    if token is None:
        raise MissingToken()
    guard_cookie(request, token, authority())
    return pair_response(authority().rotate(token))


@required(allow_expired=True)
def logout() -> Response:
    """End the current session."""
    authority().logout(current_token._get_current_object())  # type: ignore[attr-defined]
    return _ended(make_response("", 204))


@required
def logout_others() -> Response:
    """End all of one's sessions but the current one."""
    keep = current_token.session_id or ""
    return jsonify(sessions=authority().logout_others(current_token.subject, keep=keep))


@required
def logout_everywhere() -> Response:
    """End all of one's sessions; ``revoked`` counts the live tokens."""
    count = authority().logout_everywhere(current_token.subject)
    return _ended(jsonify(revoked=count))


@required
def sessions() -> Response:
    """One's live sessions, newest first."""
    found = authority().sessions(current_token.subject)
    return jsonify(sessions=[_shown(one) for one in found])


@required
def session(sid: str) -> Response:
    """One of one's own sessions."""
    for one in authority().sessions(current_token.subject):
        if one.id == sid:
            return jsonify(_shown(one))
    raise UnknownSession()


@required
def end_session(sid: str) -> Response:
    """End one of one's own sessions."""
    if not authority().end_listed(current_token.subject, sid):
        raise UnknownSession()
    response = make_response("", 204)
    return _ended(response) if sid == current_token.session_id else response


def pair_response(pair: TokenPair) -> Response:
    """A token response (RFC 6749 section 5.1); to a browser the tokens go as cookies alone."""
    body = pair.to_dict()
    if came_by_cookie():
        response = jsonify({name: body[name] for name in ("token_type", "expires_in")})
        set_cookies(response, pair, authority())
    else:
        response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response


def _ended(response: Response) -> Response:
    if came_by_cookie():
        clear_cookies(response, authority().config)
    return response


def _shown(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "device": session.device,
        "device_id": session.device_id,
        "address": session.address,
        "agent": session.agent,
        "created": session.created,
        "last_seen": session.last_seen,
        "ends": session.ends,
        "current": session.id == current_token.session_id,
    }
