"""Sessions: one sign-in on one device, kept as a readable record in the subject's hash."""

from __future__ import annotations

import json
from dataclasses import dataclass

#: Characters of a device label that are kept.
MAX_DEVICE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """``created`` and ``ends`` are Unix times in seconds; ``tokens`` are its live jtis."""

    id: str
    created: float
    ends: float
    device: str | None = None
    tokens: tuple[str, ...] = ()

    def dump(self) -> str:
        record = {"created": self.created, "ends": self.ends, "tokens": self.tokens}
        device = {"device": self.device} if self.device else {}
        return json.dumps(device | record, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def load(cls, id: str, record: str) -> Session:
        found = json.loads(record)
        return cls(
            id=id,
            created=found["created"],
            ends=found["ends"],
            device=found.get("device"),
            tokens=tuple(found["tokens"]),
        )


def device_label(device: object) -> str | None:
    """:raises ValueError: not a string that can be kept and shown."""
    if device is None:
        return None
    if not isinstance(device, str):
        raise ValueError(f"device must be a string, got {type(device).__name__}")
    try:
        device.encode()
    except UnicodeEncodeError:
        raise ValueError("device is not valid Unicode") from None
    return device[:MAX_DEVICE]
