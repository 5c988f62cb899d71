"""Values in words for people, and nothing in them that a terminal would obey."""

from __future__ import annotations

import math
import re
import time

_SPANS = ((86400 * 365, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_SIZES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_MARK = re.compile(r"([\w.-]+)@(\d{1,12})", re.ASCII)
_JWT = re.compile(r"[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*", re.ASCII)


def neutral(value: object) -> str:
    """Text with each character that does not print written as an escape."""
    return "".join(one if one.isprintable() else _escaped(one) for one in str(value))


def without_tokens(text: str) -> str:
    return _JWT.sub("<token>", text)


def span(seconds: float) -> str:
    """``14 minutes``: one unit, rounded down."""
    for size, name in _SPANS:
        if seconds >= size:
            count = math.floor(seconds / size)
            return f"{count} {name}" + ("s" if count > 1 else "")
    return "less than a second"


def moment(at: float) -> str:
    """``2026-11-21 13:40:00 UTC``."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f}"


def distance(at: float, now: float) -> str:
    return f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"


def since(mark: str, now: float) -> str:
    """``logout, 2026-11-21 13:40:00 UTC, 3 minutes ago`` from an entry's mark."""
    found = _MARK.fullmatch(mark)
    if found is None:
        return mark
    at = int(found[2])
    return f"{found[1]}, {moment(at)}, {distance(at, now)}"


def size(count: float) -> str:
    """``1.5 MiB``."""
    for unit, name in _SIZES:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} bytes"


def plural(count: int, name: str) -> str:
    return f"{count} {name}" + ("" if count == 1 else "s")


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()
