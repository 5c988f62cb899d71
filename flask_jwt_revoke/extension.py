"""Wiring, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, overload

from flask import Blueprint, Flask, current_app
from werkzeug.wrappers import Response

from . import decorators
from .authority import Authority, Presented
from .config import Config
from .cookies import clear_cookies, csrf_value, set_cookies
from .devices import address_of, agent_of
from .errors import JWTRevokeError, MissingToken
from .models import Claims, Session, TokenPair, TokenType
from .request import EXTENSION, answering, authority, current_claims, guard, origin
from .responses import error_response
from .routes.sessions import blueprint
from .store import Client
from .tokens import own_claims


class JWTRevoke:
    """Makes an app's JWTs revocable. One object serves any number of apps.

    ``redis`` is a redis-py client to use as it is, instead of ``JWT_REVOKE_REDIS_URL``.
    The verbs work on the current app, and are described on ``Authority``.
    """

    def __init__(self, app: Flask | None = None, *, redis: Client | None = None) -> None:
        # On the object, since a type checker sees no overloads behind staticmethod.
        self.required = decorators.required
        self.optional = decorators.optional
        self.exempt = decorators.exempt
        self.blueprint = blueprint
        self._redis = redis
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, *, redis: Client | None = None) -> None:
        """Read the settings of ``app``, and check each request's token from now on.

        :raises ConfigurationError: a setting cannot work.
        :raises RuntimeError: the app is registered already.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError("This app has a JWTRevoke already: register one object, once.")
        client = redis if redis is not None else self._redis
        config = Config.from_mapping(app.config)
        door = app.extensions[EXTENSION] = Authority(
            config, redis=client, sender=app, origin=partial(origin, config.session_address)
        )
        app.before_request(answering(guard(app, door)))
        # A handler that the app has registered by itself stays.
        if JWTRevokeError not in app.error_handler_spec[None][None]:
            app.register_error_handler(JWTRevokeError, error_response)

    @property
    def oauth_blueprint(self) -> Callable[..., Blueprint]:
        """Makes the blueprint by the standards: ``routes.oauth.oauth_blueprint``."""
        from .routes.oauth import oauth_blueprint  # noqa: PLC0415 - few apps need it

        return oauth_blueprint

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 description of the endpoints that the current app has."""
        from .routes.openapi import description  # noqa: PLC0415 - no app waits for it to start

        return description(current_app)

    @property
    def authority(self) -> Authority:
        """The current app's ``Authority``.

        :raises RuntimeError: no app context, or the app was never registered.
        """
        return authority()

    def issue(
        self,
        subject: str,
        *,
        device: str | None = None,
        device_id: str | None = None,
        claims: Mapping[str, Any] | None = None,
        fresh: bool = True,
    ) -> TokenPair:
        """Sign ``subject`` in: ``Authority.issue``. The session keeps what the request tells of the
        device: its address, as far as ``SESSION_ADDRESS`` says, browser and system.
        """
        return self.authority.issue(
            subject,
            device=device,
            device_id=device_id,
            address=address_of(self.authority.config.session_address),
            agent=agent_of(),
            claims=claims,
            fresh=fresh,
        )

    def rotate(self, token: str) -> TokenPair:
        """Exchange a refresh token for a new pair: ``Authority.rotate``."""
        return self.authority.rotate(token)

    def record(self, token: Presented) -> None:
        """Index a token that somebody else signed: ``Authority.record``."""
        self.authority.record(token)

    def check(self, token: str, *, type: TokenType = "access", fresh: bool = False) -> Claims:
        """Judge a token that no request carries: ``Authority.check``."""
        return self.authority.check(token, type=type, fresh=fresh)

    def revoke(
        self, token: Presented, *, reason: str = "revoked", actor: str | None = None
    ) -> None:
        """Refuse one token from now on: ``Authority.revoke``."""
        self.authority.revoke(token, reason=reason, actor=actor)

    def logout(
        self,
        token: Presented | None = None,
        *,
        reason: str = "logout",
        actor: str | None = None,
    ) -> None:
        """End the session of ``token``, or of the current request.

        :raises MissingToken: neither is there.
        """
        presented = token if token is not None else current_claims()
        if presented is None:
            raise MissingToken()
        self.authority.logout(presented, reason=reason, actor=actor)

    def logout_session(
        self,
        subject: str,
        session_id: str,
        *,
        reason: str = "logout",
        actor: str | None = None,
    ) -> bool:
        """End one session; answers whether it was listed: ``Authority.logout_session``."""
        return self.authority.logout_session(subject, session_id, reason=reason, actor=actor)

    def end_listed(
        self,
        subject: str,
        session_id: str,
        *,
        reason: str = "logout",
        actor: str | None = None,
    ) -> bool:
        """End a session of this subject's list, and no other: ``Authority.end_listed``."""
        return self.authority.end_listed(subject, session_id, reason=reason, actor=actor)

    def logout_device(
        self,
        subject: str,
        device_id: str,
        *,
        reason: str = "logout",
        actor: str | None = None,
    ) -> int:
        """End the sessions of one device; answers how many: ``Authority.logout_device``."""
        return self.authority.logout_device(subject, device_id, reason=reason, actor=actor)

    def logout_others(
        self,
        subject: str,
        *,
        keep: str,
        reason: str = "logout_others",
        actor: str | None = None,
    ) -> int:
        """End all sessions but ``keep``; answers how many: ``Authority.logout_others``."""
        return self.authority.logout_others(subject, keep=keep, reason=reason, actor=actor)

    @overload
    def logout_everywhere(
        self, subject: str, *, reason: str = ..., actor: str | None = ...
    ) -> int: ...
    @overload
    def logout_everywhere(
        self,
        subject: str,
        *,
        reason: str = ...,
        keep: str,
        claims: Mapping[str, Any] | None = ...,
        actor: str | None = ...,
    ) -> TokenPair: ...
    def logout_everywhere(
        self,
        subject: str,
        *,
        reason: str = "logout_everywhere",
        keep: str | None = None,
        claims: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> int | TokenPair:
        """See ``Authority.logout_everywhere``. A kept session that is the current one
        keeps its own claims where none are given.
        """
        if keep is None:
            return self.authority.logout_everywhere(subject, reason=reason, actor=actor)
        current = current_claims()
        if claims is None and current is not None and current.session_id == keep:
            claims = own_claims(current)
        return self.authority.logout_everywhere(
            subject, reason=reason, keep=keep, claims=claims, actor=actor
        )

    def block(self, subject: str, *, reason: str = "blocked", actor: str | None = None) -> None:
        """Refuse each token and sign-in of a subject: ``Authority.block``."""
        self.authority.block(subject, reason=reason, actor=actor)

    def unblock(self, subject: str, *, actor: str | None = None) -> bool:
        """Let a subject sign in again: ``Authority.unblock``."""
        return self.authority.unblock(subject, actor=actor)

    def sessions(self, subject: str) -> list[Session]:
        """The live sessions, newest first; the request's own has ``current`` set."""
        current = current_claims()
        sid = current.session_id if current else None
        found = self.authority.sessions(subject)
        return [replace(one, current=True) if one.id == sid else one for one in found]

    def set_cookies(self, response: Response, pair: TokenPair) -> None:
        """Sign a browser in: tokens in HttpOnly cookies, and the CSRF value beside them."""
        set_cookies(response, pair, self.authority)

    def clear_cookies(self, response: Response) -> None:
        """Sign a browser out: the three cookies are deleted."""
        clear_cookies(response, self.authority.config)

    def csrf_token(self) -> str:
        """What a form of this page sends back; empty without a token."""
        claims = current_claims()
        return csrf_value(claims, self.authority) if claims else ""
