"""The hardened client from a URL.

redis-py's defaults do not suit a check that stands in front of every request: ten
retries of 5 s each, a MULTI that is sent again after a time-out, and under RESP3 a reply
that an interrupted call left behind and the next caller reads as its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import iscoroutinefunction, signature
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cache import CacheInterface
from redis.cluster import ClusterNode
from redis.connection import URL_QUERY_ARGUMENT_PARSERS
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from ..errors import ConfigurationError
from .sentinels import PrimaryPool
from .tls import OPTIONS as TLS_OPTIONS
from .tls import check_tls

Client = Any  # redis.Redis or redis.RedisCluster: redis-py types no common base
Address = tuple[str, int]


def connector(url: str | None, timeout: float, client: Client | None) -> Callable[[], Client]:
    """What makes a client: from ``url``, unless one is handed in.

    :raises ConfigurationError: there is neither, or it cannot be used.
    """
    if client is not None:
        check_client(client)
        return lambda: client
    if url is None:
        raise ConfigurationError(
            "No Redis: set JWT_REVOKE_REDIS_URL (memory:// for one process without a server)"
            " or hand in a client with redis=."
        )
    check_url(url)
    if urlsplit(url).scheme == "memory":
        # All that connect to it are to see the same data.
        return cache(_memory)
    return lambda: connect(url, timeout)


def connect(url: str, timeout: float) -> Client:
    """Make a client; ``timeout`` (seconds) bounds each connect and each read.

    Only a cluster is contacted here, since its client must know the nodes.

    :raises redis.RedisError: the cluster cannot be reached.
    """
    topology = urlsplit(url).scheme.partition("+")[2]
    options = {
        "protocol": 2,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "driver_info": None,
        # One for each thread at work; redis-py's default of 100 would refuse the 101st.
        "max_connections": 2**31,
    }
    if topology == "sentinel":
        return _sentinel(url, options)
    if topology == "cluster":
        return _cluster(url, options)
    return redis.Redis.from_url(url, retry=no_retry(), **options)


def check_url(url: str) -> None:
    """Refuse at start what could only fail at the first request.

    :raises ConfigurationError: the URL cannot be used.
    """
    try:
        scheme, _, topology = urlsplit(url).scheme.partition("+")
    except ValueError:
        raise ConfigurationError("JWT_REVOKE_REDIS_URL cannot be read as a URL") from None
    if scheme == "memory":
        _memory()
        return
    options = _query(url)
    if scheme == "rediss":
        check_tls(options)
    if topology:
        addresses(url)
    if topology == "sentinel":
        _service(url)
    if not topology:
        try:
            _check_host(redis.connection.parse_url(url).get("host"))
        except ValueError:
            # Its text may hold a part of the password.
            raise ConfigurationError("JWT_REVOKE_REDIS_URL cannot be read as a URL") from None


def check_client(client: object) -> None:
    """:raises ConfigurationError: the object is not a synchronous redis-py client, or one that
    asks replicas or a cache of its own.
    """
    execute = getattr(client, "execute_command", None)
    if execute is None or not hasattr(client, "pipeline"):
        raise ConfigurationError(
            f"redis= takes a redis.Redis or redis.RedisCluster, got {type(client).__name__}"
        )
    if iscoroutinefunction(execute):
        raise ConfigurationError("redis= takes a synchronous client, got one of redis.asyncio")
    if _asks_replicas(client):
        raise ConfigurationError(
            "redis= takes a client that asks primaries: a replica may not have a revocation yet"
        )
    if _caches(client):
        raise ConfigurationError(
            "redis= takes a client without client-side caching: set no cache, and no cache_config"
        )


def _asks_replicas(client: Any) -> bool:
    if isinstance(client, redis.RedisCluster):
        return bool(client.read_from_replicas or client.load_balancing_strategy)
    pool = getattr(client, "connection_pool", None)
    return isinstance(pool, SentinelConnectionPool) and not pool.is_master


def _caches(client: Any) -> bool:
    """redis-py's cache fails each check: it takes no command that is sent as it is."""
    if isinstance(client, redis.RedisCluster):
        cache = getattr(client.nodes_manager, "_cache", None)
    else:
        cache = getattr(getattr(client, "connection_pool", None), "cache", None)
    return isinstance(cache, CacheInterface)


