"""Commands that are asked in one round trip, packed once however often they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Command = tuple[str, ...]


class Question:
    """The last ``carried`` commands may fail without harm to the others."""

    __slots__ = ("_lists", "carried", "commands", "packed")

    def __init__(self, *commands: Command, carried: int = 0) -> None:
        self.commands = commands
        self.carried = carried
        self.packed = b"".join(map(packed, commands))
        self._lists = [(at, len(one) - 1) for at, one in enumerate(commands) if one[0] == "MGET"]

    def is_answered_by(self, answers: Sequence[Any]) -> bool:
        """Whether each MGET got as many values as it asked for, or an error.

        What answers otherwise is no Redis, or answers another question.
        """
        for at, size in self._lists:
            answer = answers[at]
            if isinstance(answer, list):
                if len(answer) != size:
                    return False
            elif not isinstance(answer, Exception):
                return False
        return True

    def also(self, *commands: Command) -> Question:
        return Question(*self.commands, *commands, carried=self.carried + len(commands))


def packed(command: Command) -> bytes:
    """In RESP. Not by hiredis, which crashes when a signal handler raises inside it."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in words)
