"""What is published of a revocation, for the near caches and for an operator who watches.

A JSON array: ``[subject, mark, until, seal, id, …]``, without an id for all of the subject.
``until`` is a Unix time in seconds, null for ever and 0 for not any more. The seal is made with
the app's signing key: what bears none may be told by anybody, and is never written anywhere.
``[subject, mark]`` is enough to have the near caches ask again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

_MARK = re.compile(r"(?P<reason>[\w.-]{1,64})@(?P<at>\d{1,12})", re.ASCII)


class Announcement(NamedTuple):
    """``ids`` are the jtis and sids that ended; without one, all of the subject did.

    ``at`` and ``until`` are Unix times in seconds.
    """

    subject: str
    reason: str
    at: int
    ids: tuple[str, ...] = ()
    until: int | None = None
    seal: str = ""

    @property
    def mark(self) -> str:
        return f"{self.reason}@{self.at}"

    @property
    def sealed(self) -> str:
        """What the seal is made for."""
        return _dumps([self.subject, self.mark, self.until, *self.ids])


class Announcer:
    """``seal`` answers the seal of a text."""

    def __init__(self, seal: Callable[[str], str]) -> None:
        self._seal = seal

    def announced(self, subject: str, mark: str, until: float | None, *ids: str) -> str:
        ends = None if until is None else math.ceil(until)
        seal = self._seal(_dumps([subject, mark, ends, *ids]))
        return _dumps([subject, mark, ends, seal, *ids])

    def short(self, subject: str, mark: str) -> str:
        return _dumps([subject, mark])


def heard(data: Any) -> Announcement | None:
    """None for what is not ours: whoever may publish can say anything."""
    try:
        subject, mark, *more = json.loads(data)
        until, seal, *ids = more or (None, "")
    except (ValueError, TypeError, RecursionError):
        return None
    if not all(isinstance(one, str) for one in (subject, mark, seal, *ids)):
        return None
    if not seal.isascii():
        return None
    if until is not None and (type(until) is not int or until < 0):
        return None
    found = _MARK.fullmatch(mark)
    if found is None:
        return None
    return Announcement(subject, found["reason"], int(found["at"]), tuple(ids), until, seal)


def _dumps(parts: list[str | int | None]) -> str:
    return json.dumps(parts, separators=(",", ":"))
