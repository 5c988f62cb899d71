"""The same load against one and three primaries, in interleaved rounds."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from benchmarks.fairness import Unfair
from benchmarks.rounds import turns
from tests.servers import Cluster, Server, free_ports

from .counters import Counters, Growth
from .measured import Cost
from .migration import move, slots_with_keys

CLIENTS = 3
ROUNDS = 3
SECONDS = 2.0
CHECKS_SECONDS = 1.0
MOVED_SLOTS = 40
PATIENCE = 10  # seconds

STEPS = ROUNDS + 2


@dataclass(frozen=True)
class Round:
    """What the clients did, and how much each node's counters grew meanwhile."""

    clients: Sequence[Mapping[str, Any]]
    nodes: Sequence[Counters]

    @property
    def done(self) -> Counter[str]:
        return reduce(add, (Counter(one["done"]) for one in self.clients))

    @property
    def calls(self) -> int:
        return self.done.total()

    @property
    def each_second(self) -> float:
        return sum(Counter(one["done"]).total() / one["seconds"] for one in self.clients)

    @property
    def whole(self) -> Counters:
        return reduce(add, self.nodes)

    @property
    def cost(self) -> Cost:
        """Of one call, on all nodes together."""
        return self.whole.each(self.calls)

    @property
    def client_us(self) -> float:
        """Processor time of the clients for one call."""
        return 1e6 * sum(one["busy"] for one in self.clients) / self.calls

    @property
    def p50_us(self) -> float:
        return 1e6 * statistics.median(one["p50"] for one in self.clients)


@dataclass
class Deployment:
    """Servers with clients of their own, which wait between their turns."""

    label: str
    servers: Sequence[Server]
    url: str
    rounds: list[Round] = field(default_factory=list)
    clients: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, stack: ExitStack) -> None:
        for number in range(CLIENTS):
            one = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.scale.client", self.url, f"c{number}-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                # It ends with its stdin, and not by the same Ctrl-C.
                start_new_session=True,
            )
            self.clients.append(one)
            stack.callback(stop, one)
        for one in self.clients:
            said(one)

    def run(self, mix: str, seconds: float, clients: int = CLIENTS) -> Round:
        working, answers = self.clients[:clients], []
        with ExitStack() as stack:
            growths = [Growth(stack.enter_context(one.client())) for one in self.servers]
            before = [one.now() for one in growths]
            for one in working:
                print(mix, seconds, file=one.stdin, flush=True)
            answers = [json.loads(said(one)) for one in working]
            grown = [g.since(then) for g, then in zip(growths, before, strict=True)]
        return Round(answers, grown)

    def keys(self) -> list[int]:
        found = []
        for server in self.servers:
            with server.client() as client:
                found.append(client.dbsize())
        return found


@dataclass(frozen=True)
class Found:
    """``checks`` is a round of nothing else; slots move in ``moving``, not in ``after``."""

    deployments: Sequence[Deployment]
    keys: Mapping[str, Sequence[int]]
    checks: Mapping[str, Round]
    slots: int
    moving: Round
    after: Round


def said(client: subprocess.Popen[str]) -> str:
    assert client.stdout is not None
    line = client.stdout.readline()
    if not line:
        raise RuntimeError("a client has ended")
    return line


def stop(client: subprocess.Popen[str]) -> None:
    assert client.stdin is not None
    client.stdin.close()
    try:
        client.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        client.kill()
        client.wait()
    assert client.stdout is not None
    client.stdout.close()


def load(binary: str, advance: Callable[[], None]) -> Found:
    """``advance`` is called :data:`STEPS` times."""
    with ExitStack() as stack:
        cluster = stack.enter_context(closing(Cluster(binary)))
        three = Deployment("cluster of three", cluster.servers, cluster.url)
        deployments = [*single(binary, stack), three]
        for one in deployments:
            one.start(stack)
        advance()
        for turn in turns(deployments, ROUNDS):
            for one in turn:
                one.rounds.append(checked(one.run("mixed", SECONDS)))
            advance()
        checks = {one.label: one.run("checks", CHECKS_SECONDS, 1) for one in deployments}
        keys = {one.label: one.keys() for one in deployments}
        slots, moving = migrated(three, cluster)
        after = three.run("mixed", SECONDS)
        advance()
    return Found(deployments, keys, checks, slots, moving, after)


def checked(found: Round) -> Round:
    """:raises Unfair: calls failed, though nothing was moved."""
    if found.done["outage"] or found.done["refused"]:
        raise Unfair(f"calls failed: {dict(found.done)}")
    return found


def single(binary: str, stack: ExitStack) -> list[Deployment]:
    """One primary: alone, and as a cluster of one, which the client asks as it asks three."""
    ports = free_ports(2)
    alone = stack.enter_context(closing(Server(binary, "--save", "", port=ports[0])))
    only = stack.enter_context(
        closing(Server(binary, "--cluster-enabled", "yes", "--save", "", port=ports[1]))
    )
    serve_all_slots(only)
    return [
        Deployment("single server", [alone], f"redis://127.0.0.1:{ports[0]}"),
        Deployment("cluster of one", [only], f"redis+cluster://127.0.0.1:{ports[1]}"),
    ]


def serve_all_slots(server: Server) -> None:
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until = time.monotonic() + PATIENCE
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            if time.monotonic() > until:
                raise RuntimeError("the cluster of one did not form")
            time.sleep(0.02)


def migrated(deployment: Deployment, cluster: Cluster) -> tuple[int, Round]:
    """A round in which slots of the first primary move to the second, one by one."""
    source, target, *_ = cluster.servers
    slots = slots_with_keys(source, MOVED_SLOTS)
    mover = threading.Thread(target=move_slowly, args=(slots, source, target, cluster.servers))
    mover.start()
    try:
        found = deployment.run("mixed", SECONDS)
    finally:
        mover.join()
    return len(slots), found


def move_slowly(slots: Sequence[int], source: Server, target: Server, all: list[Server]) -> None:
    pause = 0.7 * SECONDS / max(1, len(slots))
    time.sleep(0.1 * SECONDS)
    for slot in slots:
        move([slot], source, target, all)
        time.sleep(pause)
