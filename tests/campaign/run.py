"""One fault under load: break, mend, ask for every token again, and count what is left over."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from flask_jwt_revoke import Authority, Outage

from .doors import Direct, Http, app_of, authority_of
from .faults import FAULTS, Fault
from .judge import Judge
from .stalls import Stalls
from .topologies import wait_until
from .workload import Population, Worker, audit

TIMEOUT = 0.2
STRATEGIES = ("blacklist", "allowlist", "version")
#: Seconds after the healing within which a caller must have an answer again.
RECOVERY = 10.0


@dataclass
class Row:
    """What a fault has come to. ``slowest`` is in seconds; ``leaks`` and ``notes`` in words.

    ``skipped`` says why nothing was tried, ``failed`` that it should have been.
    """

    fault: str
    seed: int
    strikes: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""
    failed: bool = False

    def take(self, judge: Judge) -> None:
        self.counts += judge.counts
        self.findings += judge.findings
        for kind, seconds in judge.slowest.items():
            self.slowest[kind] = max(self.slowest.get(kind, 0.0), seconds)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a fault lasts, and at most one strike of it; how many callers there are.

    ``pause`` is between two calls of one caller. All times are in seconds.
    """

    seconds: float
    longest: float
    workers: int = 4
    pause: float = 0.002


def run(name: str, effort: Effort, *, seed: int) -> Row:
    kind, row, rng = FAULTS[name], Row(name, seed), random.Random(f"{name} {seed}")
    if not kind.is_built():
        row.skipped = f"there is no setting {kind.needs}"
        return row
    with no_leak(row), closing(kind(rng, effort.longest)) as fault, Stalls() as stalls:
        judge = Judge(
            may_lose=fault.may_lose,
            keeps_ends=fault.keeps_ends,
            deadline=TIMEOUT,
            staleness=fault.staleness,
            stalls=stalls,
        )
        _under_load(fault, judge, row, rng, effort)
        row.take(judge)
    return row


def _under_load(fault: Fault, judge: Judge, row: Row, rng: random.Random, effort: Effort) -> None:
    strategy = rng.choice(STRATEGIES)
    row.notes.append(strategy)
    before = fault.connections()
    options = {"timeout": TIMEOUT, "strategy": strategy, **fault.settings}
    with ExitStack() as stack:
        authorities = [
            stack.enter_context(closing(authority_of(fault.url, **options))) for _ in range(2)
        ]
        app = app_of(fault.url, **options)
        stack.callback(app.extensions["jwt_revoke"].close)
        doors = [*(Direct(one) for one in authorities), *([Http(app)] * 2)]
        for door in doors:
            _warm(door)
        population = Population(effort.workers)
        crowd = [
            Worker(number, judge, population, doors, random.Random(rng.random()))
            for number in range(effort.workers)
        ]
        with _working(crowd, judge, effort.pause):
            row.strikes = _strike(fault, rng, effort.seconds)
            _wait_for_recovery(crowd, authorities, judge)
        audit(judge, population, crowd[0], rng)
        _count_connections(fault, before + len(doors) * (2 * effort.workers + 2), row)
    if _settled(fault, before) > before:
        row.leaks.append(f"connections on the server {before} -> {fault.connections()}")


def _warm(door: Direct | Http) -> None:
    """What is imported or connected on first use is no part of a request."""

    def is_warm() -> bool:
        try:
            return bool(door.issue("first"))
        except Outage:
            return False

    wait_until(is_warm, "a first sign-in")


def _strike(fault: Fault, rng: random.Random, seconds: float) -> int:
    strikes, until = 0, time.monotonic() + seconds
    time.sleep(min(0.3, seconds / 4))
    while strikes == 0 or time.monotonic() < until:
        fault.strike()
        strikes += 1
        time.sleep(rng.uniform(0, 0.3))
    fault.heal()
    return strikes


@contextmanager
def _working(crowd: list[Worker], judge: Judge, pause: float) -> Iterator[None]:
    over = threading.Event()

    def work(worker: Worker) -> None:
        try:
            worker.run(over, pause)
        except BaseException as error:
            judge.find("wrong", f"a worker ended: {error!r}")
            raise

    threads = [threading.Thread(target=work, args=(worker,)) for worker in crowd]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _wait_for_recovery(crowd: list[Worker], authorities: list[Authority], judge: Judge) -> None:
    """Each caller has an answer, no breaker is open, and something has been ended at all."""
    healed = time.monotonic()

    def is_over() -> bool:
        return (
            judge.counts["acknowledged"] > 0
            and all(worker.succeeded > healed for worker in crowd)
            and not any(one.store.breakers.is_open for one in authorities)
        )

    while not is_over():
        if time.monotonic() > healed + RECOVERY:
            judge.find("wrong", f"still an outage: {RECOVERY} s after the healing")
            return
        time.sleep(0.01)


# -- what is left over ----------------------------------------------------------


@contextmanager
def no_leak(row: Row) -> Iterator[None]:
    """Note threads and descriptors of this process that were not there before."""
    before = _held()
    yield
    until = time.monotonic() + 3
    while (after := _held()) > before and time.monotonic() < until:
        time.sleep(0.05)
    for name in before:
        if after[name] > before[name]:
            row.leaks.append(f"{name} {before[name]} -> {after[name]}")


def _held() -> Counter[str]:
    gc.collect()
    # threading counts one whose start was interrupted for ever, though it never ran.
    entries = {"threads": "task", "descriptors": "fd"}
    return Counter({name: len(os.listdir(f"/proc/self/{kind}")) for name, kind in entries.items()})


def _count_connections(fault: Fault, most: int, row: Row) -> None:
    held = fault.connections()
    if held > most:
        row.leaks.append(f"{held} connections on the server, for at most {most}")


def _settled(fault: Fault, before: int) -> int:
    """A server hears of a closed connection a little later."""
    until = time.monotonic() + 3
    while (count := fault.connections()) > before and time.monotonic() < until:
        time.sleep(0.05)
    return count
