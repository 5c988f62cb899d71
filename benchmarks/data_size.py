"""Does a strict check take longer where Redis holds more?"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

import jwt

from flask_jwt_revoke import RevokedToken
from flask_jwt_revoke.models import Claims
from tests.servers import Server

from .cores import Cores
from .fairness import Unfair
from .figures import Figures, Row
from .measures import percentile
from .population import copy_to, named
from .rounds import turns
from .signed_in import DEVICE, JTI, SECRET_KEY, SUBJECT, authority

DATA_SIZE = "a strict check, by data size"
FEW, MANY = 1_000, 1_000_000
SMALLEST = "few none"
#: Live sessions, each of another subject, which makes the most keys; and revoked tokens.
LARGER = {
    "many none": "many sessions",
    "few many": "many revoked tokens",
    "many many": "many of both",
}
SAMPLE = 400  # subjects that are checked, one after another
WARM_UP = 3
#: Revoked tokens belong to subjects of their own, numbered from here.
_OTHERS = 5_000_000


class Holding:
    """A server that holds so much, and tokens of some of its subjects."""

    def __init__(self, server: Server, sessions: int, revoked: int) -> None:
        self._authority = authority(f"redis://127.0.0.1:{server.port}")
        pair = self._authority.issue(SUBJECT, **DEVICE)
        access = self._authority.tokens.verify(pair.access, self._authority.clock())
        with server.client() as client:
            keys = sorted(client.keys())
        copy_to(server, keys, range(1, sessions))
        chosen = random.Random(sessions).sample(range(1, sessions), SAMPLE)
        self._tokens = [self._signed(access, named(number)) for number in chosen]
        if revoked:
            self._revoke(server, revoked)

    def check_all(self) -> list[float]:
        """Check each token once; seconds.

        :raises TokenRefused: one is not live.
        """
        check, clock, took = self._authority.check, time.perf_counter, []
        gc.collect()
        for token in self._tokens:
            started = clock()
            check(token)
            took.append(clock() - started)
        return took

    def close(self) -> None:
        self._authority.close()

    def _signed(self, like: Claims, subject: str) -> str:
        return self._authority.tokens.sign(replace(like, subject=subject))

    def _revoke(self, server: Server, count: int) -> None:
        """:raises Unfair: a copy of an entry refuses nothing."""
        expires_at = self._authority.clock() + self._authority.config.access_lifetime
        claims = {"sub": SUBJECT, "jti": JTI, "exp": expires_at}
        self._authority.revoke(claims, reason="logout")
        key = self._authority.keys.revoked(SUBJECT, JTI).encode()
        copy_to(server, [key], range(_OTHERS + 1, _OTHERS + count))
        # Without a session and a version, its own entry alone can refuse it.
        copied = {**claims, "sub": named(_OTHERS + count // 2)}
        try:
            self._authority.check(jwt.encode(copied, SECRET_KEY, "HS256"))
        except RevokedToken:
            return
        raise Unfair("a copy of a revoked token's entry refuses nothing")


def compare(
    start: Callable[[], Server],
    many: int,
    *,
    rounds: int,
    cores: Cores,
    advance: Callable[[], None],
) -> Figures:
    """``start`` an empty server; ``advance`` is called after each is full, and each round."""
    sizes = {
        SMALLEST: (FEW, 0),
        "many none": (many, 0),
        "few many": (FEW, many),
        "many many": (many, many),
    }
    how = f"{rounds} rounds of {SAMPLE} checks, each of another subject"
    figures = Figures(DATA_SIZE, how, "µs", _rows(sizes))
    with ExitStack() as stack:
        holdings = {}
        for key, (sessions, revoked) in sizes.items():
            server = stack.enter_context(closing(start()))
            with cores.on_another():
                held = Holding(server, sessions, revoked)
            holdings[key] = stack.enter_context(closing(held))
            advance()
        # What was loaded so far is not for the checks' garbage collections to walk.
        gc.freeze()
        for number, keys in enumerate(turns(list(holdings), WARM_UP + rounds)):
            for key in keys:
                took = holdings[key].check_all()
                if number >= WARM_UP:
                    figures.add(f"{key} p50", percentile(took, 50) * 1e6)
                    figures.add(f"{key} p99", percentile(took, 99) * 1e6)
            advance()
        gc.unfreeze()
    return figures


def _rows(sizes: Mapping[str, tuple[int, int]]) -> list[Row]:
    return [
        Row(f"{key} {name}", f"{sessions:,} sessions, {revoked:,} revoked: {name}")
        for name in ("p50", "p99")
        for key, (sessions, revoked) in sizes.items()
    ]
