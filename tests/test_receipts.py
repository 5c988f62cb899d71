"""Messages of an outside issuer, on each kind of store."""

from __future__ import annotations

import time
from collections.abc import Callable

import jwt
import pytest

from flask_jwt_revoke import Authority, Outage, RevokedToken, WrongIssuer

from .conftest import Clock, store_of

Make = Callable[..., Authority]

IDP = "https://id.example"
KEY = "a key that this issuer and the app share: 32 bytes."
ISSUERS = {IDP: {"keys": {"1": KEY}, "algorithms": ["HS256"], "audience": "shop"}}


def signed(**claims: object) -> str:
    now = int(time.time())
    good = {"iss": IDP, "aud": "shop", "sub": "alice", "jti": "A1", "iat": now, "exp": now + 600}
    return jwt.encode(good | claims, KEY, headers={"kid": "1"})


@pytest.fixture
def door(make_authority: Make, url: str) -> Authority:
    return make_authority(url, issuers=ISSUERS, clock=Clock(int(time.time()) + 30), timeout=2)


def test_a_message_is_acted_upon_once(door: Authority) -> None:
    done: list[str] = []

    def tell(issuer: str) -> bool:
        return door.once(issuer, "M1", 60, lambda: done.append(issuer))

    assert tell(IDP)
    assert tell("https://other.example")
    assert not tell(IDP)
    assert done == [IDP, "https://other.example"]
    key = door.keys.received(f"{IDP}#", "M1")
    assert store_of(door).get(key).startswith(b"done@")
    assert 0 < store_of(door).pttl(key) <= 60_000


def test_one_whose_act_failed_is_acted_upon_when_it_comes_again(door: Authority) -> None:
    def fail() -> None:
        raise Outage()

    with pytest.raises(Outage):
        door.once(IDP, "M1", 60, fail)
    with pytest.raises(Outage):
        door.once(IDP, "M1", 60, lambda: None)
    key = door.keys.received(f"{IDP}#", "M1")
    assert 0 < store_of(door).pttl(key) <= 5_000
    store_of(door).delete(key)
    assert door.once(IDP, "M1", 60, lambda: None)


def test_a_session_of_an_issuer_ends_whoevers_it_is(door: Authority) -> None:
    seen, unseen = signed(sid="S1"), signed(sid="S1", sub="bob", jti="B1")
    other = signed(sid="S2", jti="A2")
    assert door.check(seen)
    door.logout_outside_session(IDP, "S1")
    for token in (seen, unseen):
        with pytest.raises(RevokedToken):
            door.check(token)
        assert door.explain(token).key == door.keys.revoked(f"{IDP}#", "S1")
    assert door.check(other)
    assert door.explain(other).live
    # As long as a token of the issuer can live.
    assert store_of(door).pttl(door.keys.revoked(f"{IDP}#", "S1")) > 29 * 24 * 3600 * 1000


def test_a_token_of_an_issuer_ends_whoevers_it_is(door: Authority) -> None:
    door.revoke_outside_token(IDP, "A1")
    with pytest.raises(RevokedToken):
        door.check(signed())
    assert door.check(signed(jti="A2"))
    own = door.issue("alice")
    assert door.check(own.access)


def test_an_unknown_issuer_ends_nothing(door: Authority) -> None:
    with pytest.raises(WrongIssuer):
        door.logout_outside_session("https://other.example", "S1")
    with pytest.raises(WrongIssuer):
        door.revoke_outside_token("https://other.example", "A1")
    assert store_of(door).keys("*") == []
