"""Wiring, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import decorators
from .authority import Authority
from .config import Config
from .errors import JWTRevokeError, MissingToken
from .models import Claims, TokenPair, TokenType
from .request import EXTENSION, authority, check_request, current_claims
from .responses import error_response
from .store import Client


class JWTRevoke:
    """Makes an app's JWTs revocable. One object serves any number of apps.

    ``redis`` is a redis-py client to use as it is, instead of ``JWT_REVOKE_REDIS_URL``.
    The verbs work on the current app and are described on :class:`Authority`.
    """

    required = staticmethod(decorators.required)
    optional = staticmethod(decorators.optional)
    exempt = staticmethod(decorators.exempt)

    def __init__(self, app: Flask | None = None, *, redis: Client | None = None) -> None:
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
        app.extensions[EXTENSION] = Authority(config, redis=client, sender=app)
        app.before_request(check_request)
        # A handler that the app has registered by itself stays.
        if JWTRevokeError not in app.error_handler_spec[None][None]:
            app.register_error_handler(JWTRevokeError, error_response)

    @property
    def authority(self) -> Authority:
        return authority()

    def issue(
        self,
        subject: str,
        *,
        device: str | None = None,
        claims: Mapping[str, Any] | None = None,
        fresh: bool = True,
    ) -> TokenPair:
        return self.authority.issue(subject, device=device, claims=claims, fresh=fresh)

    def record(self, claims: Mapping[str, Any]) -> None:
        self.authority.record(claims)

    def check(self, token: str, *, type: TokenType = "access", fresh: bool = False) -> Claims:
        return self.authority.check(token, type=type, fresh=fresh)

    def revoke(self, token: str | Claims | Mapping[str, Any], *, reason: str = "revoked") -> None:
        self.authority.revoke(token, reason=reason)

    def logout(
        self, token: str | Claims | Mapping[str, Any] | None = None, *, reason: str = "logout"
    ) -> None:
        """End the session of ``token``, or of the current request.

        :raises MissingToken: neither is there.
        """
        presented = token if token is not None else current_claims()
        if presented is None:
            raise MissingToken()
        self.authority.logout(presented, reason=reason)

    def logout_session(self, subject: str, session_id: str, *, reason: str = "logout") -> None:
        self.authority.logout_session(subject, session_id, reason=reason)

    def logout_everywhere(self, subject: str, *, reason: str = "logout_everywhere") -> int:
        return self.authority.logout_everywhere(subject, reason=reason)
