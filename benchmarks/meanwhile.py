"""What other subjects' checks feel while thousands of tokens are logged out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from multiprocessing.connection import Connection
from typing import NamedTuple

from tests.servers import Server

from .beside import Beside
from .cores import Cores
from .fairness import Unfair
from .figures import Figures, Row
from .logout import TOKENS
from .measures import percentile
from .population import named
from .signed_in import DEVICE, SUBJECT, authority, sign_in

MEANWHILE = "other subjects' checks during log-outs"
#: Seconds between two checks; 0 is one after another, as by a client that waits.
PACES = {"paced": 0.001, "loop": 0.0}
LABELS = {"paced": "a check each ms", "loop": "one after another"}
OTHERS = 100  # subjects that are checked
LOG_OUTS = 3  # in a round
WARM_UP = 1
_IDLE = 0.6  # seconds in a round
_PAUSE = 0.02  # seconds between two log-outs


class Check(NamedTuple):
    """In seconds, by the clock that all processes share."""

    started: float
    took: float


class Others:
    """Subjects that have nothing to do with who is logged out."""

    def __init__(self, server: Server) -> None:
        self._authority = authority(f"redis://127.0.0.1:{server.port}")
        subjects = [f"other{number:03d}" for number in range(OTHERS)]
        self._tokens = [self._authority.issue(one, **DEVICE).access for one in subjects]

    def checks(self, interval: float, over: Callable[[], bool]) -> list[Check]:
        """A check that an earlier one has kept waiting is counted from when it was due."""
        made: list[Check] = []
        due = time.monotonic()
        for token in itertools.cycle(self._tokens):
            early = due - time.monotonic()
            if early > 0:
                time.sleep(early)
                # What the sleep took too long is no wait for Redis.
                due = time.monotonic()
            self._authority.check(token)
            ended = time.monotonic()
            made.append(Check(due, ended - due))
            due = due + interval if interval else ended
            if over():
                break
        return made

    def close(self) -> None:
        self._authority.close()


def compare(server: Server, *, rounds: int, cores: Cores, advance: Callable[[], None]) -> Figures:
    """``advance`` is called after each round."""
    how = f"{rounds} rounds of {LOG_OUTS} log-outs of {TOKENS:,} tokens, by another process"
    figures = Figures(MEANWHILE, how, "µs", _rows())
    subjects = crowds(server, len(PACES) * LOG_OUTS * (WARM_UP + rounds))
    url = f"redis://127.0.0.1:{server.port}"
    with closing(Others(server)) as others, closing(Beside(cores, log_out, url)) as loud:
        loud.hear()
        for number in range(WARM_UP + rounds):
            for pace, interval in PACES.items():
                idle = others.checks(interval, _after(_IDLE))
                loud.tell(list(itertools.islice(subjects, LOG_OUTS)))
                during = _within(others.checks(interval, loud.has_spoken), loud.hear())
                if number >= WARM_UP:
                    _add(figures, f"{pace} idle", idle)
                    _add(figures, f"{pace} meanwhile", during)
            advance()
    return figures


def crowds(server: Server, count: int) -> Iterator[str]:
    """Subjects with so many tokens, all as the package has written the first."""
    with closing(authority(server.url)) as first:
        sign_in(first, TOKENS // 2)
    with server.client() as client:
        kept = [(key, client.pttl(key), client.dump(key)) for key in client.keys(f"*{SUBJECT}*")]
        for number in range(1, count + 1):
            for key, ttl, dumped in kept:
                copy = key.replace(SUBJECT.encode(), named(number).encode())
                client.restore(copy, ttl, dumped)
    return map(named, range(1, count + 1))


def log_out(pipe: Connection, url: str) -> None:
    """The other process: answers from when to when each log-out took."""
    own = authority(url)
    own.check(own.issue("warm up").access)
    pipe.send("ready")
    while True:
        pipe.send([_timed(own.logout_everywhere, subject) for subject in pipe.recv()])


def _timed(log_out: Callable[[str], int], subject: str) -> tuple[float, float]:
    time.sleep(_PAUSE)
    started = time.monotonic()
    ended = log_out(subject)
    if ended != TOKENS:
        raise Unfair(f"logging out everywhere ended {ended} tokens instead of {TOKENS}")
    return started, time.monotonic()


def _rows() -> list[Row]:
    return [
        Row(f"{pace} {when} {name}", f"{LABELS[pace]}, {when}: {name}", ours=when != "idle")
        for pace in PACES
        for name in ("p50", "p99")
        for when in ("idle", "meanwhile")
    ]


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def _within(checks: Sequence[Check], windows: Sequence[tuple[float, float]]) -> list[Check]:
    return [one for one in checks if any(begin <= one.started <= end for begin, end in windows)]


def _add(figures: Figures, key: str, checks: Sequence[Check]) -> None:
    for percent in (50, 99):
        value = percentile([one.took for one in checks], percent)
        figures.add(f"{key} p{percent}", value * 1e6)
