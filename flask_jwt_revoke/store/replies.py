"""Replies as text and pairs: a client that the app hands in may decode them already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Pairs = list[tuple[str, float]]


def text(value: Any) -> str:
    # What is not UTF-8 was not written by us, and means nothing.
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def texts(found: Any) -> dict[str, str]:
    return {text(name): text(value) for name, value in _by_two(found)}


def pairs(found: Any) -> Pairs:
    return [(text(member), float(score)) for member, score in _by_two(found)]


def _by_two(found: Any) -> Iterable[Any]:
    """RESP2 answers a flat list, RESP3 a map or a list of pairs; redis-py may turn either."""
    if isinstance(found, Mapping):
        return found.items()
    if found and isinstance(found[0], list | tuple):
        return [tuple(pair) for pair in found]
    return zip(found[::2], found[1::2], strict=True)
