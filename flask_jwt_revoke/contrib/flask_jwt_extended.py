"""Makes the tokens of flask-jwt-extended revocable.

That extension goes on signing, finding and verifying tokens, by its own settings. What it signs
is recorded here, and what it has verified is looked up here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from flask import Flask, Response, g, has_request_context, jsonify, request
from flask_jwt_extended import JWTManager, decode_token
from flask_jwt_extended.config import config as theirs
from itsdangerous import base64_decode

from ..authority import Authority, Presented
from ..config import PREFIX, Config, Cookies
from ..devices import address_of, agent_of
from ..errors import (
    ConfigurationError,
    JWTRevokeError,
    MalformedToken,
    RevokedToken,
    SubjectBlocked,
    TokenRefused,
)
from ..extension import JWTRevoke
from ..models import Claims
from ..request import EXTENSION, authority, current_claims, origin, present
from ..responses import error_response
from ..store import Client
from ..tokens import new_id

MANAGER = "flask-jwt-extended"
_SIGN_IN = "_jwt_revoke_sign_in"

# What flask-jwt-extended decides, by settings of its own or because the views are its own.
_THEIRS = (
    "SECRET_KEY", "KEYS", "ALGORITHM", "ISSUER", "AUDIENCE", "LEEWAY", "ACCESS_LIFETIME",
    "REFRESH_LIFETIME", "REFRESH_GRACE", "MAX_SESSIONS", "ON_MAX_SESSIONS", "SESSION_IDLE_TIMEOUT",
    "SESSION_LIFETIME", "REQUIRE_EVERYWHERE", "TOKEN_LOCATION", "ACCESS_COOKIE", "REFRESH_COOKIE",
    "CSRF_COOKIE", "COOKIE_PATH", "REFRESH_COOKIE_PATH", "COOKIE_DOMAIN", "COOKIE_SECURE",
    "COOKIE_SAMESITE", "CSRF_PROTECT", "CSRF_HEADER", "CSRF_FIELD", "OUTSIDE_TOKENS_WITHOUT_JTI",
)  # fmt: skip

_COOKIES = ("JWT_COOKIE_SECURE", "JWT_COOKIE_SAMESITE", "JWT_COOKIE_CSRF_PROTECT")

Encode = Callable[..., str]
IsRevoked = Callable[[dict[str, Any], dict[str, Any]], bool]


def make_revocable(
    manager: JWTManager, app: Flask | None = None, *, redis: Client | None = None
) -> RevocableTokens:
    """Let ``jwt_required`` refuse what is revoked, and record each token that is created.

    A ``token_in_blocklist_loader`` that is there already is asked first. In an app factory call
    ``init_app`` of the answer, before or after ``manager.init_app``.

    :raises ConfigurationError: a setting of either extension cannot work.
    """
    if not isinstance(manager._encode_jwt_from_config, _Recording):
        # Both create_access_token and create_refresh_token go through it, and no hook of
        # theirs sees a token that is finished.
        recording = _Recording(manager, manager._encode_jwt_from_config)
        manager._encode_jwt_from_config = recording  # type: ignore[method-assign]
        manager.token_in_blocklist_loader(recording.is_revoked)
    return RevocableTokens(manager, app, redis=redis)


class RevocableTokens(JWTRevoke):
    """The verbs, and ``current_token`` in views of ``jwt_required``; made by ``make_revocable``."""

    def __init__(
        self, manager: JWTManager, app: Flask | None = None, *, redis: Client | None = None
    ) -> None:
        self._manager = manager
        super().__init__(app, redis=redis)

    def init_app(self, app: Flask, *, redis: Client | None = None) -> None:
        if EXTENSION in app.extensions:
            raise RuntimeError("This app's tokens are revocable already.")
        if MANAGER not in app.extensions:
            self._manager.init_app(app)
        if app.extensions[MANAGER] is not self._manager:
            raise RuntimeError("This app has another JWTManager than the one made revocable.")
        client = redis if redis is not None else self._redis
        config = _config(app)
        door = app.extensions[EXTENSION] = Authority(
            config, redis=client, sender=app, origin=partial(origin, config.session_address)
        )
        with app.app_context():
            door.tokens.named = partial(_named, theirs.identity_claim_key)
            door.tokens.renamed = partial(_renamed, theirs.identity_claim_key)
            door.cookies = _cookies(app)
        if JWTRevokeError not in app.error_handler_spec[None][None]:
            app.register_error_handler(JWTRevokeError, _answer)

    def begin_session(self, *, device: str | None = None) -> None:
        """Let the tokens that this request creates from now on begin a session.

        By itself, the first token of a subject begins one, and a token that is created in a
        view of ``jwt_required`` goes on with the session of the token that was presented.
        ``device`` is a label for people.
        """
        setattr(_here(), _SIGN_IN, _SignIn(device, {}))

    def record(self, token: Presented) -> None:
        """:raises flask_jwt_extended.exceptions.JWTExtendedException: here and below, or
        another error of theirs: a string that does not verify.
        """
        super().record(_verified(token))

    def revoke(
        self, token: Presented, *, reason: str = "revoked", actor: str | None = None
    ) -> None:
        super().revoke(_verified(token), reason=reason, actor=actor)

    def logout(
        self,
        token: Presented | None = None,
        *,
        reason: str = "logout",
        actor: str | None = None,
    ) -> None:
        presented = None if token is None else _verified(token)
        super().logout(presented, reason=reason, actor=actor)


class _SignIn:
    """The sessions that one request begins: a sid for each subject."""

    def __init__(self, device: str | None, sids: dict[str, str]) -> None:
        self.device = device
        self.sids = sids

    def sid(self, subject: str) -> str:
        return self.sids.setdefault(subject, new_id())


class _Recording:
    """Stands in for the manager's method that signs."""

    def __init__(self, manager: JWTManager, encode: Encode) -> None:
        self._manager = manager
        self._encode = encode
        self._is_revoked_by_theirs: IsRevoked = manager._token_in_blocklist_callback

    def __call__(self, identity: Any, *args: Any, claims: Any = None, **options: Any) -> str:
        if self._manager._token_in_blocklist_callback != self.is_revoked:
            raise RuntimeError(
                "A token_in_blocklist_loader was registered after make_revocable, so that no token"
                " is looked up in Redis: register it before, or remove it."
            )
        subject = _subject(self._manager._user_identity_callback(identity))
        parent, sign_in = _origin(subject)
        if parent is None and authority().is_blocked(subject):
            raise SubjectBlocked()
        sid = parent.session_id if parent else sign_in.sid(subject)
        named = {"sid": sid, **(claims or {})}
        token = self._encode(identity, *args, claims=named, **options)
        try:
            created = _claims(json.loads(base64_decode(token.split(".")[1])))
        except TokenRefused as refused:
            raise ValueError(refused.description) from None
        if created.version is not None:
            raise ValueError("A claim ver of your own takes JWT_ENCODE_NBF.")
        _record(created, parent, sign_in.device)
        return token

    def is_revoked(self, header: dict[str, Any], payload: dict[str, Any]) -> bool:
        if self._is_revoked_by_theirs(header, payload):
            return True
        claims = _claims(payload)
        try:
            authority().check_verified(claims)
        except RevokedToken:
            return True
        if has_request_context():
            present(claims)
        return False


