"""Measure on real servers what the model scales by: bytes, and what each verb costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import fields
from typing import TypeVar

from benchmarks import memory
from benchmarks.rounds import turns
from benchmarks.signed_in import DEVICE, Clock, authority
from flask_jwt_revoke import Authority
from flask_jwt_revoke.config import STRATEGIES
from tests.servers import Server, free_ports

from .counters import Growth
from .crowded import crowded_check
from .feed import feed
from .measured import (
    CHECK,
    EVERYWHERE,
    ISSUE,
    LOGOUT,
    LOOKED,
    ROTATE,
    SEEN,
    VERBS,
    Cost,
    Kept,
    Measured,
)

ENTRIES = 7_500  # of which the hash tables of Redis are as full as of 120,000
ROUNDS = 4
SUBJECTS = 80
SESSIONS = 2  # of each subject
LATER = 61  # seconds, after which a session that is seen is written again
ACCESS_EXPIRED = 900  # seconds after the sign-in

S, T = TypeVar("S"), TypeVar("T")
Costs = dict[str, Cost]


def measure(binary: str, advance: Callable[[], None]) -> Measured:
    """``advance`` is called :data:`STEPS` times."""
    revoked = memory.bytes_each(binary, memory.ENTRIES[0], ENTRIES)
    kept = {}
    for strategy in ("blacklist", "version"):
        kept[strategy] = kept_by(binary, strategy, revoked)
        advance()
    # It writes the same when tokens are issued and exchanged.
    kept["allowlist"] = kept["blacklist"]
    costs = costs_of(binary, advance)
    found, crowded_us = feed(binary), crowded_check(binary)
    advance()
    return Measured(kept=kept, costs=costs, feed=found, crowded_us=crowded_us)


STEPS = 2 + ROUNDS + 1


def kept_by(binary: str, strategy: str, revoked: float) -> Kept:
    """A line through one and three sessions a subject, each exchanged once."""
    one, three = (
        count * memory.bytes_each(binary, rotated(strategy, count), ENTRIES) for count in (1, 3)
    )
    session = (three - one) / 2
    return Kept(subject=one - session, session=session, revoked=revoked)


def rotated(strategy: str, count: int) -> memory.Entries:
    write_as_given = memory.rotated(count, ACCESS_EXPIRED)

    def write(given: Authority) -> None:
        with closing(authority(str(given.config.redis_url), strategy)) as own:
            write_as_given(own)

    return memory.Entries(f"{strategy} {count}", strategy, count, write)


def costs_of(binary: str, advance: Callable[[], None]) -> dict[str, Costs]:
    """The least of the rounds, in which each strategy has its turn."""
    rounds: dict[str, list[Costs]] = {strategy: [] for strategy in STRATEGIES}
    primary, replica = free_ports(2)
    with (
        closing(Server(binary, "--save", "", port=primary)) as server,
        closing(Server(binary, "--replicaof", "127.0.0.1", str(primary), port=replica)),
    ):
        wait_for_replica(server)
        for strategies in turns(STRATEGIES, ROUNDS):
            for strategy in strategies:
                rounds[strategy].append(one_round(server, strategy))
            advance()
    return {
        strategy: {verb: least(one[verb] for one in found) for verb in VERBS}
        for strategy, found in rounds.items()
    }


def wait_for_replica(server: Server) -> None:
    with server.client() as client:
        client.set("a", "key")
        if client.wait(1, 10_000) != 1:
            raise RuntimeError("no replica is attached")


def least(costs: Iterable[Cost]) -> Cost:
    """What else runs on the machine can only add."""
    found = list(costs)
    return Cost(
        **{one.name: min(getattr(cost, one.name) for cost in found) for one in fields(Cost)}
    )


def one_round(server: Server, strategy: str) -> Costs:
    """All verbs in the order of a day, one call after another."""
    url, clock = f"redis://127.0.0.1:{server.port}", Clock()
    subjects = [f"u{number:07d}" for number in range(SUBJECTS)]
    with (
        server.client() as client,
        closing(authority(url, strategy, clock)) as ours,
        closing(authority(url, strategy, clock)) as another,
    ):
        client.flushall()
        open_connections(ours, another)
        taken = Meter(Growth(client))
        pairs = taken(ISSUE, lambda name: ours.issue(name, **DEVICE), subjects * SESSIONS)
        # Another process sees each session for the first time.
        taken(LOOKED, lambda pair: another.check(pair.access), pairs)
        taken(CHECK, lambda pair: another.check(pair.access), pairs)
        clock.now += LATER
        taken(SEEN, lambda pair: another.check(pair.access), pairs)
        clock.now += ACCESS_EXPIRED - LATER
        pairs = taken(ROTATE, lambda pair: ours.rotate(pair.refresh), pairs)
        # The first half of the pairs has one session of each subject.
        taken(LOGOUT, lambda pair: ours.logout(pair.access), pairs[:SUBJECTS])
        for name in subjects:
            ours.issue(name, **DEVICE)
        taken(EVERYWHERE, ours.logout_everywhere, subjects)
    return taken.costs


def open_connections(*each: Authority) -> None:
    for one in each:
        pair = one.issue("first", **DEVICE)
        one.check(pair.access)


class Meter:
    """What a verb costs the server, one call after another."""

    def __init__(self, growth: Growth) -> None:
        self._growth = growth
        self.costs: Costs = {}

    def __call__(self, verb: str, call: Callable[[S], T], each: Sequence[S]) -> list[T]:
        answers: list[T] = []
        grown = self._growth.during(lambda: answers.extend(map(call, each)))
        self.costs[verb] = grown.each(len(each))
        return answers
