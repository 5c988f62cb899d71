"""The arithmetic, which ``docs/scale.md`` writes down as formulas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from flask_jwt_revoke.sessions import LastSeen

from .assumptions import DAY, Assumptions
from .measured import CHECK, EVERYWHERE, ISSUE, LOGOUT, LOOKED, ROTATE, SEEN, Cost, Measured

MEASURED_SUBJECT = 8  # characters
#: Of a subject: sessions and version, and where there is an index, tokens.
KEYS = {"blacklist": 3, "allowlist": 3, "version": 2}


@dataclass(frozen=True)
class Model:
    """``a`` is what is assumed, ``m`` what was measured; ``near`` turns the near cache on."""

    a: Assumptions
    m: Measured
    near: bool = False

    # Memory

    def ended(self) -> float:
        """Entries of what was revoked and could still be presented: rate times life."""
        days = self.a.refresh_lifetime / DAY
        entries = self.a.users_active * self.a.logouts * days
        if self.a.strategy != "blacklist":
            return entries
        both = days + self.a.access_lifetime / DAY
        return entries + self.a.users_active * self.a.logouts_everywhere * self.a.sessions * both

    def memory(self) -> dict[str, float]:
        """Bytes of all primaries together, as ``used_memory`` counts them, by kind."""
        kept = self.m.kept[self.a.strategy]
        longer = self.a.subject_length - MEASURED_SUBJECT
        subjects = self.a.users * self.a.signed_in
        return {
            "subjects": subjects * (kept.subject + longer * KEYS[self.a.strategy]),
            "sessions": subjects * self.a.sessions * kept.session,
            "revoked": self.ended() * (kept.revoked + longer),
        }

    # Commands

    def hit_share(self) -> float:
        """Share of the checks that a process answers itself, with Poisson arrivals."""
        if not self.near:
            return 0.0
        expected = self.a.requests_each_process * self.a.verdict_life
        return expected / (1 + expected)

    def rates(self) -> dict[str, float]:
        """Calls of each verb at peak, in a second, that reach Redis."""
        requests = self.a.users_online * self.a.requests
        asked = requests * (1 - self.hit_share())
        carried = min(asked, requests / (1 + self.a.requests_each_process * LastSeen.INTERVAL))
        # A session is written once a minute, whoever asks.
        written = min(carried, self.a.users_online / (1 / self.a.requests + LastSeen.INTERVAL))
        at_peak = self.a.users_active * self.a.peak / DAY
        return {
            CHECK: asked - carried,
            LOOKED: carried - written,
            SEEN: written,
            ISSUE: at_peak * self.a.sign_ins,
            ROTATE: self.a.users_online * self.a.rotations / self.a.access_lifetime,
            LOGOUT: at_peak * self.a.logouts,
            EVERYWHERE: at_peak * self.a.logouts_everywhere,
        }

    def commands(self) -> dict[str, float]:
        """Redis commands in a second, by verb."""
        return self._each("commands")

    # The feed

    def messages(self) -> float:
        """Messages a second: one for each transaction that revokes. Each listener hears all."""
        rates = self.rates()
        return rates[LOGOUT] + rates[EVERYWHERE] if self.near else 0.0

    def pings(self) -> float:
        return self.a.processes / self.a.heartbeat if self.near else 0.0

    def bus_bytes(self) -> float:
        """Bytes a second that each node of a cluster takes in from the others."""
        is_alone = self.a.topology != "cluster" or self.primaries() == 1
        return 0.0 if is_alone else self.messages() * self.m.feed.bus_bytes

    # Nodes

    def busy_us(self, verb: str) -> float:
        """One call on a node that is as busy as the headroom allows.

        What is measured one after another wakes the server up at each round trip; a busy
        one is woken by those alone that find it idle, and what it keeps free is idle.
        """
        cost = self.m.costs[self.a.strategy][verb]
        found_awake = cost.round_trips * (1 - self.a.headroom)
        return max(cost.execution_us, cost.cpu_us - found_awake * self._waking_us())

    def cores(self) -> dict[str, float]:
        """Cores of this machine, by what they would be busy with; shared by the primaries."""
        busy = {verb: rate * self.busy_us(verb) / 1e6 for verb, rate in self.rates().items()}
        if self.near:
            busy["feed"] = self._feed_us() / 1e6
        return busy

    def on_each(self) -> float:
        """Cores that each primary needs, however many there are: the cluster's bus.

        Each of them takes in a message of any, and sends on its share of them all to its
        part of the nodes.
        """
        if self.a.topology != "cluster":
            return 0.0
        return self.messages() * self.m.feed.bus_us * (1 + self.a.replicas) / 1e6

    def primaries_by_memory(self) -> int:
        held = sum(self.memory().values()) * self.a.fragmentation
        return max(1, math.ceil(held / (self.a.node_memory * (1 - self.a.headroom))))

    def primaries_by_cpu(self) -> float:
        """Infinite where the bus alone takes up each node."""
        busy, usable = sum(self.cores().values()), self.a.core_speed * (1 - self.a.headroom)
        if busy <= usable:
            return 1
        left = usable - self.on_each()
        return math.ceil(busy / left) if left > 0 else math.inf

    def primaries(self) -> float:
        return max(self.primaries_by_memory(), self.primaries_by_cpu())

    def nodes(self) -> float:
        return self.primaries() * (1 + self.a.replicas)

    def fits(self) -> bool:
        """Only a cluster has more than one primary."""
        return self.a.topology == "cluster" or self.primaries() == 1

    # Bandwidth, in bytes a second of all primaries together

    def bytes_in(self) -> float:
        return sum(self._each("bytes_in").values())

    def bytes_out(self) -> float:
        heard = self.messages() * self.a.processes * self.a.message
        return sum(self._each("bytes_out").values()) + heard

    def replicated(self) -> float:
        return sum(self._each("replicated").values()) * self.a.replicas

    def _feed_us(self) -> float:
        feed, messages = self.m.feed, self.messages()
        heard = messages * self.a.processes * feed.delivery_us
        return messages * feed.publish_us + heard + self.pings() * self.busy_us(CHECK)

    def _waking_us(self) -> float:
        alone = self.m.costs[self.a.strategy][CHECK].cpu_us
        return max(0.0, alone - self.m.crowded_us)

    def _each(self, what: str) -> dict[str, float]:
        costs: Mapping[str, Cost] = self.m.costs[self.a.strategy]
        return {verb: rate * getattr(costs[verb], what) for verb, rate in self.rates().items()}
