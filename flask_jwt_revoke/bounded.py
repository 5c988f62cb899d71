"""What a process remembers is bounded: what came first goes first."""

from __future__ import annotations

from typing import Any


def bound(known: dict[Any, Any], most: int) -> None:
    """Leave the newest ``most``. No thread waits here for another, which may be at it too."""
    while len(known) > most:
        try:
            known.pop(next(iter(known)), None)
        except (RuntimeError, StopIteration):  # another thread was quicker
            break
