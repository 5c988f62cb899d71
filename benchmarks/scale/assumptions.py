"""What is assumed of the users and of the machines. Each is an option on the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from flask_jwt_revoke.config import STRATEGIES
from flask_jwt_revoke.near_cache import LONGEST

DAY = 86_400.0  # seconds
#: How long a verdict may be used on a single server, where a PING proves the lease.
LEASE = float(LONGEST)  # seconds
TOPOLOGIES = ("cluster", "sentinel", "single")


def _assumed(default: Any, doc: str, choices: Sequence[str] | None = None) -> Any:
    return field(default=default, metadata={"doc": doc, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Times are in seconds, sizes in bytes, shares from 0 to 1."""

    users: float = _assumed(1e8, "subjects that have an account")
    signed_in: float = _assumed(1.0, "share of the users with a live session")
    active: float = _assumed(0.3, "share of the users that are active on a day")
    online: float = _assumed(0.1, "share of the day's active users that are there at peak")
    requests: float = _assumed(0.1, "requests a second of a user who is there")
    sessions: float = _assumed(2.0, "live sessions of a user who is signed in")
    sign_ins: float = _assumed(0.1, "sign-ins of an active user a day")
    logouts: float = _assumed(0.05, "log-outs of an active user a day")
    logouts_everywhere: float = _assumed(0.001, "log-outs everywhere of an active user a day")
    peak: float = _assumed(3.0, "how many times the day's mean these three are at peak")
    rotations: float = _assumed(1.0, "exchanges of a refresh token in one access lifetime")
    access_lifetime: float = _assumed(900.0, "seconds that an access token lives")
    refresh_lifetime: float = _assumed(30 * DAY, "seconds that a refresh token lives")
    strategy: str = _assumed("blacklist", "how revocations are kept", STRATEGIES)
    subject_length: float = _assumed(8.0, "characters of a subject")
    topology: str = _assumed("cluster", "what Redis is", TOPOLOGIES)
    staleness: float = _assumed(5.0, "JWT_REVOKE_NEAR_CACHE_STALENESS, in seconds")
    heartbeat: float = _assumed(0.5, "seconds between two PINGs of a listener")
    processes: float = _assumed(1000.0, "processes that serve requests, one listener each")
    spread: float | None = _assumed(None, "processes that one user's requests reach (all)")
    message: float = _assumed(100.0, "bytes of one message of the feed")
    replicas: float = _assumed(1.0, "replicas of each primary")
    node_memory: float = _assumed(32e9, "bytes of memory of a node")
    fragmentation: float = _assumed(1.1, "resident bytes for each byte that Redis counts")
    headroom: float = _assumed(0.4, "share of a node's memory and core that is kept free")
    core_speed: float = _assumed(1.0, "how many times as fast a node's core is as this one")

    def __post_init__(self) -> None:
        """:raises ValueError: a number that no deployment has."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, int | float):
                _check(one.name, value)
        for name in ("signed_in", "active", "online"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} takes a share from 0 to 1, got {getattr(self, name):g}")
        if self.headroom >= 1:
            raise ValueError(f"headroom takes a share below 1, got {self.headroom:g}")

    @property
    def users_active(self) -> float:
        return self.users * self.active

    @property
    def users_online(self) -> float:
        return self.users_active * self.online

    @property
    def requests_each_process(self) -> float:
        """Requests of one user that one process sees, in a second."""
        spread = self.processes if self.spread is None else min(self.spread, self.processes)
        return self.requests / spread

    @property
    def verdict_life(self) -> float:
        """Seconds that the near cache may use one verdict."""
        if self.staleness == 0:
            return 0.0
        return LEASE if self.topology == "single" else self.staleness


# Without one of these there is nothing to compute.
_POSITIVE = {
    "users", "requests", "access_lifetime", "refresh_lifetime", "heartbeat", "processes", "spread",
    "node_memory", "fragmentation", "core_speed",
}  # fmt: skip


def _check(name: str, value: float) -> None:
    enough = value > 0 if name in _POSITIVE else value >= 0
    if not enough or not math.isfinite(value):
        from_where = "above 0" if name in _POSITIVE else "from 0"
        raise ValueError(f"{name} takes a number {from_where}, got {value:g}")


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("assumptions")
    for one in fields(Assumptions):
        default = "" if one.default is None else f" (default: {_written(one.default)})"
        group.add_argument(
            f"--{one.name.replace('_', '-')}",
            type=str if one.metadata["choices"] else float,
            choices=one.metadata["choices"],
            metavar=None if one.metadata["choices"] else "N",
            default=one.default,
            help=one.metadata["doc"] + default,
        )


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def of_options(options: argparse.Namespace) -> Assumptions:
    """:raises ValueError: a number that no deployment has."""
    return Assumptions(**{one.name: getattr(options, one.name) for one in fields(Assumptions)})
