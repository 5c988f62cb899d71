"""Every key's name and lifetime: the operators' contract."""

from __future__ import annotations

import math
import re
import string
from urllib.parse import quote, unquote

# What separates a key's parts, what Redis Cluster reads as a hash tag, the escape
# itself and all that does not print are encoded; the rest stays readable.
_READABLE = "".join(set(string.punctuation) - set(":{}%"))


def encoded(part: str) -> str:
    """Percent-encode a part of a key. Different parts have different encodings."""
    return part if part.isascii() and part.isalnum() else quote(part, safe=_READABLE)


_LONGEST = 200 * 365 * 24 * 3600  # seconds
_REASON = re.compile(r"[\w.-]{1,64}", re.ASCII)


def mark(reason: str, now: float) -> str:
    """The value of an entry, for people who look with redis-cli.

    :raises ValueError: ``reason`` is not 1 to 64 letters, digits or any of ``_ . -``.
    """
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        raise ValueError("reason must be 1 to 64 letters, digits or any of _ . -")
    return f"{reason}@{int(now)}"


def remaining_ms(until: float, now: float) -> int:
    """Milliseconds from ``now`` to ``until`` (Unix times in seconds), rounded up.

    At most two centuries: Redis refuses TTLs far beyond, and a broken score may be infinite.
    """
    return math.ceil(max(-1.0, min(until - now, _LONGEST)) * 1000)


class Keys:
    """Names of one subject's keys. The subject is the Redis Cluster hash tag.

    A subject of an outside issuer is ``<iss>#<sub>``, which no subject of the app's own may be.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    @property
    def feed(self) -> str:
        """Channel that each revocation is published on, see ``feed``."""
        return f"{self.prefix}:feed"

    def canary(self, tag: str | None = None) -> str:
        """String, drawn at random; has no end. In a cluster there are many, see ``canary``."""
        return f"{self.prefix}:canary" if tag is None else f"{self.prefix}:canary:{{{tag}}}"

    def base(self, subject: str) -> str:
        return f"{self.prefix}:{{{encoded(subject)}}}:"

    def parts(self, key: str) -> tuple[str, str, str] | None:
        """Subject, kind and id of a key; None for one that is not a subject's."""
        found = re.fullmatch(rf"{re.escape(self.prefix)}:{{([^{{}}:]+)}}:([^:]+)(?::(.*))?", key)
        if found is None:
            return None
        subject, kind, id = found.groups(default="")
        return unquote(subject), kind, unquote(id)

    def other(self, key: str) -> str | None:
        """The kind of a key of ours that is no subject's, see ``OTHERS``."""
        kind = key.removeprefix(f"{self.prefix}:").split(":")[0]
        return kind if kind in OTHERS and key.startswith(f"{self.prefix}:") else None

    def pattern(self, subject: str | None = None) -> str:
        """What SCAN finds all keys by, of one subject or of all."""
        if subject is None:
            return f"{self.prefix}:*"
        return re.sub(r"([*?\[\]\\^])", r"\\\1", self.base(subject)) + "*"

    def audit(self, tag: str | None = None) -> str:
        """Stream of what was revoked, why and by whom, see ``audit``; it stays.

        In a cluster there is one for each slot, with a ``tag`` that lies in it.
        """
        return f"{self.prefix}:audit" + (f":{{{tag}}}" if tag else "")

    def revoked(self, subject: str, id: str) -> str:
        """String ``<reason>@<unix time>``; lives as long as the token or session would."""
        return f"{self.base(subject)}revoked:{encoded(id)}"

    def tokens(self, subject: str) -> str:
        """Sorted set of live jtis, scored by exp; lives as long as the longest."""
        return f"{self.base(subject)}tokens"

    def sessions(self, subject: str) -> str:
        """Hash of sid to session record, see ``sessions``; lives as long as the longest."""
        return f"{self.base(subject)}sessions"

    def blocked(self, subject: str) -> str:
        """String ``<reason>@<unix time>``; lives until the subject is unblocked."""
        return f"{self.base(subject)}blocked"

    def awaited(self, subject: str) -> str:
        """Written and removed at once, so that there is something for replicas to have."""
        return f"{self.base(subject)}awaited"

    def not_before(self, subject: str) -> str:
        """String ``<reason>@<unix time>``, of a subject of an outside issuer; outlives every
        token that was issued in that second or earlier."""
        return f"{self.base(subject)}not-before"

    def received(self, subject: str, id: str) -> str:
        """String ``pending@<unix time>`` or ``done@…``: what an issuer has told us; lives until
        it would not be listened to again."""
        return f"{self.base(subject)}received:{encoded(id)}"

    def version(self, subject: str) -> str:
        """Integer, see ``versions``; outlives every token that carries it."""
        return f"{self.base(subject)}version"


#: The type of each kind of a subject's keys.
TYPES = {
    "revoked": "string",
    "tokens": "zset",
    "sessions": "hash",
    "blocked": "string",
    "not-before": "string",
    "version": "string",
    "awaited": "string",
    "received": "string",
}
#: And of what else stands behind the prefix, of no subject.
OTHERS = {"canary": "string", "audit": "stream", "doctor": "string"}
