"""A subject's version: sixteen digits, of which the first says what it does to older tokens.

1: it was begun and never raised, so that a token which carries another one was issued before
Redis lost it. 2: it was raised, which ended each token that carries another one. The other
digits are drawn at random: no clock, and no count that a fail-over may set back, can make one
that was there before.
"""

from __future__ import annotations

import secrets

_DRAWN = 10**15


def begun() -> int:
    return _DRAWN + secrets.randbelow(_DRAWN)


def raised() -> int:
    return 2 * _DRAWN + secrets.randbelow(_DRAWN)


#: Written over the first digit, it ends each token that carries another version.
RAISED = "2"


def is_version(number: int) -> bool:
    return _DRAWN <= number < 3 * _DRAWN


def is_raised(version: int) -> bool:
    return version >= 2 * _DRAWN


def is_same(one: int, other: int) -> bool:
    """Whatever their first digits are: one may have been raised after the other was read."""
    return one % _DRAWN == other % _DRAWN
