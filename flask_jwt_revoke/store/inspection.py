"""Each server and the client that reaches it, for an operator who asks what they are like."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import redis
from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisClusterException
from redis.sentinel import SentinelConnectionPool

from .client import Client, is_in_process
from .feed import steady
from .line import Line
from .question import Command
from .redis import Store, outage
from .replies import text

# Before release 7 of redis-py it was 2, and had no name.
_PROTOCOL = getattr(redis.connection, "DEFAULT_RESP_VERSION", 2)


class Unanswered(Exception):
    """A server did not say; the text is why. ``refused``: it answered, with an error."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except redis.ResponseError as error:
        raise Unanswered(str(error), refused=True) from None
    except (redis.RedisError, RedisClusterException, OSError) as error:
        raise Unanswered(f"{type(error).__name__}: {error}") from None


class Server:
    """One primary. ``name`` is its address in a cluster, else empty.

    ``has`` says whether a key is its own; ``missing`` why it does not answer, else None.
    Each question raises :class:`Unanswered`.
    """

    def __init__(self, client: Client, name: str, has: Callable[[str], bool]) -> None:
        self._client = client
        self.name = name
        self.has = has
        self.missing: str | None = None

    def ping(self) -> float:
        """The seconds that a round trip takes."""
        before = time.perf_counter()
        self.ask("PING")
        return time.perf_counter() - before

    def ask(self, *command: str) -> Any:
        with _answered():
            return self._client.execute_command(*command)

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        with _answered(), self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return list(pipe.execute())

    def told(self, name: str) -> Any:
        """One line of INFO."""
        if name not in self.info:
            raise Unanswered(f"INFO does not tell {name}")
        return self.info[name]

    def setting(self, name: str) -> str:
        with _answered():
            found = self._client.config_get(name)
        if not found:
            raise Unanswered(f"CONFIG GET does not tell {name}")
        (value,) = found.values()
        return text(value)

    def manner(self) -> Manner:
        with _answered():
            return manner(self._client)

    @cached_property
    def info(self) -> Mapping[str, Any]:
        with _answered():
            return dict(self._client.info("everything"))


def servers(store: Store) -> list[Server]:
    """Each primary; none where the store is in the process.

    :raises Outage: not one of them can be asked.
    """
    with outage():
        client = store.client
        if is_in_process(client):
            return []
        found = [*_primaries(client)]
        failures = [error for error in map(_failure, found) if error is not None]
        if len(failures) == len(found):
            raise failures[0] if failures else redis.ConnectionError("there is no primary")
        return found


def _primaries(client: Client) -> Iterator[Server]:
    if not isinstance(client, redis.RedisCluster):
        yield Server(client, "", lambda _: True)
        return
    for node in client.get_primaries():
        has = lambda key, node=node: client.get_node_from_key(key) == node  # noqa: E731
        yield Server(client.get_redis_connection(node), node.name, has)


def _failure(server: Server) -> Exception | None:
    try:
        server._client.ping()
    except redis.ResponseError:
        return None  # an error is an answer too
    except (redis.RedisError, OSError) as error:
        server.missing = f"{type(error).__name__}: {error}"
        return error
    return None


def coverage(store: Store) -> tuple[int, int] | None:
    """How many primaries the cluster has, and how many slots they serve; None without one."""
    client = store.client
    if not isinstance(client, redis.RedisCluster):
        return None
    slots = client.nodes_manager.slots_cache.values()
    return len(client.get_primaries()), sum(bool(nodes) for nodes in slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """What one Sentinel says of the primary; ``missing`` is why it does not."""

    sentinels: int = 0
    quorum: int = 0
    replicas: int = 0
    missing: str | None = None


def watchers(store: Store) -> list[Watcher] | None:
    """Of each Sentinel that the client knows; None without Sentinel."""
    pool = getattr(store.client, "connection_pool", None)
    if not isinstance(pool, SentinelConnectionPool):
        return None
    return [_watcher(one, pool.service_name) for one in pool.sentinel_manager.sentinels]


def _watcher(sentinel: Client, service: str) -> Watcher:
    try:
        with _answered():
            state = sentinel.sentinel_masters()[service]
    except Unanswered as error:
        return Watcher(missing=str(error))
    except KeyError:
        return Watcher(missing=f"it does not watch {service}")
    return Watcher(
        sentinels=state["num-other-sentinels"] + 1,
        quorum=state["quorum"],
        replicas=state["num-slaves"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Seconds until a PING was answered on a subscription, and until a message came; None: not."""

    pong: float | None
    message: float | None


def hearing(store: Store, channel: str, patience: float) -> Hearing:
    """Subscribe, and publish what no listener takes for a revocation.

    :raises Unanswered: it may not be done, or the connection does not come about.
    """
    with _answered():
        line = Line(store.client)
        try:
            return _heard(line, store.client, channel, patience)
        finally:
            line.close()


def _heard(line: Line, client: Client, channel: str, patience: float) -> Hearing:
    # A number names no subject, so nobody takes it for a revocation.
    nonce = str(random.getrandbits(64))
    times: dict[bytes, float] = {}
    until = steady() + patience
    line.send("SUBSCRIBE", channel)
    sent = steady()
    line.send("PING", nonce)
    while len(times) < 2 and (left := until - steady()) > 0:  # noqa: PLR2004 - the two
        line.wait_for(left)
        for message in line.receive():
            if isinstance(message, Exception):
                raise redis.ResponseError(str(message))
            if message[-1] == nonce.encode():
                times[message[0]] = steady() - sent
                if message[0] == b"pong":
                    sent = steady()
                    client.publish(channel, nonce)
    return Hearing(pong=times.get(b"pong"), message=times.get(b"message"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a client connects. Times are in seconds; None is no limit."""

    host: str | None
    database: int
    is_tls: bool
    is_verified: bool
    timeout: float | None
    connect_timeout: float | None
    retries: int
    protocol: int
    is_maintained: bool
    is_single: bool
    most_connections: int
    health_check: float


def manner(client: Client) -> Manner:
    """``host`` is None for a unix socket; in a cluster it is that of one of the nodes."""
    if isinstance(client, redis.RedisCluster):
        one, retry = client.get_redis_connection(client.get_primaries()[0]), client.retry
    else:
        one, retry = client, client.get_retry()
    pool = one.connection_pool
    given = pool.connection_kwargs
    notified = given.get("maint_notifications_config")
    return Manner(
        host=_host(pool),
        database=given.get("db") or 0,
        is_tls=issubclass(pool.connection_class, SSLConnection),
        is_verified=_is_verified(given),
        timeout=given.get("socket_timeout"),
        # A unix socket takes but one.
        connect_timeout=given.get("socket_connect_timeout", given.get("socket_timeout")),
        retries=retry.get_retries() if retry else 0,
        protocol=int(given.get("protocol") or _PROTOCOL),
        is_maintained=bool(notified and notified.enabled),
        is_single=one.connection is not None,
        most_connections=pool.max_connections,
        health_check=given.get("health_check_interval") or 0,
    )


def _is_verified(given: Mapping[str, Any]) -> bool:
    needed = given.get("ssl_cert_reqs", "required")
    return needed in ("required", ssl.CERT_REQUIRED) and given.get("ssl_check_hostname", True)


def _host(pool: Any) -> str | None:
    if issubclass(pool.connection_class, UnixDomainSocketConnection):
        return None
    if isinstance(pool, SentinelConnectionPool):
        return str((pool.master_address or pool.get_master_address())[0])
    return str(pool.connection_kwargs.get("host", "localhost"))
