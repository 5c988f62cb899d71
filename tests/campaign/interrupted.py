"""Calls that are interrupted at any point, by a signal or by a greenlet's own time-out.

They run in a child process, since hiredis 3.5 may crash when a signal handler raises in it.
"""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

from ..servers import BINARIES, Server
from .doors import Direct, authority_of
from .judge import Interrupted, Judge
from .run import Row, no_leak
from .workload import Population, Worker, audit

KINDS = ("signal", "gevent")
#: Seconds between two alarms.
ALARMS = (5e-6, 90e-6)
#: One alarm in so many raises; chosen anew for each call, so that some are carried out.
ONE_IN = (3, 10, 30, 300)
#: Seconds. Long enough that what is interrupted is not an outage as well.
_TIMEOUT = 5.0
_SHORTEST = 0.5
#: Fewer calls that were interrupted would prove little.
FEWEST = 50
_ROOT = Path(__file__).parents[2]

Call = Callable[[Callable[[], Any]], Any]


def run(name: str, *, seconds: float, seed: int) -> Row:
    """``name`` is interrupted-KIND. A child that crashes is counted, and followed by another."""
    row = Row(name, seed)
    with no_leak(row), closing(Server(BINARIES["valkey"])) as server:
        left, until = seconds, time.monotonic() + seconds
        while left > _SHORTEST or not _is_enough(row):
            _one_child(row, name.removeprefix("interrupted-"), server.url, max(left, _SHORTEST))
            row.strikes += 1
            row.seed = seed
            seed += 1
            left = until - time.monotonic()
    return row


def _is_enough(row: Row) -> bool:
    # A child that hiredis has crashed tells nothing, and one that failed is enough.
    counts = row.counts
    return counts["interrupted"] > FEWEST or counts["crashed"] > 0 or counts["wrong"] > 0


def _one_child(row: Row, kind: str, url: str, seconds: float) -> None:
    command = [sys.executable, "-m", "tests.campaign.child", kind, url, str(seconds), str(row.seed)]
    child = subprocess.run(command, cwd=_ROOT, capture_output=True, check=False)
    if child.returncode < 0:
        row.counts["crashed"] += 1
        row.notes.append(_where(child.stderr.decode()))
    elif child.returncode:
        row.counts["wrong"] += 1
        row.findings.append(f"the child failed: {child.stderr.decode()[-1500:]}")
    else:
        _take(row, json.loads(child.stdout))


def _where(trace: str) -> str:
    lines = [line.strip() for line in trace.splitlines() if line.startswith(("Fatal", "  File"))]
    return "crashed: " + " < ".join(lines[:3])


def _take(row: Row, found: dict[str, Any]) -> None:
    row.counts += Counter(found["counts"])
    row.findings += found["findings"]
    row.leaks += found["leaks"]


# -- in the child -----------------------------------------------------------------


def work(kind: str, url: str, seconds: float, seed: int) -> Row:
    rng, row = random.Random(f"{kind} {seed}"), Row(kind, seed)
    judge = Judge()
    # gevent opens descriptors of its own when it first waits.
    time.sleep(0.001)
    with no_leak(row), closing(authority_of(url, timeout=_TIMEOUT)) as authority:
        doors = [Direct(authority)]
        if kind == "signal":
            _alone(judge, doors, rng, seconds)
        else:
            _in_greenlets(judge, doors, rng, seconds)
    row.take(judge)
    return row


def _alone(judge: Judge, doors: list[Direct], rng: random.Random, seconds: float) -> None:
    population, until = Population(1), time.monotonic() + seconds
    with Alarms(random.Random(rng.random())) as alarms:
        worker = Worker(0, judge, population, doors, rng, call=alarms.call)
        calm = Worker(0, judge, population, doors, rng)
        while time.monotonic() < until:
            worker.step()
            # What an interrupted call left behind is what the next caller reads.
            for session in population.pick(0, rng).sessions[-3:]:
                calm.check(session.tokens[-1])
    audit(judge, population, calm, rng)


class Alarms:
    """SIGALRM comes again and again while a verb runs, and raises in it now and then."""

    def __init__(self, rng: random.Random) -> None:
        self._rng, self._one_in = rng, ONE_IN[0]

    def __enter__(self) -> Alarms:
        self._before = signal.signal(signal.SIGALRM, self._interrupt)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.signal(signal.SIGALRM, self._before)

    def call(self, verb: Callable[[], Any]) -> Any:
        self._one_in = self._rng.choice(ONE_IN)
        self._ring()
        try:
            return verb()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self) -> None:
        # Each alarm sets the next, or nothing but alarms would be handled.
        signal.setitimer(signal.ITIMER_REAL, self._rng.uniform(*ALARMS))

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._is_inside(frame):
            return
        self._ring()
        if self._rng.randrange(self._one_in) == 0:
            raise Interrupted

    def _is_inside(self, frame: FrameType | None) -> bool:
        """Whether the verb itself is under way, and not our own code around it."""
        ours = Alarms.call.__code__
        if frame is None or frame.f_code is ours:
            return False
        while frame is not None and frame.f_code is not ours:
            frame = frame.f_back
        return frame is not None


def _in_greenlets(judge: Judge, doors: list[Direct], rng: random.Random, seconds: float) -> None:
    """Threads are greenlets here, since gevent has patched them."""
    population, over = Population(8), threading.Event()
    crowd = [
        Worker(number, judge, population, doors, one, call=timeouts(random.Random(one.random())))
        for number in range(8)
        for one in [random.Random(rng.random())]
    ]
    threads = [threading.Thread(target=one.run, args=(over, 0.0005)) for one in crowd]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    audit(judge, population, Worker(0, judge, population, doors, rng), rng)


def timeouts(rng: random.Random) -> Call:
    """What runs a verb under a gevent.Timeout of 5 µs to 5 ms."""
    import gevent

    def run(verb: Callable[[], Any]) -> Any:
        with gevent.Timeout(math.exp(rng.uniform(math.log(5e-6), math.log(5e-3))), Interrupted):
            return verb()

    return run
