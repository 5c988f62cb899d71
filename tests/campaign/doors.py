"""Two ways in: the authority itself, and an app over HTTP. Both raise the same errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from flask_jwt_revoke import (
    Authority,
    Config,
    JWTRevoke,
    NotReplicated,
    Outage,
    ReusedToken,
    RevokedToken,
    TokenPair,
    current_token,
)

from .judge import Session, Token

SECRET = "a secret of the campaign, long enough for HS512: 64 bytes are needed."


def settings(url: str, **others: object) -> dict[str, Any]:
    return {
        "SECRET_KEY": SECRET,
        "JWT_REVOKE_REDIS_URL": url,
        # Nothing expires during a run.
        "JWT_REVOKE_ACCESS_LIFETIME": 24 * 3600,
        **{f"JWT_REVOKE_{name.upper()}": value for name, value in others.items()},
    }


def has_setting(name: str) -> bool:
    return name in Config.__dataclass_fields__


def authority_of(url: str, **others: object) -> Authority:
    return Authority(Config.from_mapping(settings(url, **others)))


def app_of(url: str, **others: object) -> Flask:
    app = Flask("campaign")
    app.config.update(settings(url, **others))
    revoke = JWTRevoke(app)
    app.register_blueprint(revoke.blueprint())

    def show() -> dict[str, Any]:
        return {
            "subject": current_token.subject,
            "id": current_token.id,
            "session_id": current_token.session_id,
        }

    app.add_url_rule("/access", "access", revoke.required(show))
    app.add_url_rule("/refresh", "refresh", revoke.required(type="refresh")(show))

    @app.post("/login/<subject>")
    def login(subject: str) -> dict[str, Any]:
        pair = revoke.issue(subject)
        return {**pair.to_dict(), "session_id": pair.session_id}

    @app.post("/revoke")
    @revoke.required
    def revoke_this() -> dict[str, Any]:
        revoke.revoke(current_token._get_current_object())
        return {}

    return app


#: A write takes two; logging out everywhere reads the index before.
_DEADLINES = {"check": 1, "sessions": 1, "logout_everywhere": 3}


@dataclass(frozen=True, slots=True)
class Found:
    subject: str
    id: str
    session_id: str | None


class Direct:
    """``deadlines``: how many time-outs a verb may take."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def deadlines(self, verb: str) -> int:
        return _DEADLINES.get(verb, 2)

    def issue(self, subject: str, device_id: str | None = None) -> TokenPair:
        return self._authority.issue(subject, device_id=device_id)

    def check(self, token: Token) -> Found:
        found = self._authority.check(token.text, type=token.type)
        return Found(found.subject, found.id, found.session_id)

    def rotate(self, token: Token) -> TokenPair:
        return self._authority.rotate(token.text)

    def revoke(self, token: Token) -> None:
        self._authority.revoke(token.text)

    def logout(self, token: Token) -> None:
        self._authority.logout(token.text)

    def logout_session(self, session: Session, token: Token) -> None:
        self._authority.logout_session(session.subject.name, session.id)

    def logout_device(self, session: Session, token: Token) -> None:
        self._authority.logout_device(session.subject.name, session.device_id or "none")

    def logout_others(self, token: Token) -> None:
        self._authority.logout_others(token.session.subject.name, keep=token.session.id)

    def logout_everywhere(self, token: Token) -> None:
        self._authority.logout_everywhere(token.session.subject.name)

    def sessions(self, token: Token) -> list[str]:
        return [one.id for one in self._authority.sessions(token.session.subject.name)]


class Unexpected(Exception):
    """An answer that no client could have foreseen."""


class Http:
    """Through an app's test client. All but a sign-in presents a token, which is checked."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def deadlines(self, verb: str) -> int:
        return _DEADLINES.get(verb, 2) + (verb not in ("issue", "check", "rotate"))

    def issue(self, subject: str, device_id: str | None = None) -> TokenPair:
        return _pair(self._json("POST", f"/login/{subject}"))

    def check(self, token: Token) -> Found:
        return Found(**self._json("GET", f"/{token.type}", token))

    def rotate(self, token: Token) -> TokenPair:
        answer = self._json("POST", "/auth/refresh", token)
        return _pair({**answer, "session_id": token.session.id})

    def revoke(self, token: Token) -> None:
        self._json("POST", "/revoke", token)

    def logout(self, token: Token) -> None:
        self._json("POST", "/auth/logout", token)

    def logout_session(self, session: Session, token: Token) -> None:
        self._json("POST", "/auth/logout", token)

    logout_device = logout_session

    def logout_others(self, token: Token) -> None:
        self._json("POST", "/auth/logout-others", token)

    def logout_everywhere(self, token: Token) -> None:
        self._json("POST", "/auth/logout-everywhere", token)

    def sessions(self, token: Token) -> list[str]:
        found = self._json("GET", "/auth/sessions", token)["sessions"]
        return [one["id"] for one in found]

    def _json(self, method: str, path: str, token: Token | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token.text}"} if token else {}
        client = self._app.test_client(use_cookies=False)
        response = client.open(path, method=method, headers=headers)
        if response.status_code in (200, 204):
            return response.get_json() if response.data else {}
        raise _error(response)


def _error(response: TestResponse) -> Exception:
    known = {
        (401, "revoked"): RevokedToken,
        (401, "reused"): ReusedToken,
        (503, "outage"): Outage,
        (503, "not_replicated"): NotReplicated,
    }
    body = response.get_json(silent=True) or {}
    error = known.get((response.status_code, body.get("reason")))
    if error is None or (
        response.status_code == Outage.status and "Retry-After" not in response.headers
    ):
        return Unexpected(f"{response.status}: {response.text[:200]}")
    return error()


def _pair(body: Mapping[str, Any]) -> TokenPair:
    return TokenPair(
        body["access_token"], body["refresh_token"], body["session_id"], body["expires_in"]
    )
