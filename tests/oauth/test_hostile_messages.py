"""Logout tokens and events that an issuer has signed, of anything: no 500, and no stray key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..conftest import Clock
from ..issuers.provider import Provider
from ..servers import Server
from .conftest import IDP
from .examples import BACKCHANNEL, SESSION_REVOKED

MakeApp = Callable[..., Flask]

TEXTS = st.sampled_from(
    ["", "alice", "a:b{c}%d", "\x00", "\n", "é", "x" * 300, "*", "#", "\ud800", IDP]
) | st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.dictionaries(
    st.sampled_from([BACKCHANNEL, SESSION_REVOKED]) | TEXTS, st.just({}) | JSON, max_size=3
)
IDS = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(["iss_sub", "opaque", "jwt_id", "complex"]) | TEXTS,
        "iss": st.just(IDP) | TEXTS,
        "sub": TEXTS | JSON,
        "jti": TEXTS | JSON,
        "id": TEXTS | JSON,
        "user": st.just({"format": "opaque", "id": "bob"}) | JSON,
        "session": st.just({"format": "opaque", "id": "S1"}) | JSON,
    },
)
ODD = {
    "sub": TEXTS | JSON, "sid": TEXTS | JSON, "jti": TEXTS | JSON, "aud": JSON, "exp": JSON,
    "iat": JSON, "events": EVENTS | JSON, "nonce": JSON, "sub_id": IDS | JSON,
}  # fmt: skip


def test_what_an_issuer_signs_is_answered(
    make_endpoints: MakeApp, provider: Provider, clock: Clock, server: Server
) -> None:
    client = make_endpoints().test_client()
    seen: set[tuple[str, int]] = set()
    now = int(clock())
    good = {
        "iss": IDP, "aud": ["s6BhdRkqt3", "shop-events"], "jti": "M1", "iat": now, "exp": now + 60,
        "events": {BACKCHANNEL: {}, SESSION_REVOKED: {}},
        "sub_id": {"format": "opaque", "id": "alice"},
    }  # fmt: skip

    @settings(
        max_examples=150,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.sampled_from(sorted(ODD)), max_size=3).flatmap(_odd), st.text(max_size=8))
    def tell(odd: dict[str, Any], id: str) -> None:
        claims = good | {"jti": id or "M1"} | odd
        for path, typ, sent in [
            ("backchannel-logout", "logout+jwt", lambda token: {"data": {"logout_token": token}}),
            ("security-events", "secevent+jwt", _pushed),
        ]:
            token = provider.sign(header={"typ": typ}, **claims)
            with server.client() as redis:
                answer = client.post(f"/oauth/{path}", **sent(token))
                assert answer.status_code in (200, 202, 400)
                added = set(redis.keys("*")) - {b"jwtrevoke:canary"}
                assert not (added and answer.status_code == 400)
                assert added == set(redis.keys("jwtrevoke:{https%3A//id.example#*}:*"))
                assert all(redis.pttl(key) > 0 for key in added)
                redis.flushall()
            seen.add((path, answer.status_code))

    tell()
    assert {("backchannel-logout", 200), ("security-events", 202)} < seen


def _odd(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: ODD[name] for name in names})


def _pushed(token: str) -> dict[str, Any]:
    return {"data": token, "headers": {"Content-Type": "application/secevent+jwt"}}
