"""A server, the wire, the workers and the revoker: where the faults happen."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass

from flask_jwt_revoke import Authority, Config
from tests.conftest import SECRET
from tests.servers import BINARIES, Server

from .judge import Check, Row, is_past, judge, was_answered
from .network import Network
from .population import Population
from .workers import KINDS, Asker, Workers

DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
BATCH = 100
#: Requests of one token each, after each batch.
PATHS = ("/near", "/near", "/strict")
#: Checks that begin past the bound: fewer would prove little, however many there are of others.
PAST = 150
#: As many checkers of each kind as it has threads, so that requests of a process overlap.
CHECKERS = ("sync", *["gthread"] * 4, *["gevent"] * 3)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``staleness`` is the bound, in seconds. ``lie`` names a liar to serve instead.

    Each checker rests for about ``rest`` seconds after each batch.
    """

    staleness: float
    kinds: tuple[str, ...] = tuple(KINDS)
    rest: float = 0.0
    near: bool = True
    lie: str | None = None
    server: str = "valkey"
    strategy: str = "blacklist"
    seed: int = 0

    @property
    def bound(self) -> float:
        return self.staleness if self.near or self.lie else 0.0

    def settings(self, url: str) -> dict[str, object]:
        near = {"JWT_REVOKE_NEAR_CACHE_STALENESS": self.staleness}
        return {
            "SECRET_KEY": SECRET,
            "JWT_REVOKE_REDIS_URL": url,
            "JWT_REVOKE_STRATEGY": self.strategy,
            "JWT_REVOKE_ACCESS_LIFETIME": 7 * 24 * 60 * 60,
            "JWT_REVOKE_TIMEOUT": 0.2,
        } | (near if self.near and not self.lie else {})


class Stage:
    """Everything runs, except for the checkers and the revoker, which ``run`` starts."""

    def __init__(self, plan: Plan, stack: ExitStack) -> None:
        self.plan = plan
        self.random = random.Random(plan.seed)
        self.story: list[str] = []
        # The revoker must not wait for a worker that is stopped.
        self.any_stopped = False
        self.server = stack.enter_context(closing(Server(BINARIES[plan.server], *DURABLE)))
        self.network = stack.enter_context(closing(Network(self.server)))
        lie = f"{plan.lie} {plan.staleness}" if plan.lie else None
        self.workers = {
            kind: stack.enter_context(closing(Workers(kind, plan.settings(self.network.url), lie)))
            for kind in plan.kinds
        }
        for each in self.workers.values():
            each.wait()
        # Its wire is clean: what counts is when the server had acknowledged.
        own = plan.settings(self.server.url) | {"JWT_REVOKE_TIMEOUT": 1}
        own.pop("JWT_REVOKE_NEAR_CACHE_STALENESS", None)
        authority = stack.enter_context(closing(Authority(Config.from_mapping(own))))
        self.population = Population(
            authority, subjects=40, tokens=80, bound=plan.staleness, seed=plan.seed
        )
        self.population.fill()

    def note(self, what: str) -> None:
        self.story.append(f"  {time.monotonic():.4f} {what}")

    def wait(self, times: float) -> None:
        """Let so many times the bound pass."""
        time.sleep(times * self.plan.staleness)

    def run(self, name: str, fault: Callable[[Stage], None], wanted: int) -> Row:
        """Check and revoke while the fault happens, until it was looked at enough."""
        row = Row(name)
        asked, ended = self.network.asked, self.population.ended
        subscribed = self.network.subscribed
        self.story.clear()
        with self._working() as found:
            while self.population.ended == ended or not _is_enough(found, wanted):
                self.note(name)
                fault(self)
                self.note("mended")
                self.wait(2)
        row.asked = self.network.asked - asked
        row.ended = self.population.ended - ended
        row.subscribed = self.network.subscribed - subscribed
        judge(row, found, self.story)
        return row

    @contextlib.contextmanager
    def _working(self) -> Iterator[list[Check]]:
        found: list[Check] = []
        stop = threading.Event()
        kinds = [kind for kind in CHECKERS if kind in self.workers]
        with ThreadPoolExecutor(len(kinds) + 1) as pool:
            futures = [pool.submit(self._revoke, stop)]
            futures += [pool.submit(self._check, kind, found, stop) for kind in kinds]
            try:
                yield found
            finally:
                stop.set()
            for future in futures:
                future.result()

    def _revoke(self, stop: threading.Event) -> None:
        askers = [Asker(each) for each in self.workers.values()]
        acknowledged = True
        # In an outage a few attempts are enough: each makes what it meant to end unknown.
        while not stop.wait(self.random.expovariate(50 if acknowledged else 20)):
            with self.population.lock:
                acknowledged = self.population.end_some([] if self.any_stopped else askers)
                self.population.fill()
        for asker in askers:
            asker.close()

    def _check(self, kind: str, found: list[Check], stop: threading.Event) -> None:
        chance = random.Random(self.random.random())
        with closing(Asker(self.workers[kind])) as asker:
            while not stop.wait(chance.uniform(0, 2 * self.plan.rest)):
                self._check_many(asker, found, chance)
                self._check_each(asker, found, chance)

    def _check_many(self, asker: Asker, found: list[Check], chance: random.Random) -> None:
        tokens = self.population.sample(BATCH, chance)
        answer = asker.ask("POST", "/checks", json_of=[token.text for token in tokens]).json()
        by = (self.plan.bound, asker.workers.kind, answer["pid"])
        found += [
            Check(token, *times_and_status, *by)
            for token, times_and_status in zip(tokens, answer["answers"], strict=False)
        ]

    def _check_each(self, asker: Asker, found: list[Check], chance: random.Random) -> None:
        for path, token in zip(PATHS, self.population.sample(12, chance), strict=False):
            answer = asker.ask("GET", path, token=token.text)
            bound = 0.0 if path == "/strict" else self.plan.bound
            by = (bound, asker.workers.kind, answer.pid)
            found.append(Check(token, answer.began, answer.ended, answer.status, *by))


def _is_enough(found: list[Check], wanted: int) -> bool:
    answered = [check for check in found if was_answered(check)]
    return len(answered) >= wanted and sum(map(is_past, answered)) >= PAST


@contextlib.contextmanager
def staged(plan: Plan) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(plan, stack)
