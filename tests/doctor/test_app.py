"""Settings of the app, and of a client that it hands in."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_bytes, token_hex, token_urlsafe
from typing import Any

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis.backoff import NoBackoff
from redis.retry import Retry

from flask_jwt_revoke import Authority
from flask_jwt_revoke.config import Config
from flask_jwt_revoke.doctor import NAMES, examine
from flask_jwt_revoke.doctor.app import secret
from flask_jwt_revoke.doctor.client import (
    client_health,
    client_pool,
    client_protocol,
    client_retries,
    client_timeout,
)
from flask_jwt_revoke.store.client import connect
from flask_jwt_revoke.store.inspection import manner

from .conftest import KEY

Make = Callable[..., Authority]


@pytest.fixture
def status(make_authority: Make) -> Callable[..., str | None]:
    """What a line says of an app with these settings; None where there is no such line."""

    def look(name: str, debug: bool | None = None, **settings: Any) -> str | None:
        authority = make_authority("memory://", **{"secret_key": KEY, **settings})
        found = [one.status for one in examine(authority, name, debug=debug)]
        return found[0] if found else None

    return look


WITH_COOKIES = {"token_location": ["cookies"]}


def shared_with(key: str, **settings: Any) -> dict[str, Any]:
    """An outside issuer that signs with a secret."""
    keys = {"keys": {"1": key}, "algorithms": ["HS256"], "audience": "shop"}
    return {"issuers": {"https://id.example": keys | settings}}


UNCHECKED = {"checked_types": ["refresh"]}


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("secret", {}, "OK"),
        ("secret", {"secret_key": "a" * 64}, "FAIL"),
        ("secret", {"secret_key": "change me: at least 32 bytes that nobody can guess"}, "FAIL"),
        ("secret", {"secret_key": "my secret is as long as the algorithm asks"}, "WARN"),
        ("secret", {"secret_key": "0123456789" * 4}, "FAIL"),
        ("secret", {"secret_key": "abcdefghijklmnopqrstuvwxyz0123456789"}, "FAIL"),
        ("secret", {"secret_key": "correct-horse-battery-staple-correct"}, "WARN"),
        ("secret", {"secret_key": "Correct.Horse.Battery.Staple.Of.2026!"}, "WARN"),
        ("secret", {"secret_key": None, "keys": {"new": KEY, "old": "ab" * 32}}, "FAIL"),
        ("secret", shared_with(KEY), "OK"),
        ("secret", shared_with("change me: at least 32 bytes that nobody can guess"), "FAIL"),
        ("access_lifetime", {}, "OK"),
        ("access_lifetime", shared_with(KEY), "OK"),
        ("access_lifetime", {**UNCHECKED, **shared_with(KEY)}, "FAIL"),
        ("access_lifetime", {**UNCHECKED, **shared_with(KEY, lifetime=600)}, "WARN"),
        ("access_lifetime", {"access_lifetime": 7 * 86_400}, "WARN"),
        ("access_lifetime", {"checked_types": ["refresh"]}, "WARN"),
        ("access_lifetime", {"checked_types": ["refresh"], "access_lifetime": 86_400}, "FAIL"),
        ("cookie_secure", {"cookie_secure": False}, None),
        ("cookie_secure", {**WITH_COOKIES, "cookie_secure": False}, "FAIL"),
        ("cookie_secure", WITH_COOKIES, "OK"),
        ("cookie_samesite", {}, None),
        ("cookie_samesite", {**WITH_COOKIES, "cookie_samesite": "None"}, "WARN"),
        ("cookie_samesite", WITH_COOKIES, "OK"),
        ("csrf", {"csrf_protect": False}, None),
        ("csrf", {**WITH_COOKIES, "csrf_protect": False}, "FAIL"),
        ("csrf", WITH_COOKIES, "OK"),
        ("on_outage", {"on_outage": "allow"}, "WARN"),
        ("on_outage", {"on_outage": {"access": "allow", "refresh": "deny"}}, "WARN"),
        ("on_outage", {"on_outage": {"access": "deny", "refresh": "deny"}}, "OK"),
        ("on_lost_data", {"on_lost_data": "allow"}, "WARN"),
        ("on_lost_data", {}, "OK"),
        ("timeout", {"timeout": 3}, "WARN"),
        ("timeout", {}, "OK"),
        ("store", {}, "WARN"),
        ("debug", {"debug": True}, "FAIL"),
        ("debug", {"debug": False}, "OK"),
        ("debug", {}, "UNKNOWN"),
    ],
)
def test_settings(
    status: Callable[..., str | None], name: str, settings: dict[str, Any], expected: str | None
) -> None:
    assert status(name, **settings) == expected


@pytest.mark.parametrize("make", [token_hex, token_urlsafe, token_bytes])
def test_what_is_random_is_not_said_to_be_guessed(make: Callable[[int], str | bytes]) -> None:
    for _ in range(1000):
        made = make(32)
        key = made if isinstance(made, bytes) else made.encode()
        config = Config(redis_url="memory://", secret_key=key)
        assert secret(config).status == "OK", key


def test_a_key_pair_is_nothing_to_guess(status: Callable[..., str | None]) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    assert status("secret", secret_key=key, algorithm="ES256") == "OK"


@pytest.mark.parametrize(("workers", "expected"), [("4", "FAIL"), ("1", "WARN"), ("many", "WARN")])
def test_memory_with_several_workers(
    status: Callable[..., str | None],
    monkeypatch: pytest.MonkeyPatch,
    workers: str,
    expected: str,
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    assert status("store") == expected


def test_no_key_is_ever_told(make_authority: Make) -> None:
    key = "change me, o change me, please change me"
    findings = examine(make_authority("memory://", secret_key=key))
    assert "change" not in " ".join(one.found for one in findings)


def test_of_memory_nothing_is_said_that_is_of_servers(make_authority: Make) -> None:
    found = {one.name for one in examine(make_authority("memory://"))}
    assert found == {
        "secret", "access_lifetime", "on_outage", "on_lost_data", "timeout", "store", "debug"
    }  # fmt: skip


def test_a_line_that_there_is_not(make_authority: Make) -> None:
    with pytest.raises(ValueError, match=r"there is no line evictions; there are .*eviction"):
        examine(make_authority("memory://"), "evictions")


LINES = (client_timeout, client_retries, client_protocol, client_pool, client_health)
QUICK = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25}
ONCE = {"retry": Retry(NoBackoff(), 0)}
PLAIN = {**QUICK, **ONCE, "protocol": 2}


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("client_timeout", PLAIN, "OK"),
        ("client_timeout", {**ONCE, "socket_timeout": None}, "FAIL"),
        ("client_timeout", {**ONCE, "socket_timeout": 30}, "WARN"),
        ("client_timeout", {**QUICK, "retry": Retry(NoBackoff(), 50)}, "WARN"),
        ("client_timeout", {**QUICK, "retry": Retry(NoBackoff(), -1)}, "FAIL"),
        ("client_retries", PLAIN, "OK"),
        ("client_retries", {"retry": Retry(NoBackoff(), 3)}, "WARN"),
        ("client_retries", {"retry": Retry(NoBackoff(), -1)}, "WARN"),
        ("client_protocol", PLAIN, "OK"),
        ("client_protocol", {"protocol": 3}, "WARN"),
        ("client_pool", PLAIN, "OK"),
        ("client_pool", {"max_connections": 2}, "WARN"),
        ("client_pool", {"single_connection_client": True}, "WARN"),
        ("client_health", PLAIN, "OK"),
        ("client_health", {"health_check_interval": 1}, "WARN"),
        ("client_health", {"health_check_interval": 30}, "OK"),
    ],
)
def test_a_client_that_was_handed_in(
    make_authority: Make,
    client_of: Callable[..., redis.Redis],
    name: str,
    options: dict[str, Any],
    expected: str,
) -> None:
    with client_of(**options) as client:
        (found,) = examine(make_authority(None, redis=client), name)
    assert found.status == expected


def test_decoded_answers_are_as_good(
    make_authority: Make, client_of: Callable[..., redis.Redis]
) -> None:
    with client_of(**PLAIN, decode_responses=True) as client:
        found = examine(make_authority(None, redis=client, secret_key=KEY), debug=False)
    assert {one.name for one in found if one.status in ("FAIL", "UNKNOWN")} == {"canary"}
    assert {one.name for one in found} >= {name for name in NAMES if name.startswith("client_")}


def test_resp3_with_maintenance_notifications() -> None:
    from redis.maint_notifications import MaintNotificationsConfig

    config = MaintNotificationsConfig(enabled="auto")
    with redis.Redis(protocol=3, maint_notifications_config=config) as client:
        assert client_protocol(manner(client)).status == "FAIL"


def test_our_own_client_is_as_it_should_be() -> None:
    way = manner(connect("redis://redis.example", 0.25))
    assert [look(way).status for look in LINES] == ["OK"] * len(LINES)
