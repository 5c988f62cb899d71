"""Revocations that this process has heard of, to be written back should Redis lose them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from .bounded import bound
from .config import Config
from .store import Announcement, Reply, Store, Transaction, heard, mark

_END, _BLOCK = ("", "end"), ("", "block")


class Remembered:
    """By subject and what ended. Bounded: what was heard first goes first.

    ``is_sealed`` tells of an announcement and its seal whether one of the app's keys made it:
    whoever may only publish must not get his words written.
    """

    MOST = 4096

    def __init__(self, config: Config, is_sealed: Callable[[str, str], bool]) -> None:
        self._config = config
        self._is_sealed = is_sealed
        self._known: dict[tuple[str, str, str], Announcement] = {}

    def __len__(self) -> int:
        return len(self._known)

    def hear(self, data: bytes) -> None:
        found = heard(data)
        if found is None or not self._is_sealed(found.sealed, found.seal):
            return
        for name in [(id, "id") for id in found.ids] or [_kind(found)]:
            self._keep((found.subject, *name), found)

    def write_back(self, store: Store, now: float) -> int:
        """Answers how many revocations that were, of ``now`` (Unix time).

        :raises Outage: some may not have been written.
        """
        lasting = self._lasting(now)
        by_subject: dict[str, list[tuple[str, str, Announcement]]] = {}
        for (subject, id, kind), one in lasting.items():
            by_subject.setdefault(subject, []).append((id, kind, one))
        store.restore(
            now, {name: partial(self._restore, ends=all) for name, all in by_subject.items()}
        )
        return len(lasting)

    def _keep(self, name: tuple[str, str, str], found: Announcement) -> None:
        known = self._known.get(name)
        if known is not None and _rank(known) > _rank(found):
            return
        self._known[name] = found
        bound(self._known, self.MOST)

    def _lasting(self, now: float) -> dict[tuple[str, str, str], Announcement]:
        return {
            name: one
            for name, one in self._known.copy().items()
            if one.until is None or one.until + self._config.leeway > now
        }

    def _restore(
        self, transaction: Transaction, ends: list[tuple[str, str, Announcement]]
    ) -> list[Reply]:
        issuer = self._config.issuer_of(transaction.subject)
        replies = []
        for id, kind, one in ends:
            if kind == "block":
                replies.append(transaction.restore_block(one.mark))
            elif kind == "end" and issuer is not None:
                because = mark(one.reason, one.at + math.ceil(self._config.leeway))
                replies.append(transaction.restore_not_before(because, one.until or 0))
            elif kind == "end":
                transaction.restore_end(one.until or 0)
            elif (reply := transaction.restore(id, one.mark, one.until or 0)) is not None:
                replies.append(reply)
        return replies


def _kind(found: Announcement) -> tuple[str, str]:
    return _END if found.until else _BLOCK


def _rank(found: Announcement) -> int:
    """Of two words on the same, the one that counts: the longer one, the later one on a block."""
    return found.until or found.at
