from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from flask_jwt_revoke import Authority, Outage, TokenRefused, metrics
from flask_jwt_revoke.errors import IssuerOutage
from flask_jwt_revoke.near_cache import NearVerdict
from flask_jwt_revoke.routes.oauth import backchannel_logout, security_events

from ..conftest import Clock
from ..servers import BINARIES, Server

ROOT = Path(__file__).parents[2]
Make = Callable[..., Authority]


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"jwt_revoke_{name}", labels) or 0


class Change:
    """What one sample grew by since this began."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name, self._labels = name, labels
        self._before = value(name, **labels)

    def __call__(self) -> float:
        return value(self._name, **self._labels) - self._before


def checks(verdict: str, source: str) -> Change:
    return Change("checks_total", verdict=verdict, source=source)


def test_checks_by_verdict_and_source(make_authority: Make, server: Server) -> None:
    authority = make_authority(server.url, metrics=True, checked_types=("refresh",))
    live, unasked = checks("live", "strict"), checks("live", "none")
    revoked, malformed = checks("revoked", "strict"), checks("malformed", "none")
    seconds = Change("check_seconds_count", source="strict")
    spent = Change("check_seconds_sum", source="strict")
    pair = authority.issue("alice")
    assert authority.check(pair.access).subject == "alice"
    for _ in range(2):
        authority.check(pair.refresh, type="refresh")
    authority.logout(pair.refresh)
    for token in (pair.refresh, "junk"):
        with pytest.raises(TokenRefused):
            authority.check(token, type="refresh")
    assert [one() for one in (live, unasked, revoked, malformed, seconds)] == [2, 1, 1, 1, 3]
    assert 0 < spent() < 3


def test_checks_of_tokens_that_somebody_else_has_verified(
    make_authority: Make, server: Server
) -> None:
    authority = make_authority(server.url, metrics=True, checked_types=("access",))
    live, unasked, revoked = (
        checks("live", "strict"), checks("live", "none"), checks("revoked", "strict")
    )  # fmt: skip
    pair = authority.issue("alice")
    access = authority.tokens.verify(pair.access, authority.clock())
    authority.check_verified(access)
    authority.check_verified(authority.tokens.verify(pair.refresh, authority.clock()))
    authority.logout(access)
    with pytest.raises(TokenRefused):
        authority.check_verified(access)
    assert (live(), unasked(), revoked()) == (1, 1, 1)


def test_an_issuer_that_is_not_reached_is_no_question_to_redis(make_authority: Make) -> None:
    issuer = {"jwks_url": "http://127.0.0.1:9/keys", "audience": "shop"}
    authority = make_authority("memory://", metrics=True, issuers={"https://id.example": issuer})
    unasked, strict = checks("outage", "none"), checks("outage", "strict")
    claims = {"iss": "https://id.example", "sub": "alice"}
    key = rsa.generate_private_key(65537, 2048)
    with pytest.raises(IssuerOutage):
        authority.check(jwt.encode(claims, key, "RS256", headers={"kid": "1"}))
    assert (unasked(), strict()) == (1, 0)


def test_lost_data(make_authority: Make, server: Server) -> None:
    authority, losses = make_authority(server.url, metrics=True), Change("data_lost_total")
    token = authority.issue("alice").access
    with server.client() as client:
        client.flushall()
    until = time.monotonic() + 10
    while not losses():
        assert time.monotonic() < until
        time.sleep(0.1)
        with suppress(TokenRefused):
            authority.check(token)
    assert losses() == 1


def test_an_outage_and_the_breaker(make_authority: Make) -> None:
    server = Server(BINARIES["valkey"])
    try:
        authority = make_authority(server.url, metrics=True, breaker_pause=0.01)
        allowing = make_authority("unix:///nowhere/socket", metrics=True, on_outage="allow")
        token = authority.issue("alice").access
        outage, denied = checks("outage", "strict"), Change("outages_total", answer="deny")
        allowed, wrote = (Change("outages_total", answer=one) for one in ("allow", "write"))
        server.kill()
        for failures in range(1, 5):
            with pytest.raises(Outage):
                authority.check(token)
            assert value("breaker_open") == (failures >= 3)
        allowing.check(token)
        with pytest.raises(Outage):
            authority.block("alice")
        assert [outage(), denied(), allowed(), wrote()] == [4, 4, 1, 1]
        server.start()
        until = time.monotonic() + 10
        while value("breaker_open"):
            assert time.monotonic() < until
            time.sleep(0.02)
            with pytest.raises((Outage, TokenRefused)):
                authority.check(token)
    finally:
        server.close()


def test_revocations_by_reason(make_authority: Make) -> None:
    clock = Clock(time.time())
    authority = make_authority("memory://", metrics=True, refresh_grace=0, clock=clock)
    told = (backchannel_logout.REASON, security_events.REASON)
    reasons = ("logout", "other", "displaced", "reused", "logout_everywhere", "blocked", *told)
    found = {reason: Change("revocations_total", reason=reason) for reason in reasons}
    reused = Change("reuse_detected_total")
    authority.logout(authority.issue("alice").access)
    for number in range(20):
        authority.logout_session("alice", "S", reason=f"ticket-{number}")
    for reason in told:
        authority.logout_session("alice", "S", reason=reason)
    authority.issue("alice", device_id="D")
    pair = authority.issue("alice", device_id="D")
    authority.rotate(pair.refresh)
    with pytest.raises(TokenRefused):
        authority.rotate(pair.refresh)
    authority.logout_everywhere("alice")
    authority.block("alice")
    assert {reason: one() for reason, one in found.items()} == dict.fromkeys(reasons, 1) | {
        "other": 20
    }
    assert reused() == 1


def test_another_app_without_metrics_is_not_counted(make_authority: Make) -> None:
    make_authority("memory://", metrics=True)
    quiet = make_authority("memory://")
    live, ended = checks("live", "strict"), Change("revocations_total", reason="logout")
    quiet.logout(quiet.check(quiet.issue("alice").access))
    assert (live(), ended()) == (0, 0)


def test_the_near_cache_and_the_age_of_its_lease(make_authority: Make, server: Server) -> None:
    authority = make_authority(server.url, metrics=True, near_cache_staleness=5)
    near, strict = checks("live", "near"), checks("live", "strict")
    leases, age = Change("lease_age_seconds_count"), Change("lease_age_seconds_sum")
    seconds = Change("check_seconds_count", source="near")
    token = authority.issue("alice").access
    until = time.monotonic() + 20
    while near() < 10:
        authority.check(token)
        assert time.monotonic() < until
    assert leases() == seconds() == near() == 10
    assert strict() >= 1
    assert 0 < age() < 10 * 5
    revoked = checks("revoked", "strict")
    authority.revoke(token)
    with pytest.raises(TokenRefused):
        authority.check(token)
    assert (near(), revoked()) == (10, 1)


def test_without_the_setting_a_check_is_the_method_itself(make_authority: Make) -> None:
    off, on = make_authority("memory://"), make_authority("memory://", metrics=True)
    assert "check" not in vars(off)
    assert "check" in vars(on)
    begun = make_authority("memory://", near_cache_staleness=1)._near.begin("alice")
    assert type(begun) is NearVerdict


PROGRAM = """
import sys, flask, redis, jwt
before = set(sys.modules)  # redis-py imports what there is of OpenTelemetry
import flask_jwt_revoke
app = flask.Flask("app")
app.config.update(SECRET_KEY="x" * 32, JWT_REVOKE_REDIS_URL="redis://localhost")
flask_jwt_revoke.JWTRevoke(app)
import flask_jwt_revoke.cli
optional = ("prometheus_client", "opentelemetry")
print([one for one in set(sys.modules) - before if one.startswith(optional)])
sys.modules[sys.argv[1]] = None
app.config[sys.argv[2]] = True
app.extensions.clear()
flask_jwt_revoke.JWTRevoke(app)
"""


@pytest.mark.parametrize(
    ("package", "setting", "extra"),
    [
        ("prometheus_client", "JWT_REVOKE_METRICS", "metrics"),
        ("opentelemetry.trace", "JWT_REVOKE_TRACING", "tracing"),
    ],
)
def test_nothing_is_imported_unless_it_is_asked_for(package: str, setting: str, extra: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, package, setting],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == "[]\n"
    last = done.stderr.splitlines()[-1]
    assert f"{setting} needs" in last
    assert last.endswith(f"pip install 'flask-jwt-revoke[{extra}]'")


def samples() -> dict[str, tuple[str, ...]]:
    """Each sample that is scraped, with its labels."""
    found = {}
    for one in vars(metrics).values():
        for family in one.describe() if isinstance(one, MetricWrapperBase) else ():
            suffixes = {
                "counter": ("_total",),
                "gauge": ("",),
                "histogram": ("_bucket", "_sum", "_count"),
            }
            for suffix in suffixes[family.type]:
                found[family.name + suffix] = one._labelnames
    return found


def test_the_page_names_each_metric_and_its_labels() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(jwt_revoke_\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    documented = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, _, labels in rows}
    scraped = {
        re.sub("_(bucket|sum|count)$", "", name): labels for name, labels in samples().items()
    }
    assert documented == scraped


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    board = json.loads((ROOT / "docs" / "grafana.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert len(queries) >= 8
    asked = {name for query in queries for name in re.findall(r"jwt_revoke_\w+", query)}
    assert asked <= samples().keys()
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in samples()}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in asked} == families
    for query in queries:
        for labels in re.findall(r"by \(([^)]*)\)", query):
            known = {label for names in samples().values() for label in names} | {"le"}
            assert set(re.findall(r"\w+", labels)) <= known
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
