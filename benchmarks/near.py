"""The near cache: how soon it hears what another process revokes, and what listening costs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle
from multiprocessing.connection import Connection

import redis
from flask import Flask

from flask_jwt_revoke import Authority, TokenPair

from .apps import STALENESS, with_near_cache, with_strict_checks
from .beside import Beside
from .cores import Cores
from .fairness import Unfair
from .figures import Figures, Row
from .in_process import environ

HEARD = "near cache, refused by another process"
LISTENER = "near cache, idle"
WARM_UP = 3
PRIMED = 50  # requests before a token is revoked
PATIENCE = 3 * STALENESS  # seconds after which a token counts as accepted for ever
MAKERS = {"near": with_near_cache, "strict": with_strict_checks}


def heard(port: int, *, revocations: int, cores: Cores, advance: Callable[[], None]) -> Figures:
    """``advance`` is called after each revocation."""
    how = f"{revocations} revocations,\nNEAR_CACHE_STALENESS {STALENESS:g} s"
    rows = [Row("p50", "p50"), Row("p99", "p99", percent=99), Row("max", "the latest", percent=100)]
    figures = Figures(HEARD, how, "ms", rows)
    here: Authority = with_near_cache(port).extensions["jwt_revoke"]
    with closing(here), closing(Beside(cores, ask_on, port)) as there:
        _check_near(port, here, there)
        for number, revoke in zip(range(WARM_UP + revocations), _verbs(here), strict=False):
            subject = f"subject{number}"
            pair = here.issue(subject)
            there.ask(pair.access)
            # Anywhere between two heartbeats.
            time.sleep(random.uniform(0.002, 0.03))
            revoke(subject, pair)
            returned = time.monotonic()
            delay = there.hear() - returned
            if number >= WARM_UP:
                for row in figures.rows:
                    row.rounds.append(max(0.0, delay) * 1e3)
            advance()
    return figures


def listener(
    port: int, *, rounds: int, seconds: float, cores: Cores, advance: Callable[[], None]
) -> Figures:
    """``advance`` is called after each round."""
    how = f"{rounds} rounds of {seconds:g} s after a request"
    rows = [Row("strict", "without near cache", ours=False), Row("near", "listening")]
    figures = Figures(LISTENER, how, "% of a core", rows)
    with (
        closing(Beside(cores, idle, "strict", port)) as strict,
        closing(Beside(cores, idle, "near", port)) as near,
    ):
        for _ in range(rounds):
            for one in (strict, near):
                one.tell(seconds)
            figures.add("strict", strict.hear())
            figures.add("near", near.hear())
            advance()
    return figures


def ask_on(pipe: Connection, port: int) -> None:
    """The other process: asks with each token that it is told until it is refused."""
    app = with_near_cache(port)
    while True:
        request = environ(pipe.recv())
        for _ in range(PRIMED):
            if status(app, request) != 200:
                raise Unfair("a live token was refused")
        pipe.send("primed")
        until = time.monotonic() + PATIENCE
        while status(app, request) == 200 and time.monotonic() < until:
            pass
        pipe.send(time.monotonic())


def idle(pipe: Connection, key: str, port: int) -> None:
    """The other process: listens, and answers which percentage of a core that took."""
    app = MAKERS[key](port)
    token = app.extensions["jwt_revoke"].issue("idle").access
    for _ in range(PRIMED):
        status(app, environ(token))
    while True:
        seconds = pipe.recv()
        busy, started = time.process_time(), time.monotonic()
        time.sleep(seconds)
        pipe.send((time.process_time() - busy) / (time.monotonic() - started) * 100)


def status(app: Flask, environ: dict[str, object]) -> int:
    found: list[str] = []

    def start_response(status: str, _headers: object, _exc_info: object = None) -> None:
        found.append(status)

    response = app(environ.copy(), start_response)
    b"".join(response)
    response.close()
    return int(found[0][:3])


def _verbs(here: Authority) -> Iterator[Callable[[str, TokenPair], object]]:
    return cycle(
        [
            lambda _, pair: here.revoke(pair.access),
            lambda subject, pair: here.logout_session(subject, pair.session_id),
            lambda subject, _: here.logout_everywhere(subject),
        ]
    )


def _check_near(port: int, here: Authority, there: Beside) -> None:
    """:raises Unfair: Redis is asked at each request, so that nothing would have to be heard."""
    token = here.issue("near").access
    with redis.Redis(port=port, protocol=2) as client:
        before = client.info("stats")["total_reads_processed"]
        there.ask(token)
        time.sleep(0.2)
        asked = client.info("stats")["total_reads_processed"] - before
    here.revoke(token)
    there.hear()
    if asked > PRIMED:
        raise Unfair(f"Redis was asked {asked} times with the near cache on")
