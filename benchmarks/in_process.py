"""The WSGI callable driven directly: neither HTTP nor a test client in the figures."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

from flask import Flask
from werkzeug.test import EnvironBuilder

from . import fairness
from .apps import CONTENDERS, Contender
from .measures import Comparison, Timing
from .rounds import turns
from .view import PATH

WARM_UP = 2


def compare(
    apps: Mapping[str, Flask],
    tokens: Mapping[str, fairness.Tokens],
    *,
    rounds: int,
    requests: int,
    advance: Callable[[], None],
) -> Comparison:
    """``advance`` is called after each round."""
    comparison = Comparison("in process", f"{rounds} rounds of {requests} requests")
    environs = {key: environ(tokens[key].live) for key in apps}
    fairness.check_all(tokens, fairness.in_process_get(apps))
    # What was loaded so far is not for the contenders' garbage collections to walk.
    gc.freeze()
    for number, contenders in enumerate(turns(CONTENDERS, WARM_UP + rounds)):
        for one in contenders:
            timing = timed(one, apps[one.key], environs[one.key], requests)
            if number >= WARM_UP:
                comparison.add(one.key, timing)
        advance()
    gc.unfreeze()
    fairness.check_all(tokens, fairness.in_process_get(apps))
    return comparison


def environ(token: str) -> dict[str, object]:
    return EnvironBuilder(path=PATH, headers=fairness.headers(token)).get_environ()


def timed(contender: Contender, app: Flask, environ: dict[str, object], requests: int) -> Timing:
    statuses: list[str] = []
    bodies: list[bytes] = []

    def start_response(status: str, _headers: object, _exc_info: object = None) -> None:
        statuses.append(status)

    gc.collect()
    started = time.perf_counter()
    for _ in range(requests):
        response = app(environ.copy(), start_response)
        bodies.append(b"".join(response))
        response.close()
    took = time.perf_counter() - started
    for status, body in set(zip(statuses, bodies, strict=True)):
        fairness.check(contender, int(status[:3]), body)
    return Timing(us=took / requests * 1e6)
