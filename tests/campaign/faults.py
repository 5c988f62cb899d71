"""Each way to break a server, at random moments. A strike breaks and mends; ``heal`` mends all."""

from __future__ import annotations

import math
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

import redis

from ..servers import BINARIES, Cluster, Server
from ..test_cluster import Move
from .doors import has_setting
from .topologies import Replicated, ReplicatedCluster
from .wire import Wire


class Fault(ABC):
    """``may_lose``: acknowledged writes may be gone after a strike. ``longest``: seconds."""

    may_lose = False
    #: A strike may not undo an acknowledged end, though it loses what was not awaited.
    keeps_ends = False
    settings: Mapping[str, Any] = {}
    #: Seconds for which a check may accept what has ended.
    staleness = 0.0
    #: A setting without which there is nothing to try.
    needs: str | None = None
    servers: list[Server]
    url: str

    def __init__(self, rng: random.Random, longest: float) -> None:
        self.rng, self.longest = rng, longest
        self._stack = ExitStack()
        self.start()

    @classmethod
    def is_built(cls) -> bool:
        return cls.needs is None or has_setting(cls.needs)

    def start(self) -> None:
        self.server = self.serve()
        self.servers, self.url = [self.server], self.server.url

    def serve(self, *options: str) -> Server:
        server = Server(BINARIES["valkey"], *options)
        self._stack.callback(server.close)
        return server

    @abstractmethod
    def strike(self) -> None: ...

    def heal(self) -> None:  # noqa: B027 - most mend what they break with each strike
        pass

    def close(self) -> None:
        self._stack.close()

    def some_time(self, shortest: float = 0.05) -> float:
        """Seconds, each order of magnitude as likely as the next."""
        longest = max(self.longest, shortest)
        return math.exp(self.rng.uniform(math.log(shortest), math.log(longest)))

    def connections(self) -> int:
        """Those that callers have on the servers now."""
        return sum(self._callers(server) for server in self.servers)

    @staticmethod
    def _callers(server: Server) -> int:
        with server.client() as client:
            found = client.client_list(_type="normal")
            own = str(client.client_id())
        # MIGRATE keeps its connection to the other node for a while.
        others = ("replconf", "psync", "cluster", "restore", "select")
        return sum(
            one["id"] != own and not one["cmd"].startswith(others) and "sentinel" not in one["name"]
            for one in found
        )


class Nothing(Fault):
    """What is slow or wrong without any fault."""

    def strike(self) -> None:
        time.sleep(0.1)


# -- one server -----------------------------------------------------------------


class Restart(Fault):
    """kill -9, and start again from what is on the disk."""

    options: tuple[str, ...]

    def start(self) -> None:
        self.server = self.serve(*self.options)
        self.servers, self.url = [self.server], self.server.url

    def strike(self) -> None:
        self.server.kill()
        time.sleep(min(self.some_time(0.01), 2))
        self.server.start()
        time.sleep(0.2)


class RestartAlways(Restart):
    options = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


class RestartEverysec(Restart):
    options = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
    may_lose = True


class RestartNone(Restart):
    options = ("--save", "")
    may_lose = True


class Stall(Fault):
    """SIGSTOP for 0.05 to 60 s."""

    def strike(self) -> None:
        self.server.pause()
        try:
            time.sleep(self.some_time())
        finally:
            self.server.resume()

    def heal(self) -> None:
        self.server.resume()


class ScriptFlush(Fault):
    def strike(self) -> None:
        with self.server.client() as client:
            for _ in range(20):
                client.script_flush()
                time.sleep(0.002)


class ClientKill(Fault):
    """CLIENT KILL of every caller."""

    def strike(self) -> None:
        with self.server.client() as client:
            client.client_kill_filter(_type="normal", skipme=True)
        time.sleep(self.rng.uniform(0, 0.05))


# -- memory ---------------------------------------------------------------------