def is_in_process(client: Client) -> bool:
    """fakeredis, which has no connections."""
    return type(client).__module__.startswith("fakeredis")


def no_retry() -> Retry:
    return Retry(NoBackoff(), 0)


def _memory() -> Client:
    try:
        import fakeredis  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise ConfigurationError(
            "memory:// needs fakeredis: pip install 'flask-jwt-revoke[memory]'"
        ) from None
    return fakeredis.FakeRedis(server=fakeredis.FakeServer())


def _sentinel(url: str, options: dict[str, Any]) -> Client:
    given = _options(url)
    to_sentinels = {
        name: given.pop(f"sentinel_{name}")
        for name in ("username", "password")
        if f"sentinel_{name}" in given
    }
    tls = {name: value for name, value in given.items() if name.startswith("ssl")}
    sentinel = Sentinel(
        addresses(url),
        sentinel_kwargs={**options, **tls, **to_sentinels, "retry": no_retry()},
        **options,
    )
    name, db = _service(url)
    return sentinel.master_for(
        name, connection_pool_class=PrimaryPool, db=db, retry=no_retry(), **given
    )


def _cluster(url: str, options: dict[str, Any]) -> Client:
    nodes = [ClusterNode(host, port) for host, port in addresses(url)]
    # One MOVED is enough to learn the slots anew: the write that met it is sent again once.
    return redis.RedisCluster(
        startup_nodes=nodes,
        retry=no_retry(),
        reinitialize_steps=1,
        # Slots that nobody serves are an outage of their subjects, not of all.
        require_full_coverage=False,
        **options,
        **_options(url),
    )


def addresses(url: str) -> list[Address]:
    """The ``host:port,host:port`` of a Sentinel or cluster URL.

    :raises ConfigurationError: one of them is not host:port.
    """
    netloc = urlsplit(url).netloc.rpartition("@")[2]
    found = []
    for part in netloc.split(","):
        try:
            each = urlsplit(f"//{part}")
            host, port = each.hostname, each.port
            _check_host(host)
        except ValueError:
            host = port = None
        if not host or not port:
            raise ConfigurationError(
                "JWT_REVOKE_REDIS_URL takes host:port,host:port before the path"
            )
        found.append((host, port))
    return found


def _check_host(host: str | None) -> None:
    """:raises ValueError: no resolver could be asked for it."""
    if host is not None:
        host.encode("idna")


def _service(url: str) -> tuple[str, int]:
    name, _, db = urlsplit(url).path.strip("/").partition("/")
    if not name or not (db or "0").isdigit():
        raise ConfigurationError(
            "JWT_REVOKE_REDIS_URL takes redis+sentinel://host:port,host:port/SERVICE[/DB]"
        )
    return unquote(name), int(db or 0)


def _options(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    username, _, password = parts.netloc.rpartition("@")[0].partition(":")
    credentials = {"username": unquote(username), "password": unquote(password)}
    options = _query(url) | {name: value for name, value in credentials.items() if value}
    return options | ({"ssl": True} if parts.scheme.startswith("rediss") else {})


def _query(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    known = _known(parts.scheme)
    options: dict[str, Any] = {}
    parsers: dict[str, Any] = dict(URL_QUERY_ARGUMENT_PARSERS)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise _no_option(name)
        if not value:
            raise ConfigurationError(f"JWT_REVOKE_REDIS_URL: {name} is empty")
        try:
            options[name] = parsers.get(name, str)(value)
        except ValueError:
            raise ConfigurationError(f"JWT_REVOKE_REDIS_URL: {name} cannot be read") from None
    return options


def _known(scheme: str) -> set[str]:
    base, _, topology = scheme.partition("+")
    known = {"username", "password", "client_name"}
    if base == "rediss":
        known |= TLS_OPTIONS
    if topology == "sentinel":
        known |= {"sentinel_username", "sentinel_password"}
    return known if topology else known | {"db"}


def _no_option(name: str) -> ConfigurationError:
    # A time-out there would undo JWT_REVOKE_TIMEOUT.
    if name in signature(redis.Redis).parameters:
        return ConfigurationError(f"JWT_REVOKE_REDIS_URL: {name} is not an option it takes")
    # Not the name: it may be the end of a password that holds a question mark.
    return ConfigurationError(
        "JWT_REVOKE_REDIS_URL has an option that it does not take; write ? in a password as %3F"
    )
