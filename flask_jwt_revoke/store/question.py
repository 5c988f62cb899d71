"""Commands that are asked in one round trip, packed once however often they are asked."""

from __future__ import annotations

Command = tuple[str, ...]


class Question:
    """The last ``carried`` commands may fail without harm to the others."""

    __slots__ = ("carried", "commands", "packed")

    def __init__(self, *commands: Command, carried: int = 0) -> None:
        self.commands = commands
        self.carried = carried
        self.packed = b"".join(map(packed, commands))

    def also(self, *commands: Command) -> Question:
        return Question(*self.commands, *commands, carried=self.carried + len(commands))


def packed(command: Command) -> bytes:
    """In RESP. Not by hiredis, which crashes when a signal handler raises inside it."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in words)
