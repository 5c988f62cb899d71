"""Commands that are asked in one round trip, packed once however often they are asked."""

from __future__ import annotations

Command = tuple[str, ...]


class Question:
    __slots__ = ("commands", "packed")

    def __init__(self, *commands: Command) -> None:
        self.commands = commands
        self.packed = b"".join(map(packed, commands))

    def also(self, command: Command) -> Question:
        return Question(*self.commands, command)


def packed(command: Command) -> bytes:
    """In RESP. Not by hiredis, which crashes when a signal handler raises inside it."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in words)
