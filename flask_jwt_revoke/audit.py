"""The audit trail: what was revoked, why, by whom and from where.

An entry is written in the transaction of what it tells of, so that neither is there without
the other, and logged once that is through.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from blinker import NamedSignal

from .models import Origin
from .store import Question, Store, Transaction, mark, text, texts

log = logging.getLogger("flask_jwt_revoke.audit")

Entries = list["Entry"]
Place = tuple[int, int]  # milliseconds, and a number within them

NOBODY = Origin()

_PIECE = 500


class Cause(NamedTuple):
    """Why something is refused from now on, and who asked for it.

    ``mark`` is the value of an entry in Redis, ``<reason>@<time>``.
    """

    mark: str
    origin: Origin

    @classmethod
    def of(cls, reason: str, now: float, origin: Origin = NOBODY) -> Cause:
        """:raises ValueError: see ``mark``."""
        return cls(mark(reason, now), origin)

    @property
    def reason(self) -> str:
        return self.mark.partition("@")[0]


class Entry(NamedTuple):
    """``event`` is the name of the signal, ``at`` a Unix time in seconds.

    ``jti`` is the token that was revoked or presented, ``sid`` the session that ended and
    ``kept`` the one that went on; ``count`` is how many live tokens ended. ``actor``,
    ``address`` and ``agent`` are those of whoever asked, where it is known.
    """

    at: float
    subject: str
    event: str
    reason: str
    jti: str | None = None
    sid: str | None = None
    type: str | None = None
    kept: str | None = None
    device: str | None = None
    device_id: str | None = None
    count: Callable[[], int] | int | None = None  # type: ignore[assignment] # a tuple's method
    actor: str | None = None
    address: str | None = None
    agent: str | None = None


#: Those that an entry in Redis may have; a later release may write more.
_WRITTEN = set(Entry._fields) - {"at"}


class Trail:
    """``length`` is how many entries stay in Redis; None: none."""

    def __init__(self, length: int | None) -> None:
        self.length = length

    def is_kept(self) -> bool:
        """Whether anybody will read it."""
        return self.length is not None or log.isEnabledFor(logging.INFO)

    def add(
        self, transaction: Transaction, signal: NamedSignal, why: Cause, **about: str | None
    ) -> None:
        if not self.is_kept():
            return
        written = _note(transaction, signal, why, about)
        if self.length is not None:
            transaction.append(written, self.length)

    def add_count(
        self,
        transaction: Transaction,
        signal: NamedSignal,
        why: Cause,
        *,
        count: Callable[[], int],
        since: float,
        sessions: bool,
        **about: str | None,
    ) -> None:
        """Before everything ends. ``count`` answers how many that were, once it is known;
        they are the tokens that expire after ``since``, and the ``sessions`` too or not.
        """
        if not self.is_kept():
            return
        written = _note(transaction, signal, why, about, count)
        if self.length is not None:
            transaction.append_count(written, self.length, since=since, sessions=sessions)

    @staticmethod
    def tell(entries: Entries) -> None:
        """One record each, of one line, with the same names as attributes."""
        for entry in entries:
            about = entry._asdict()
            if callable(entry.count):
                about["count"] = entry.count()
            known = {name: value for name, value in about.items() if value is not None}
            log.info("%s", json.dumps(known), extra=about)


def _note(
    transaction: Transaction,
    signal: NamedSignal,
    why: Cause,
    about: dict[str, str | None],
    count: Callable[[], int] | None = None,
) -> dict[str, str]:
    """What an entry says, for Redis now and for the log once it is there."""
    named = {"subject": transaction.subject, "event": signal.name, "reason": why.reason}
    known = {name: one for name, one in (about | why.origin._asdict()).items() if one is not None}
    transaction.entries.append(Entry(at=transaction.now, count=count, **named, **known))
    return named | known


def newest(store: Store, subject: str | None = None, since: float | None = None) -> Iterator[Entry]:
    """Entries of a subject, or of all, newest first; ``since`` is a Unix time in seconds.

    :raises Outage: Redis could not be asked.
    """
    from heapq import merge  # noqa: PLC0415 - for operators alone

    keys = store.audit_keys(subject)
    there = keys if len(keys) == 1 else _there(store, keys)
    streams = [_walk(store, key, since) for key in there]
    found = merge(*streams, key=itemgetter(0), reverse=True)
    return (one for _, one in found if subject is None or one.subject == subject)


def glance(
    store: Store,
    subject: str | None = None,
    since: float | None = None,
    *,
    most: int,
    patience: float,
) -> tuple[Entries, bool]:
    """As ``newest``, but a look at ``most`` entries, and for ``patience`` seconds about.

    The second answer is whether that was all. In a cluster, which has many streams, it may
    otherwise be others than the newest.

    :raises Outage: Redis could not be asked.
    """
    looked_at: Entries = []
    is_whole = True
    until = time.monotonic() + patience
    for key in store.audit_keys(subject):
        left = most - len(looked_at)
        if left < 0 or time.monotonic() > until:
            is_whole = False
            break
        looked_at += (one for _, one in islice(_walk(store, key, since), left + 1))
    is_whole = is_whole and len(looked_at) <= most
    found = [one for one in looked_at[:most] if subject is None or one.subject == subject]
    return sorted(found, key=attrgetter("at"), reverse=True), is_whole


def _there(store: Store, keys: list[str]) -> Iterator[str]:
    """Those of a cluster's many streams that there are."""
    for start in range(0, len(keys), _PIECE):
        some = keys[start : start + _PIECE]
        answers = store.read(Question(*(("EXISTS", key) for key in some)))
        yield from (key for key, is_there in zip(some, answers, strict=True) if is_there)


def _walk(store: Store, key: str, since: float | None) -> Iterator[tuple[Place, Entry]]:
    """A stream backwards, a piece at a time."""
    last, first = "+", "-" if since is None else str(max(0, int(since * 1000)))
    while True:
        piece = Question(("XREVRANGE", key, last, first, "COUNT", str(_PIECE)))
        found = store.read(piece)[0]
        for id, written in found:
            last = "(" + text(id)
            # One that somebody else has written there does not hide the others.
            with suppress(ValueError, TypeError):
                yield _loaded(text(id), texts(written))
        if len(found) < _PIECE:
            return


def _loaded(id: str, written: dict[str, str]) -> tuple[Place, Entry]:
    """:raises TypeError: it lacks what each entry has."""
    milliseconds, number = map(int, id.split("-"))
    known: dict[str, Any] = {name: one for name, one in written.items() if name in _WRITTEN}
    if "count" in known:
        known["count"] = int(known["count"])
    return (milliseconds, number), Entry(at=milliseconds / 1000, **known)
