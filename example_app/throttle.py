"""How often one may try to sign in, counted by Flask-Limiter in the same Redis."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import redis
from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter, RequestLimit
from flask_limiter.util import get_remote_address
from limits import parse_many
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from werkzeug.exceptions import TooManyRequests

from flask_jwt_revoke import Authority, Outage

_LOG_INTERVAL = 60.0  # seconds


def guard(app: Flask, names: Mapping[str, Callable[[], str]]) -> Limiter:
    """Count the requests to the endpoints together, per address and per user name.

    ``names`` says for each endpoint how to learn the user name.
    """
    per_address, per_user = (
        _checked(app, name) for name in ("LOGIN_LIMIT_PER_ADDRESS", "LOGIN_LIMIT_PER_USER")
    )
    _set_defaults(app)
    # One for each app, since a Limiter keeps its storage to itself.
    limiter = Limiter(get_remote_address, app=app, on_breach=_refuse)
    for endpoint, name in names.items():
        view: Callable[..., Any] = app.view_functions[endpoint]
        view = limiter.shared_limit(per_address, "sign-in:address")(view)
        view = limiter.shared_limit(per_user, "sign-in:user", key_func=name)(view)
        app.view_functions[endpoint] = view
    unavailable = _Unavailable()
    for failure in (redis.RedisError, RedisClusterException):
        app.register_error_handler(failure, unavailable)
    return limiter


def storage(url: str, timeout: float) -> tuple[str, dict[str, Any]]:
    """Flask-Limiter's URI and options for what ``JWT_REVOKE_REDIS_URL`` names.

    ``timeout`` (seconds) bounds each connect and each read.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory":
        return url, {}
    # Without these a Redis that hangs holds each sign-in for a minute.
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
    base, _, topology = scheme.partition("+")
    if topology:
        scheme = f"redis+{topology}"
        options |= {"ssl": True} if base == "rediss" else {}
    if topology == "sentinel":
        address, _, path = rest.partition("/")
        service, _, db = path.strip("/").partition("/")
        rest = f"{address}/{service}"
        options |= {"sentinel_kwargs": dict(options), "db": int(db or 0)}
    return f"{'redis+unix' if scheme == 'unix' else scheme}://{rest}", options


def _checked(app: Flask, name: str) -> str:
    # Flask-Limiter only logs a limit that it cannot read, and then lets all pass.
    limit: str = app.config[name]
    try:
        parse_many(limit)
    except ValueError:
        raise ValueError(f"{name} takes a limit such as '20 per minute', got {limit!r}") from None
    return limit


def _set_defaults(app: Flask) -> None:
    authority: Authority = app.extensions["jwt_revoke"]
    uri, options = storage(authority.config.redis_url or "", authority.config.timeout)
    app.config.setdefault("RATELIMIT_STORAGE_URI", uri)
    app.config.setdefault("RATELIMIT_STORAGE_OPTIONS", options)
    # A fixed window lets twice the number through around its edge.
    app.config.setdefault("RATELIMIT_STRATEGY", "moving-window")


def _refuse(limit: RequestLimit) -> NoReturn:
    seconds = max(1, math.ceil(limit.reset_at - time.time()))
    raise TooManyRequests(f"At most {limit.limit}: try again in {seconds} s.", retry_after=seconds)


class _Unavailable:
    """Answers as the extension answers its own outages, and says so in the log once a minute."""

    def __init__(self) -> None:
        self._log_at = float("-inf")

    def __call__(self, error: Exception) -> ResponseReturnValue:
        now = time.monotonic()
        if now >= self._log_at:
            self._log_at = now + _LOG_INTERVAL
            kind = type(error).__name__
            current_app.logger.warning("Sign-ins cannot be counted: %s", kind)
        outage = Outage("Sign-ins cannot be counted at the moment.")
        return current_app.handle_user_exception(outage)
