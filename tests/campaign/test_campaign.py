"""The campaign in short: each fault for a second. ``make soak`` takes its time."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from flask_jwt_revoke import Outage

from ..servers import Server
from . import crowd, interrupted, served_by_gunicorn
from .doors import authority_of
from .faults import FAULTS
from .run import TIMEOUT, Effort, Row, run
from .table import details, table
from .wire import Wire

SHORT = Effort(seconds=0.8, longest=0.3, workers=3, pause=0.008)
#: Seconds. A busy machine's answer may be late; one that hangs is not.
BOUND = 5.0
#: Tried by ``make soak`` alone: these start many servers, or come close to another.
LONG = {
    "failover-kill", "failover-kill-awaited", "failover-pause-awaited", "cluster-kill",
    "near-reset", "near-half-open", "near-lost-replies", "near-kill-aof-always",
}  # fmt: skip
#: With a test of their own.
OTHERS = {"dripping", "full-noeviction"}
TRIED = [name for name in FAULTS if FAULTS[name].is_built() and name not in LONG | OTHERS]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of outages are logged."""
    log = logging.getLogger("flask_jwt_revoke")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


def assert_sound(row: Row) -> None:
    report = "\n".join([*details(row), table([row])])
    assert not row.counts["wrong"], report
    assert not row.leaks, report
    assert row.counts["tries"], report
    assert row.counts["acknowledged"], report


@pytest.mark.parametrize("name", TRIED)
def test_promise_9_no_answer_is_wrong_under_a_fault(name: str) -> None:
    row = run(name, SHORT, seed=1)
    assert_sound(row)
    assert row.slowest["check"] < BOUND
    if name in ("none", "cluster-move", "script-flush"):
        assert row.counts["outages"] < row.counts["tries"] / 4


def test_promise_9_oom_is_an_outage() -> None:
    row = run("full-noeviction", SHORT, seed=2)
    assert_sound(row)
    assert row.counts["outages"] > 0
    assert row.counts["lost"] == 0


def test_promise_9_a_check_that_drips_is_given_up(server: Server) -> None:
    """Its reply of 40 bytes takes two seconds."""
    with ExitStack() as stack:
        wire = stack.enter_context(closing(Wire(server, random.Random(1))))
        authority = stack.enter_context(closing(authority_of(wire.url, timeout=TIMEOUT)))
        patient = stack.enter_context(closing(authority_of(server.url, timeout=5)))
        token = patient.issue("alice").access
        with contextlib.suppress(Outage):
            authority.check(token)
        wire.replies, started = "dripping", time.monotonic()
        with contextlib.suppress(Outage):
            authority.check(token)
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("kind", interrupted.KINDS)
def test_promise_1_interrupted_calls_leave_no_answer_to_others(kind: str) -> None:
    row = interrupted.run(f"interrupted-{kind}", seconds=2, seed=3)
    report = "\n".join([*details(row), *row.notes])
    assert not row.counts["wrong"], report
    assert not row.leaks, report
    assert row.counts["interrupted"] > interrupted.FEWEST or row.counts["crashed"], report


def test_promise_1_threads_revoke_and_check() -> None:
    assert_sound(crowd.pairs(each=100, seed=1))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", served_by_gunicorn.KINDS)
def test_promise_1_preloaded_workers_are_reloaded(kind: str) -> None:
    """Each for a third of a minute, most of which it waits."""
    row = served_by_gunicorn.run(
        f"gunicorn-{kind}", seconds=6, reloads=4, seed=1, apart=0.5, pause=0.1
    )
    assert_sound(row)
