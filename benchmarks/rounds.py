"""Rounds in which each has its turn, so that none gets the machine's better minute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def turns(each: Sequence[T], count: int) -> Iterator[list[T]]:
    """A different one begins each round."""
    for number in range(count):
        first = number % len(each)
        yield [*each[first:], *each[:first]]
