"""What metrics and traces cost a check: nothing while they are off."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

from flask_jwt_revoke import Authority, Config

from .apps import SECRET_KEY, STALENESS
from .fairness import Unfair
from .figures import Figures, Row
from .rounds import turns
from .signed_in import TIMEOUT

METERING = "metrics and traces, a check in the near cache"
WARM_UP = 2

Check = Callable[[str], object]


def compare(port: int, *, rounds: int, checks: int, advance: Callable[[], None]) -> Figures:
    """``advance`` is called after each round."""
    rows = [
        Row("plain", "the check itself, unbound", ours=False),
        Row("off", "off"),
        Row("metrics", "metrics on"),
        Row("tracing", "tracing on, no exporter"),
    ]
    how = f"{rounds} rounds of {checks} checks"
    figures = Figures(METERING, how, "µs", rows, against="plain")
    with ExitStack() as stack:
        off, metrics, tracing = (
            stack.enter_context(closing(_authority(port, **on)))
            for on in ({}, {"JWT_REVOKE_METRICS": True}, {"JWT_REVOKE_TRACING": True})
        )
        token = off.issue("alice").access
        contenders: dict[str, Check] = {
            "plain": partial(Authority.check, off),
            "off": off.check,
            "metrics": metrics.check,
            "tracing": tracing.check,
        }
        for check in contenders.values():
            _warm(check, token)
        gc.collect()
        for number, keys in enumerate(turns(list(contenders), WARM_UP + rounds)):
            for key in keys:
                took = _timed(contenders[key], token, checks)
                if number >= WARM_UP:
                    figures.add(key, took)
            advance()
    return figures


def _authority(port: int, **on: object) -> Authority:
    settings = {
        "SECRET_KEY": SECRET_KEY,
        "JWT_REVOKE_REDIS_URL": f"redis://127.0.0.1:{port}",
        "JWT_REVOKE_TIMEOUT": TIMEOUT,
        "JWT_REVOKE_NEAR_CACHE_STALENESS": STALENESS,
    }
    return Authority(Config.from_mapping(settings | on))


def _warm(check: Check, token: str) -> None:
    """:raises Unfair: the near cache does not answer."""
    until = time.monotonic() + 5
    while _timed(check, token, 100) > 50:
        if time.monotonic() > until:
            raise Unfair("the near cache does not answer")


def _timed(check: Check, token: str, checks: int) -> float:
    """Microseconds for one."""
    started = time.perf_counter()
    for _ in range(checks):
        check(token)
    return (time.perf_counter() - started) / checks * 1e6
