"""Many callers and sound servers: nothing is accepted after its revoke, and nothing grows."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from ..servers import BINARIES, Server
from .doors import Direct, authority_of
from .judge import Judge, Session, Subject, Token, add_pair
from .run import Row, no_leak
from .workload import ids

THREADS = 8
#: Bytes by which the process may have grown from the middle of a run to its end. What each of
#: the two authorities keeps of verified tokens and of sessions seen is full by then, or nearly.
GROWTH = 8_000_000
_TIMEOUT = 5.0


def pairs(*, each: int, seed: int) -> Row:
    """In each thread so many tokens are revoked and checked; ``each`` is even."""
    row, rng = Row("threads", seed, strikes=THREADS), random.Random(f"threads {seed}")
    judge, memory = Judge(), Memory()
    with no_leak(row), closing(Server(BINARIES["valkey"])) as server, ExitStack() as stack:
        doors = [
            Direct(stack.enter_context(closing(authority_of(server.url, timeout=_TIMEOUT))))
            for _ in range(2)
        ]
        half = threading.Barrier(THREADS, memory.note)
        threads = [
            threading.Thread(
                target=_revoke_and_check,
                args=(judge, doors, Subject(f"user {number}"), random.Random(rng.random())),
                kwargs={"turns": _turns(each, half)},
            )
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        memory.judge(row)
    if judge.counts["acknowledged"] != THREADS * each:
        judge.find("wrong", f"not all revoked: {judge.counts['acknowledged']}")
    row.take(judge)
    return row


def _turns(each: int, half: threading.Barrier) -> Iterator[int]:
    for turn in range(0, each, 2):
        if turn == each // 4 * 2:
            half.wait()
        yield turn


def _revoke_and_check(
    judge: Judge,
    doors: list[Direct],
    subject: Subject,
    rng: random.Random,
    *,
    turns: Iterable[int],
) -> None:
    for _ in turns:
        for token in _signed_in(judge, rng.choice(doors), subject):
            _end(judge, rng, doors, token)


def _signed_in(judge: Judge, door: Direct, subject: Subject) -> list[Token]:
    pair = judge.ask("issue", lambda: door.issue(subject.name)).value
    if pair is None:
        return []
    session = Session(pair.session_id, subject, 0)
    add_pair(session, pair, ids(pair))
    return session.tokens


def _end(judge: Judge, rng: random.Random, doors: list[Direct], token: Token) -> None:
    """By one process; the other one, or the same, must refuse it."""
    token.doubt = True
    if judge.ask("revoke", lambda: rng.choice(doors).revoke(token)).error is None:
        token.end()
        judge.count("acknowledged")
    _check(judge, rng.choice(doors), token)


def _check(judge: Judge, door: Direct, token: Token) -> None:
    was_over = judge.must_refuse(token)
    answer = judge.ask("check", lambda: door.check(token))
    if answer.error is None:
        judge.accepted(token, was_over, answer.value)
    elif not answer.is_unknown:
        judge.refused(token, answer.error)


class Memory:
    """The resident set of a process, in the middle of its work and at its end."""

    def __init__(self, pid: int | str = "self") -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._noted = 0

    def note(self) -> None:
        self._noted = self.resident()

    def judge(self, row: Row, whose: str = "this process") -> None:
        growth = self.resident() - self._noted
        row.notes.append(f"{whose} grew by {growth / 1e6:+.1f} MB")
        if growth > GROWTH:
            row.leaks.append(f"{whose} grew by {growth / 1e6:.1f} MB")

    def resident(self) -> int:
        """In bytes."""
        (line,) = [one for one in self._status.read_text().splitlines() if "VmRSS" in one]
        return int(line.split()[1]) * 1024
