"""What a server counts of itself, and how much that grew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import redis

from .measured import Cost

_ASKING = "cmdstat_info"


@dataclass(frozen=True)
class Counters:
    """Sums since the server began; times in microseconds."""

    commands: float = 0
    reads: float = 0
    execution: float = 0
    cpu: float = 0
    bytes_in: float = 0
    bytes_out: float = 0
    replicated: float = 0
    moved: float = 0
    ask: float = 0
    try_again: float = 0
    cross_slot: float = 0

    @classmethod
    def of(cls, client: redis.Redis) -> Counters:
        info = client.info("everything")
        stats = [
            stat for name, stat in info.items() if name.startswith("cmdstat_") and name != _ASKING
        ]
        return cls(
            commands=sum(one["calls"] for one in stats),
            reads=info["total_reads_processed"],
            execution=sum(one["usec"] for one in stats),
            cpu=1e6 * (info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]),
            bytes_in=info["total_net_input_bytes"],
            # Which Redis counts among what it puts out.
            bytes_out=info["total_net_output_bytes"] - info["total_net_repl_output_bytes"],
            replicated=info["master_repl_offset"],
            moved=_errors(info, "MOVED"),
            ask=_errors(info, "ASK"),
            try_again=_errors(info, "TRYAGAIN"),
            cross_slot=_errors(info, "CROSSSLOT"),
        )

    def __sub__(self, other: Counters) -> Counters:
        return Counters(
            **{one.name: getattr(self, one.name) - getattr(other, one.name) for one in fields(self)}
        )

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )

    def each(self, calls: int) -> Cost:
        return Cost(
            commands=self.commands / calls,
            round_trips=self.reads / calls,
            execution_us=self.execution / calls,
            cpu_us=self.cpu / calls,
            bytes_in=self.bytes_in / calls,
            bytes_out=self.bytes_out / calls,
            replicated=self.replicated / calls,
        )


def _errors(info: dict[str, Any], name: str) -> float:
    found = info.get(f"errorstat_{name}", {"count": 0})
    return float(found["count"])


class Growth:
    """How much a server's counters grow while something runs, without the asking."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        first = Counters.of(client)
        self._asking = Counters.of(client) - first

    def now(self) -> Counters:
        return Counters.of(self._client)

    def since(self, before: Counters) -> Counters:
        return Counters.of(self._client) - before - self._asking

    def during(self, run: Callable[[], object]) -> Counters:
        before = self.now()
        run()
        return self.since(before)
