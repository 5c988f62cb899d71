"""What most tests ask of an authority, and how they wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask_jwt_revoke import Authority, RevokedToken
from flask_jwt_revoke.models import TokenType


def is_live(authority: Authority, token: str, type: TokenType = "access") -> bool:
    try:
        authority.check(token, type=type)
    except RevokedToken:
        return False
    return True


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.005)
