from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from redis.cache import CacheConfig
from redis.sentinel import Sentinel

from flask_jwt_revoke import Authority, Config, ConfigurationError

from .conftest import SECRET


def config(**settings: object) -> Config:
    named = {f"JWT_REVOKE_{name.upper()}": value for name, value in settings.items()}
    return Config.from_mapping({"SECRET_KEY": SECRET, "JWT_REVOKE_REDIS_URL": "memory://"} | named)


def test_the_defaults() -> None:
    found = config()
    assert (found.algorithm, found.leeway, found.timeout) == ("HS256", 0, 0.25)
    assert (found.access_lifetime, found.refresh_lifetime) == (900, 30 * 86400)
    assert (found.key_prefix, found.strategy) == ("jwtrevoke", "blacklist")
    assert (found.on_outage, found.on_lost_data) == ("deny", "deny")
    assert found.secret_key == SECRET.encode()


def test_seconds_may_be_a_timedelta() -> None:
    assert config(access_lifetime=timedelta(minutes=5)).access_lifetime == 300


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("leeway", -1), ("leeway", "5"), ("leeway", True), ("leeway", float("nan")),
        ("timeout", 0), ("timeout", float("inf")),
        ("access_lifetime", 0), ("access_lifetime", None),
        ("refresh_lifetime", 60), ("algorithm", "none"), ("algorithm", "hs256"),
        ("strategy", "whitelist"), ("on_outage", "ignore"), ("on_lost_data", True),
        ("key_prefix", ""), ("key_prefix", "a{b}"), ("key_prefix", "a b"), ("key_prefix", 7),
        ("require_everywhere", "yes"), ("issuer", ""), ("audience", []), ("audience", [7]),
        ("redis_url", "localhost:6379"), ("redis_url", "http://localhost"), ("redis_url", 7),
        ("strategy", object()), ("strategy", None), ("checked_types", ("id",)),
        ("checked_types", ()), ("checked_types", "access"), ("checked_types", ["access"] * 2),
        ("max_sessions", 0), ("max_sessions", 2.0), ("max_sessions", True),
        ("on_max_sessions", "newest"), ("session_idle_timeout", 60), ("session_lifetime", 0),
        ("session_address", "half"), ("refresh_grace", -1), ("token_location", ["query"]),
        ("token_location", "headers"), ("access_cookie", "a;b"), ("csrf_header", "a b"),
        ("cookie_path", "auth"), ("cookie_secure", 1), ("cookie_samesite", "none"),
        ("wait_replicas", -1), ("wait_replicas", True), ("wait_replicas", 1.0),
        ("csrf_protect", "no"), ("csrf_field", ""), ("outside_tokens_without_jti", 1),
        ("audit_length", 0), ("audit_length", "10"), ("metrics", 1), ("tracing", "yes"),
        ("secret_key", ""), ("secret_key", 7), ("keys", {}), ("keys", {"": "x"}), ("keys", ["x"]),
        ("secret_key", "\udcff"), ("checked_types", [["access"]]),
        ("token_location", [{}]),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_with_its_name(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"JWT_REVOKE_{name.upper()}.* takes .*, got "):
        config(**{name: value})


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="did you mean JWT_REVOKE_LEEWAY"):
        config(leway=3)


def test_no_signing_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="No signing key"):
        Config.from_mapping({"JWT_REVOKE_REDIS_URL": "memory://"})


def test_settings_that_cannot_work_together() -> None:
    with pytest.raises(ConfigurationError, match="COOKIE_SECURE"):
        config(cookie_samesite="None", cookie_secure=False)
    with pytest.raises(ConfigurationError, match="different names"):
        config(access_cookie="token", refresh_cookie="token")


def test_two_kinds_of_keys_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        config(secret_key=SECRET, keys={"a": SECRET})


def test_promise_12_no_setting_shows_a_secret() -> None:
    found = config(keys={"a": "hidden-key"}, redis_url="redis://:hidden-password@h/0")
    assert "hidden" not in repr(found)
    with pytest.raises(ConfigurationError) as refused:
        config(redis_url="http://:hidden@h")
    assert "hidden" not in str(refused.value)
    with pytest.raises(ConfigurationError) as refused:
        Authority(config(secret_key="hidden"))
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://localhost:x", "Port|JWT_REVOKE_REDIS_URL"),
        ("redis://redis..example", "JWT_REVOKE_REDIS_URL"),
        ("redis+cluster://redis..example:1", "host:port"),
        ("redis://localhost?socket_timeout=60", "socket_timeout"),
        ("redis://localhost?protocol=3", "protocol"),
        ("redis+sentinel://a:1,b:2", "SERVICE"),
        ("redis+sentinel://a,b:2/main", "host:port"),
        ("redis+sentinel://a:1/main/x", "SERVICE"),
        ("redis+cluster://", "host:port"),
    ],
)
def test_a_url_that_cannot_work_is_refused_at_the_start(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Authority(config(redis_url=url))


def test_no_redis_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="No Redis"):
        Authority(config(redis_url=None))


@pytest.mark.parametrize("client", ["redis://localhost", object()])
def test_a_client_of_another_kind_is_refused(client: object) -> None:
    with pytest.raises(ConfigurationError, match="redis= takes"):
        Authority(config(), redis=client)


def test_a_client_that_asks_replicas_is_refused() -> None:
    sentinel = Sentinel([("127.0.0.1", 1)])
    Authority(config(), redis=sentinel.master_for("main"))
    with pytest.raises(ConfigurationError, match="asks primaries"):
        Authority(config(), redis=sentinel.slave_for("main"))


def test_a_client_that_caches_is_refused() -> None:
    with (
        redis.Redis(protocol=3, cache_config=CacheConfig()) as client,
        pytest.raises(ConfigurationError, match="without client-side caching"),
    ):
        Authority(config(), redis=client)


def test_an_asynchronous_client_is_refused() -> None:
    import redis.asyncio

    with pytest.raises(ConfigurationError, match="synchronous"):
        Authority(config(), redis=redis.asyncio.Redis())
