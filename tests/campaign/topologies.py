"""Servers that take over from each other: under Sentinel, and in a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import redis

from ..redis_page import REPLICAS
from ..servers import Cluster, Sentinel, Server, free_ports

_PATIENCE = 40  # seconds


class NotReady(Exception):
    """The servers themselves have not come to where a fault wants them; nothing is judged."""


def wait_until(reached: Callable[[], object], what: str) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            if reached():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > until:
            raise NotReady(f"not in {_PATIENCE} s: {what}")
        time.sleep(0.02)


class Replicated:
    """A primary with two replicas, and a Sentinel that watches them."""

    def __init__(self, binary: str) -> None:
        self._binary = binary
        self._stack = ExitStack()
        first, *others = free_ports(3)
        self.primary = self._server(first)
        self.replicas = [self._server(port) for port in others]
        for replica in self.replicas:
            follow(replica, first)
        self._wait_for_replicas()
        # Their first word may come a second after they are online.
        wait_until(lambda: have_all(self.primary, len(self.replicas)), "the replicas have all")
        self.sentinel = Sentinel(binary, self.primary.port)
        self._stack.callback(self.sentinel.close)
        self._wait_for_sentinel()

    @property
    def url(self) -> str:
        return self.sentinel.url

    @property
    def servers(self) -> list[Server]:
        return [self.primary, *self.replicas]

    def fail_over(self, break_primary: Callable[[Server], None]) -> Server:
        """Answers the old primary, once another one has taken over."""
        old = self.primary
        break_primary(old)
        wait_until(lambda: self._promoted() is not None, "a new primary")
        self.primary = self._promoted()
        self.replicas = [one for one in self.replicas if one is not self.primary]
        return old

    def rejoin(self, old: Server) -> None:
        """The old primary, running again, follows the new one."""
        follow(old, self.primary.port)
        self.replicas.append(old)
        self._wait_for_replicas()
        self._wait_for_sentinel()

    def close(self) -> None:
        self._stack.close()

    def _server(self, port: int) -> Server:
        server = Server(
            self._binary, "--save", "", "--repl-diskless-sync-delay", "0",
            port=port, also=REPLICAS,
        )  # fmt: skip
        self._stack.callback(server.close)
        return server

    def _promoted(self) -> Server | None:
        with self.sentinel.client() as client:
            port = int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1])
        (chosen,) = [one for one in self.replicas if one.port == port] or [None]
        if chosen is None:
            return None
        with chosen.client() as client:
            return chosen if client.info("replication")["role"] == "master" else None

    def _wait_for_replicas(self) -> None:
        def online() -> bool:
            with self.primary.client() as client:
                found = client.info("replication")
            states = [found.get(f"slave{number}") or {} for number in range(3)]
            return sum(one.get("state") == "online" for one in states) == len(self.replicas)

        wait_until(online, "the replicas are online")

    def _wait_for_sentinel(self) -> None:
        def sound() -> bool:
            with self.sentinel.client() as client:
                found = client.execute_command("SENTINEL", "REPLICAS", "main")
            flags = [_pairs(one)["flags"] for one in found]
            return flags == ["slave"] * len(self.replicas)

        wait_until(sound, "Sentinel knows the replicas")


def follow(replica: Server, port: int) -> None:
    """By command: one that starts as a replica waits for a second before it connects."""
    with replica.client() as client:
        client.replicaof("127.0.0.1", str(port))


def have_all(primary: Server, replicas: int) -> bool:
    """Whether so many have a write that is made now."""
    with primary.client(single_connection_client=True) as client:
        client.unlink("waited") or client.set("waited", 1)
        return client.wait(replicas, 100) == replicas


def _pairs(found: object) -> dict[str, str]:
    if isinstance(found, dict):
        return {_text(name): _text(value) for name, value in found.items()}
    words = [_text(one) for one in found]
    return dict(zip(words[::2], words[1::2], strict=True))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class ReplicatedCluster(Cluster):
    """Three primaries with a replica each."""

    def __init__(self, binary: str) -> None:
        super().__init__(binary, *REPLICAS)
        self.primaries = list(self.servers)
        self.replicas = self._serve_three()
        self.servers += self.replicas
        for server in self.servers:
            with server.client() as client:
                client.config_set("cluster-node-timeout", 1000)
                # A replica of a busy machine may not have heard of its primary for long.
                client.config_set("cluster-replica-validity-factor", 0)
                client.config_set("repl-diskless-sync-delay", 0)
        for primary, replica in zip(self.primaries, self.replicas, strict=True):
            self._follow(replica, primary)
        wait_until(self._is_whole, "the cluster's replicas are online")

    def fail_over(self, number: int) -> None:
        """Kill a primary; its replica takes over, and it comes back as a replica."""
        old, heir = self.primaries[number], self.replicas[number]
        old.kill()
        wait_until(lambda: _role(heir) == "master", "the replica has taken over")
        old.start()
        self.primaries[number], self.replicas[number] = heir, old
        wait_until(self._is_whole, "the cluster is whole again")

    def _follow(self, replica: Server, primary: Server) -> None:
        with primary.client() as client:
            id = client.execute_command("CLUSTER MYID").decode()
        with replica.client() as client:
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", primary.port)
        wait_until(lambda: self._has_followed(replica, id), "the replica has met its primary")

    @staticmethod
    def _has_followed(replica: Server, id: str) -> bool:
        with replica.client() as client:
            client.execute_command("CLUSTER", "REPLICATE", id)
        return True

    def _is_whole(self) -> bool:
        for server in self.primaries:
            with server.client() as client:
                if client.info("replication")["connected_slaves"] != 1:
                    return False
                if client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                    return False
                found = client.info("replication")["slave0"]
                if found["state"] != "online" or not found["offset"]:
                    return False
        return True


def _role(server: Server) -> str:
    with server.client() as client:
        return client.info("replication")["role"]
