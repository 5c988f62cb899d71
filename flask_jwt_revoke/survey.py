"""What is in Redis: the keys of one subject, and a count of everything."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from .config import Config
from .models import Session
from .sessions import SessionRules, load
from .store import Command, Keys, Store, text, texts
from .store.scan import Batch, Scan
from .tokens import check_id

Progress = Callable[[int], None]

# Of each kind this many keys are weighed one by one, and of the others each sixteenth.
_WEIGHED = 1000
_EVERY = 16
_LOOK = 1.0  # seconds, at least, that checks are counted for


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """One key. ``size`` is in bytes, ``ttl`` in seconds (None: no end).

    ``items`` counts the members of a set or hash, ``value`` is that of a string.
    """

    key: str
    kind: str
    id: str
    type: str
    size: int | None
    items: int | None
    ttl: float | None
    value: str | None


@dataclass(slots=True)
class Kind:
    """All keys of one kind. ``size`` is in bytes, estimated from those that were weighed."""

    count: int = 0
    weighed: int = 0
    weight: int = 0

    @property
    def size(self) -> int | None:
        return round(self.weight / self.weighed * self.count) if self.weighed else None


@dataclass(slots=True)
class Census:
    """``subjects`` are those with a live session or token; ``revoked`` counts entries by reason.

    ``began`` counts live sessions by the minute (Unix time // 60) of their sign-in.
    ``checks_per_second`` is how often Redis was asked; None where the server does not tell.
    ``is_whole``: everything was looked at. Else there is at least what was counted.
    """

    subjects: int = 0
    sessions: int = 0
    tokens: int = 0
    blocked: int = 0
    revoked: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, Kind] = field(default_factory=dict)
    began: Counter[int] = field(default_factory=Counter)
    checks_per_second: float | None = None
    is_whole: bool = True


def everything(store: Store) -> Scan:
    return Scan(store, store.keys.pattern())


def of_subject(store: Store, subject: str) -> Scan:
    return Scan(store, store.keys.pattern(subject), key=store.keys.version(subject))


def keys_in(scan: Scan, keys: Keys, progress: Progress) -> list[FoundKey]:
    """Each key that a scan finds, by its name.

    :raises Outage: Redis could not be asked.
    """
    found: dict[str, FoundKey] = {}
    for batch in scan.batches():
        found |= {one.key: one for one in _described(batch, keys)}
        progress(batch.looked_at)
    return sorted(found.values(), key=lambda one: one.key)


def listed_subjects(scan: Scan, keys: Keys, progress: Progress) -> Iterator[str]:
    """Subjects that have an index or sessions.

    :raises Outage: Redis could not be asked.
    """
    for batch in scan.batches():
        by_kind = _by_kind(batch, keys)
        yield from _possible(by_kind.get("sessions", ()))
        indexed = [*_possible(by_kind.get("tokens", ()))]
        yield from _without_sessions(batch, keys, indexed)
        progress(batch.looked_at)


def census(
    scan: Scan,
    keys: Keys,
    config: Config,
    now: float,
    progress: Progress,
    *,
    patience: float = math.inf,
) -> Census:
    """Count everything; ``now`` is a Unix time in seconds.

    With ``patience`` (seconds) it counts what it finds in that time, and no checks.

    :raises Outage: Redis could not be asked.
    """
    count = _Count(keys, SessionRules(config), now)
    started = time.monotonic()
    before = scan.calls("mget") if patience == math.inf else None
    for batch in scan.batches():
        if time.monotonic() - started > patience:
            count.census.is_whole = False
            break
        count.add(batch)
        progress(batch.looked_at)
    if before is not None:
        time.sleep(max(0.0, started + _LOOK - time.monotonic()))
        calls = (scan.calls("mget") or before) - before
        count.census.checks_per_second = calls / (time.monotonic() - started)
    return count.census


@dataclass(frozen=True, slots=True)
class _Count:
    keys: Keys
    rules: SessionRules
    now: float
    census: Census = field(default_factory=Census)

    def add(self, batch: Batch) -> None:
        by_kind = _by_kind(batch, self.keys)
        for kind, found in by_kind.items():
            self._weigh(batch, kind, [key for _, key in found])
        self._add_sessions(batch, [key for _, key in by_kind.get("sessions", ())])
        self._add_tokens(batch, [subject for subject, _ in by_kind.get("tokens", ())])
        marks = batch.ask([("GET", key) for _, key in by_kind.get("revoked", ())])
        self.census.revoked.update(text(one).rpartition("@")[0] for one in marks if one is not None)
        self.census.blocked += len(by_kind.get("blocked", ()))

    def _weigh(self, batch: Batch, kind: str, keys: list[str]) -> None:
        known = self.census.kinds.setdefault(kind, Kind())
        number = range(known.count, known.count + len(keys))
        chosen = [
            key
            for place, key in zip(number, keys, strict=True)
            if place < _WEIGHED or place % _EVERY == 0
        ]
        known.count += len(keys)
        for size in batch.ask([("MEMORY", "USAGE", key) for key in chosen]):
            if size is not None:
                known.weighed += 1
                known.weight += int(size)

    def _add_sessions(self, batch: Batch, keys: list[str]) -> None:
        for records in _records(batch, keys):
            found = (load(sid, record) for sid, record in records.items())
            live = [one for one in found if not self.rules.is_over(one, self.now)]
            self.census.subjects += bool(live)
            self.census.sessions += len(live)
            self.census.began.update(one.created // 60 for one in live)
            if self.rules.config.strategy == "version":
                # It indexes outside tokens alone, whose sessions have no refresh token.
                own = (one for one in live if one.refresh)
                self.census.tokens += sum(self._live_tokens(one) for one in own)

    def _live_tokens(self, session: Session) -> int:
        return 1 + len(self.rules.unexpired(session.others, self.now))

    def _add_tokens(self, batch: Batch, subjects: list[str]) -> None:
        since = f"({self.now - self.rules.config.leeway}"
        commands = [("ZCOUNT", self.keys.tokens(one), since, "+inf") for one in subjects]
        counts = dict(zip(subjects, batch.ask(commands), strict=True))
        self.census.tokens += sum(count or 0 for count in counts.values())
        alone = _without_sessions(batch, self.keys, [one for one in subjects if counts[one]])
        self.census.subjects += len(alone)


def _by_kind(batch: Batch, keys: Keys) -> dict[str, list[tuple[str, str]]]:
    """Subject and key, by the kind of the key; those of no subject have an empty one."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key in batch.keys:
        parts = keys.parts(key)
        subject, kind = parts[:2] if parts else ("", keys.other(key))
        if kind is not None:
            found.setdefault(kind, []).append((subject, key))
    return found


def _possible(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Subjects that a token may have; a key of another is somebody else's."""
    for subject, _ in found:
        with suppress(ValueError):
            yield check_id("subject", subject)


def _without_sessions(batch: Batch, keys: Keys, subjects: list[str]) -> list[str]:
    answers = batch.ask([("EXISTS", keys.sessions(one)) for one in subjects])
    return [one for one, has in zip(subjects, answers, strict=True) if not has]


def _records(batch: Batch, keys: list[str]) -> Iterator[dict[str, str]]:
    """The session records of each key, a long hash in pieces."""
    answers = batch.ask([_piece(key, 0) for key in keys])
    for key, answer in zip(keys, answers, strict=True):
        cursor, found = answer or (0, {})
        records = texts(found)
        while int(cursor) != 0:
            (more,) = batch.ask([_piece(key, int(cursor))])
            cursor, found = more or (0, {})
            records |= texts(found)
        yield records


def _piece(key: str, cursor: int) -> Command:
    return ("HSCAN", key, str(cursor), "COUNT", "500")


def _described(batch: Batch, keys: Keys) -> Iterator[FoundKey]:
    names = batch.keys
    types = [text(one or "none") for one in batch.ask([("TYPE", key) for key in names])]
    sizes = batch.ask([("MEMORY", "USAGE", key) for key in names])
    ttls = batch.ask([("PTTL", key) for key in names])
    looks = [(_LOOKS.get(type, "EXISTS"), key) for type, key in zip(types, names, strict=True)]
    contents = batch.ask(looks)
    for key, type, size, ttl, content in zip(names, types, sizes, ttls, contents, strict=True):
        parts = keys.parts(key)
        if parts is None or type == "none":
            continue
        is_string = type == "string"
        yield FoundKey(
            key=key,
            kind=parts[1],
            id=parts[2],
            type=type,
            size=size,
            items=None if is_string else content,
            ttl=None if ttl is None or ttl < 0 else ttl / 1000,
            value=text(content) if is_string and content is not None else None,
        )


_LOOKS = {
    "string": "GET",
    "hash": "HLEN",
    "zset": "ZCARD",
    "set": "SCARD",
    "list": "LLEN",
    "stream": "XLEN",
}
