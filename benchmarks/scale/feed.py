"""What one message costs: to publish it, for each listener, and on a cluster's bus."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack, closing

import redis

from tests.servers import Cluster, Server, free_ports

from .counters import Counters, Growth
from .measured import Feed

CHANNEL = "jwtrevoke:feed"
MESSAGE = b"x" * 100
ROUNDS = 3
MESSAGES = 400
LISTENERS = (1, 17)
#: What Redis puts before a message on the bus, slots and all: seen with ``ss``, since only
#: Valkey counts these bytes itself.
REDIS_HEADER = 2_264


def feed(binary: str) -> Feed:
    (port,) = free_ports(1)
    with closing(Server(binary, "--save", "", port=port)) as server:
        few, many = (published(server, count) for count in LISTENERS)
    delivery = max(0.0, (many - few) / (LISTENERS[1] - LISTENERS[0]))
    publish = few - LISTENERS[0] * delivery
    bus_us, bus_bytes = on_the_bus(binary, publish)
    return Feed(publish_us=publish, delivery_us=delivery, bus_us=bus_us, bus_bytes=bus_bytes)


def published(server: Server, listeners: int) -> float:
    """Microseconds of the server's main thread for one message."""
    with ExitStack() as stack:
        client = stack.enter_context(server.client())
        sockets = [stack.enter_context(listener(server.port)) for _ in range(listeners)]

        def heard() -> None:
            for one in sockets:
                one.recv(1 << 20)

        growth = Growth(client)
        rounds = [growth.during(lambda: publish(server, heard)).cpu for _ in range(ROUNDS)]
        return min(rounds) / MESSAGES


def listener(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), 10)
    one.sendall(f"SUBSCRIBE {CHANNEL}\r\n".encode())
    one.recv(1 << 20)
    return one


def publish(server: Server, heard: Callable[[], None] = lambda: None) -> None:
    """One after another, each of which its listeners have heard."""
    with redis.Redis(port=server.port, protocol=2) as client:
        for _ in range(MESSAGES):
            client.publish(CHANNEL, MESSAGE)
            heard()


def on_the_bus(binary: str, publish_us: float) -> tuple[float, float]:
    """Microseconds to send a message to one node and to take it in there; and its bytes."""
    with closing(Cluster(binary)) as cluster, ExitStack() as stack:
        here, there, *_ = clients = [stack.enter_context(s.client()) for s in cluster.servers]
        before, sent = [Counters.of(one) for one in (here, there)], bus_bytes(here)
        publish(cluster.servers[0])
        at_home, taken_in = (
            (Counters.of(one) - then).cpu / MESSAGES
            for one, then in zip((here, there), before, strict=True)
        )
        links = len(clients) - 1
        counted = (bus_bytes(here) - sent) / MESSAGES / links
        sending = max(0.0, at_home - publish_us) / links
        return sending + taken_in, counted or REDIS_HEADER + len(CHANNEL) + len(MESSAGE)


def bus_bytes(client: redis.Redis) -> float:
    """Bytes of messages that this node has sent to others; 0 where it does not count them."""
    return float(client.execute_command("CLUSTER INFO").get("cluster_stats_pubsub_bytes_sent", 0))
