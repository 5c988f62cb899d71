"""What this process knows of tokens that it has verified, so that a signature costs once."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from .bounded import bound
from .models import Claims

#: Seconds until a process looks again whether a live token is indexed.
LOOK_AGAIN = 60


class Known:
    """One verified token; it may be used from ``opens`` until ``closes`` (Unix times).

    ``inquiry`` and ``verdict`` belong to the rooms that ask and answer.
    """

    __slots__ = ("_claims", "_index_at", "_is_shared", "closes", "inquiry", "opens", "verdict")

    def __init__(self, claims: Claims, leeway: float) -> None:
        self._claims = claims
        self._index_at = float("-inf")
        self._is_shared = not any(isinstance(one, dict | list) for one in claims.claims.values())
        self.opens: float = claims.claims.get("nbf", 0) - leeway
        self.closes = claims.expires_at + leeway
        self.inquiry: Any = None
        self.verdict: Any = None

    def is_index_due(self, now: float) -> bool:
        """Whether to look again if the index has it; ``now`` is a Unix time in seconds."""
        if now < self._index_at:
            return False
        self._index_at = now + LOOK_AGAIN
        return True

    def claims(self) -> Claims:
        """What a view changes inside a claim, the next request does not see."""
        if self._is_shared:
            return self._claims
        return replace(self._claims, claims=_copied(self._claims.claims))


class Seen:
    """Known tokens by digest. Bounded: the oldest go first.

    The settings that they were judged by never change in one ``Tokens``; when a key does,
    they are cleared.
    """

    MOST = 4096

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}
        self.get = self._known.get

    def add(self, digest: bytes, known: Known) -> Known:
        self._known[digest] = known
        bound(self._known, self.MOST)
        return known

    def clear(self) -> None:
        self._known.clear()


def _copied(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(deepcopy(dict(claims)))
