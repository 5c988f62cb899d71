"""Rounds in which each contender has its turn, so that none gets the machine's better minute."""

from __future__ import annotations

from collections.abc import Iterator

from .apps import CONTENDERS, Contender


def turns(count: int) -> Iterator[list[Contender]]:
    """A different one begins each round."""
    for number in range(count):
        first = number % len(CONTENDERS)
        yield [*CONTENDERS[first:], *CONTENDERS[:first]]