class Full(Fault):
    """maxmemory is reached by other people's keys, under one policy."""

    policy: ClassVar[str]
    room = 2_000_000

    def start(self) -> None:
        super().start()
        with self.server.client() as client:
            self.limit = client.info("memory")["used_memory"] + self.room
            client.config_set("maxmemory-policy", self.policy)
            client.config_set("maxmemory", self.limit)

    def strike(self) -> None:
        with self.server.client() as client:
            evicted = client.info("stats")["evicted_keys"]
            while not self._fill(client) and client.info("stats")["evicted_keys"] == evicted:
                pass
        time.sleep(min(self.some_time(0.3), 1))
        if self.rng.random() < 0.5:
            self.heal()

    def _fill(self, client: redis.Redis) -> bool:
        """Answers whether there is no more room."""
        pipe = client.pipeline(transaction=False)
        for _ in range(50):
            self._put(pipe)
        if not any(isinstance(one, Exception) for one in pipe.execute(raise_on_error=False)):
            return False
        # What was sent at once has taken room itself, which is free again.
        client.config_set("maxmemory", self.limit - self.room // 4)
        return True

    def _put(self, client: redis.Redis) -> None:
        client.set(f"filler:{self.rng.getrandbits(64)}", "x" * 1000, ex=3600)

    def heal(self) -> None:
        """Other people's keys go."""
        with self.server.client() as client:
            client.config_set("maxmemory", self.limit)
            for keys in _chunks(client.scan_iter("filler:*", count=1000), 1000):
                client.unlink(*keys)


def _chunks(keys: Any, size: int) -> Any:
    found: list[bytes] = []
    for key in keys:
        found.append(key)
        if len(found) == size:
            yield found
            found = []
    if found:
        yield found


POLICIES = (
    "noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random",
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
)  # fmt: skip


def full(policy: str) -> type[Fault]:
    return type("Full", (Full,), {"policy": policy, "may_lose": policy != "noeviction"})


# -- the wire -------------------------------------------------------------------


class Wired(Fault):
    """A fault of the wire to a sound server."""

    def start(self) -> None:
        super().start()
        self.wire = Wire(self.server, self.rng)
        self._stack.callback(self.wire.close)
        self.url = self.wire.url

    def strike(self) -> None:
        self.harm()
        time.sleep(self.some_time())
        self.heal()

    @abstractmethod
    def harm(self) -> None: ...

    def heal(self) -> None:
        self.wire.heal()


class Latency(Wired):
    def harm(self) -> None:
        self.wire.latency = self.rng.uniform(0.001, 0.15)


class Reset(Wired):
    def harm(self) -> None:
        self.wire.reset()


class HalfOpen(Wired):
    def harm(self) -> None:
        self.wire.half_open()


class LostReplies(Wired):
    """One way is silent: what was asked is done, and its answer comes too late."""

    def harm(self) -> None:
        self.wire.replies_held = True


class LostRequests(Wired):
    """The other way is silent: what was asked arrives when its caller has given up."""

    def harm(self) -> None:
        self.wire.requests_held = True


class Replies(Wired):
    kind: ClassVar[str]

    def harm(self) -> None:
        self.wire.one_in = self.rng.choice([1, 5, 20])
        self.wire.replies = self.kind


class Truncated(Replies):
    kind = "truncated"


class Garbage(Replies):
    kind = "garbage"


class Dripping(Replies):
    """A byte every 50 ms: each read is in time, and the whole is not."""

    kind = "dripping"


# -- taking over ----------------------------------------------------------------


class FailOver(Fault):
    """Sentinel promotes a replica. What the replica had not got is gone."""

    may_lose = True

    def start(self) -> None:
        self.topology = Replicated(BINARIES["valkey"])
        self._stack.callback(self.topology.close)
        self.servers, self.url = self.topology.servers, self.topology.url

    def strike(self) -> None:
        time.sleep(self.rng.uniform(0.2, 1))
        self.topology.rejoin(self.fail())

    @abstractmethod
    def fail(self) -> Server: ...


class FailOverKill(FailOver):
    def fail(self) -> Server:
        old = self.topology.fail_over(Server.kill)
        time.sleep(self.rng.uniform(0, 0.5))
        old.start()
        return old


class FailOverPause(FailOver):
    """The old primary wakes up, and does not know yet that it has been replaced."""

    def fail(self) -> Server:
        old = self.topology.fail_over(Server.pause)
        time.sleep(self.rng.uniform(0, 0.5))
        old.resume()
        time.sleep(self.rng.uniform(0.5, 2))
        return old


class FailOverKillAwaited(FailOverKill):
    needs = "wait_replicas"
    settings: Mapping[str, Any] = {"wait_replicas": 2}
    keeps_ends = True


class FailOverPauseAwaited(FailOverPause):
    needs = "wait_replicas"
    settings: Mapping[str, Any] = {"wait_replicas": 2}
    keeps_ends = True


class ClusterKill(Fault):
    """A primary dies, and its replica takes over."""

    may_lose = True

    def start(self) -> None:
        self.cluster = ReplicatedCluster(BINARIES["valkey"])
        self._stack.callback(self.cluster.close)
        self.servers, self.url = self.cluster.servers, self.cluster.url

    def strike(self) -> None:
        time.sleep(self.rng.uniform(0.2, 1))
        self.cluster.fail_over(self.rng.randrange(3))


class ClusterMove(Fault):
    """Slots move from primary to primary, their keys a few at a time."""

    def start(self) -> None:
        self.cluster = Cluster(BINARIES["valkey"])
        self._stack.callback(self.cluster.close)
        self.servers, self.url = self.cluster.servers, self.cluster.url

    def strike(self) -> None:
        slot = self._used_slot()
        if slot is None:
            return
        with Move(self.cluster, slot) as move:
            for _ in range(self.rng.randrange(4)):
                move.carry(self.rng.randint(1, 3))
                time.sleep(self.rng.uniform(0, 0.05))
        time.sleep(self.rng.uniform(0, 0.1))

    def _used_slot(self) -> int | None:
        with self.rng.choice(self.servers).client() as client:
            key = client.randomkey()
            return None if key is None else client.execute_command("CLUSTER KEYSLOT", key)


def near(kind: type[Fault]) -> type[Fault]:
    """The same fault, met by near caches."""
    staleness = 0.5
    return type(
        f"Near{kind.__name__}",
        (kind,),
        {
            "needs": "near_cache_staleness",
            "settings": {**kind.settings, "near_cache_staleness": staleness},
            "staleness": staleness,
        },
    )


FAULTS: dict[str, type[Fault]] = {
    "none": Nothing,
    "kill-aof-always": RestartAlways,
    "kill-aof-everysec": RestartEverysec,
    "kill-aof-none": RestartNone,
    "stall": Stall,
    "latency": Latency,
    "reset": Reset,
    "half-open": HalfOpen,
    "truncated": Truncated,
    "garbage": Garbage,
    "lost-replies": LostReplies,
    "lost-requests": LostRequests,
    "dripping": Dripping,
    "failover-kill": FailOverKill,
    "failover-pause": FailOverPause,
    "failover-kill-awaited": FailOverKillAwaited,
    "failover-pause-awaited": FailOverPauseAwaited,
    "cluster-kill": ClusterKill,
    "cluster-move": ClusterMove,
    **{f"full-{policy}": full(policy) for policy in POLICIES},
    "script-flush": ScriptFlush,
    "client-kill": ClientKill,
    "near-none": near(Nothing),
    "near-stall": near(Stall),
    "near-reset": near(Reset),
    "near-half-open": near(HalfOpen),
    "near-lost-replies": near(LostReplies),
    "near-client-kill": near(ClientKill),
    "near-kill-aof-always": near(RestartAlways),
}