def _origin(subject: str) -> tuple[Claims | None, _SignIn]:
    """The token that another one is created for, if any, and what the request begins."""
    begun: _SignIn | None = getattr(_here(), _SIGN_IN, None)
    presented = current_claims()
    if begun is None and presented is not None and presented.subject == subject:
        return presented, _SignIn(None, {})
    if begun is None:
        begun = _SignIn(None, {})
        setattr(_here(), _SIGN_IN, begun)
    return None, begun


def _record(claims: Claims, parent: Claims | None, device: str | None) -> None:
    door = authority()
    if claims.expires_at + door.config.leeway <= door.clock():
        return  # as tests like to create them
    if parent is not None and "sid" not in parent.claims:
        door.record(parent)  # signed before there was anything to record it
    door.record(
        claims,
        device=device,
        address=address_of(door.config.session_address),
        agent=agent_of(),
        after=parent,
    )


def _here() -> Any:
    """What lives as long as the request, or as the app context where there is none."""
    proxy: Any = request if has_request_context() else g
    return proxy._get_current_object()


def _verified(token: Presented) -> Claims:
    if isinstance(token, Claims):
        return token
    return _claims(decode_token(token, allow_expired=True) if isinstance(token, str) else token)


def _claims(payload: Mapping[str, Any]) -> Claims:
    """:raises TokenRefused: a claim is missing or of the wrong kind."""
    claims = authority().tokens.claims_of(_named(theirs.identity_claim_key, payload))
    # One that was signed before its session had a name is the first of a session.
    return claims if claims.session_id else replace(claims, session_id=claims.id)


