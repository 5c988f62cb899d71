"""What one machine measured: the bytes and microseconds that the model scales by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: What a check carries along when a process has not seen a session for a minute: a script
#: that looks when the session was last seen, and one that then writes it.
LOOKED, SEEN = "check that looks when last seen", "check that writes when last seen"
CHECK, ISSUE, ROTATE = "check", "issue", "rotate"
LOGOUT, EVERYWHERE = "log out", "log out everywhere"
VERBS = (CHECK, LOOKED, SEEN, ISSUE, ROTATE, LOGOUT, EVERYWHERE)


@dataclass(frozen=True)
class Cost:
    """One call of a verb, as its server saw it.

    ``execution_us`` is the commands alone; ``cpu_us`` is all of the main thread, with
    reading, answering and feeding one replica. ``replicated`` is bytes to one replica.
    """

    commands: float
    round_trips: float
    execution_us: float
    cpu_us: float
    bytes_in: float
    bytes_out: float
    replicated: float


@dataclass(frozen=True)
class Kept:
    """Bytes of ``used_memory``: once a subject, for each session, for each revoked id."""

    subject: float
    session: float
    revoked: float


@dataclass(frozen=True)
class Feed:
    """One message: to publish it, to hand it to one listener, to carry it between two nodes."""

    publish_us: float
    delivery_us: float
    bus_us: float
    bus_bytes: float


@dataclass(frozen=True)
class Measured:
    """``kept`` and ``costs`` are by strategy, and the costs of each by verb.

    ``costs`` are of one call after another, ``crowded_us`` of a check that a busy server
    finds among others.
    """

    kept: Mapping[str, Kept]
    costs: Mapping[str, Mapping[str, Cost]]
    feed: Feed
    crowded_us: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Measured:
        return cls(
            kept={name: Kept(**one) for name, one in found["kept"].items()},
            costs={
                name: {verb: Cost(**cost) for verb, cost in verbs.items()}
                for name, verbs in found["costs"].items()
            },
            feed=Feed(**found["feed"]),
            crowded_us=found["crowded_us"],
        )
