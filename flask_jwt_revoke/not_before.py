"""When a token of an outside issuer was issued, against when its subject was logged out.

Such a token carries no version: all that it tells is ``iat``, most often in whole seconds. One
of the second of the log-out may be older than it, and is refused. The mark's time is that
second, plus how far the issuer's clock may be ahead.
"""

from __future__ import annotations

import math

from .models import Claims


def is_barred(token: Claims, mark: str | None) -> bool:
    """Whether a token was issued by the second of a mark, or does not say when."""
    if mark is None:
        return False
    return token.issued_at is None or token.issued_at < second_of(mark) + 1


def second_of(mark: str) -> float:
    """Unix time of a mark; without end for one that cannot be read."""
    try:
        return int(mark.rpartition("@")[2])
    except ValueError:
        return math.inf


def later(mark: str, found: str | None) -> str:
    """The mark that refuses more: another server's clock may be ahead of ours."""
    if found is not None and second_of(mark) < second_of(found) < math.inf:
        return found
    return mark