def _named(identity_claim: str, payload: Any) -> Any:
    """A payload with the identity as its subject."""
    identity = payload.get(identity_claim) if isinstance(payload, Mapping) else None
    try:
        return payload if identity is None else {**payload, "sub": _subject(identity)}
    except TypeError as error:
        raise MalformedToken() from error


def _renamed(identity_claim: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A payload of ours with the subject as its identity; one that is kept may be a number."""
    return {identity_claim: payload["sub"], **payload}


def _subject(identity: Any) -> str:
    """Identities may be numbers; a subject is a string."""
    if isinstance(identity, bool) or not isinstance(identity, int | str):
        raise TypeError(
            f"An identity must be a string or an integer, got {type(identity).__name__}:"
            " register a user_identity_loader that answers one."
        )
    return str(identity)


def _config(app: Flask) -> Config:
    for name in _THEIRS:
        if PREFIX + name in app.config:
            raise ConfigurationError(
                f"{PREFIX}{name} has no effect beside flask-jwt-extended, which has settings of"
                " its own: remove it"
            )
    own = {name: value for name, value in app.config.items() if name.startswith(PREFIX)}
    with app.app_context():
        return Config.from_mapping({**own, **_settings()})


def _settings() -> dict[str, Any]:
    """Their settings in our words."""
    access = _lifetime("JWT_ACCESS_TOKEN_EXPIRES", theirs.access_expires)
    refresh = _lifetime("JWT_REFRESH_TOKEN_EXPIRES", theirs.refresh_expires)
    audience: Any = theirs.decode_audience or theirs.encode_audience
    found = {
        "SECRET_KEY": theirs.decode_key,
        "ALGORITHM": theirs.algorithm,
        "LEEWAY": theirs.leeway,
        "ISSUER": theirs.decode_issuer,
        "AUDIENCE": audience if audience is None or isinstance(audience, str) else [*audience],
        "ACCESS_LIFETIME": access,
        "REFRESH_LIFETIME": max(access, refresh),
    }
    return {PREFIX + name: value for name, value in found.items() if value is not None}


def _cookies(app: Flask) -> Cookies | None:
    if "cookies" not in theirs.token_location:
        return None
    secure, samesite, csrf = (app.config[name] for name in _COOKIES)
    return Cookies(secure, samesite, csrf, _COOKIES)


def _lifetime(name: str, delta: Any) -> float:
    if delta is False:
        raise ConfigurationError(
            f"{name} takes a lifetime: a token that never expires would have to be kept for ever"
        )
    start = datetime.now(timezone.utc)
    return float((start + delta - start).total_seconds())  # a relativedelta adds, too


def _answer(error: JWTRevokeError) -> Response:
    """Our status and headers, in the shape of their errors."""
    response = error_response(error)
    response.data = jsonify({theirs.error_msg_key: error.description}).data
    return response
