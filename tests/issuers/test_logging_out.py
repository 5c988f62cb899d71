"""Outside tokens that are listed, revoked and logged out, seen or not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_jwt_revoke import Authority, ReusedToken, WrongType, signals
from flask_jwt_revoke.store import Transaction, mark
from flask_jwt_revoke.store.feed import NONE

from ..conftest import Clock, store_of
from ..live import is_live
from ..servers import Proxy, Server
from .conftest import SHOP
from .provider import Provider

MakeDoor = Callable[..., Authority]
BANK = "https://bank.example"
ALICE = f"{SHOP}#alice"
BASE = "jwtrevoke:{https%3A//id.example/realms/shop#alice}:"


@pytest.fixture
def clock() -> Clock:
    return Clock(float(int(time.time())))


def test_a_token_is_listed_once_it_was_seen(
    make_door: MakeDoor, provider: Provider, url: str, clock: Clock
) -> None:
    door = make_door(url, provider, clock=clock)
    token = provider.sign(sid="phone", iat=clock.now)
    assert door.sessions(ALICE) == []
    door.check(token)
    assert [one.id for one in door.sessions(ALICE)] == ["phone"]
    client = store_of(door)
    assert client.zrange(f"{BASE}tokens", 0, -1) == [b"1"]
    assert not client.exists(f"{BASE}version")
    clock.now += 1
    assert door.logout_everywhere(ALICE) == 1
    assert not is_live(door, token)
    assert door.sessions(ALICE) == []


def test_logging_out_everywhere_ends_tokens_that_nobody_has_seen(
    make_door: MakeDoor, provider: Provider, url: str, clock: Clock
) -> None:
    door = make_door(url, provider, clock=clock)
    before = [provider.sign(jti=str(n), iat=clock.now - n, sid=f"s{n}") for n in range(3)]
    without = provider.sign(jti="without iat", iat=None)
    clock.now += 0.3
    assert door.logout_everywhere(ALICE, reason="password_changed") == 0
    second = int(clock.now)
    found = store_of(door).get(f"{BASE}not-before")
    assert found == f"password_changed@{second}".encode()
    assert not any(is_live(door, token) for token in [*before, without])
    same_second = provider.sign(jti="same", iat=second)
    in_it = provider.sign(jti="in it", iat=second + 0.999)
    clock.now += 2
    after = provider.sign(jti="after", iat=second + 1)
    assert [is_live(door, one) for one in (same_second, in_it, after)] == [False, False, True]
    assert not is_live(door, without)
    assert is_live(door, provider.sign(sub="bob", iat=second))


@pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
def test_each_verb_under_each_strategy(
    make_authority: Callable[..., Authority], provider: Provider, strategy: str, clock: Clock
) -> None:
    issuers = {SHOP: provider.settings()}
    settings = {"clock": clock, "strategy": strategy, "issuers": issuers}
    door = make_authority("memory://", **settings)
    other = make_authority(None, redis=door.store.client, **settings)
    tokens = {
        name: provider.sign(jti=name, sid=f"session of {name}", iat=clock.now)
        for name in ("revoked", "logged out", "by its session", "left", "other", "blocked")
    }
    for token in tokens.values():
        assert is_live(door, token)
        assert is_live(other, token)
    door.revoke(tokens["revoked"])
    door.logout(tokens["logged out"])
    door.logout_session(ALICE, "session of by its session")
    refused = ["revoked", "logged out", "by its session"]
    assert [name for name, one in tokens.items() if not is_live(other, one)] == refused
    again = provider.sign(jti="issued later", sid="session of logged out", iat=clock.now + 2)
    clock.now += 2
    assert not is_live(other, again)
    door.logout_others(ALICE, keep="session of left")
    assert [name for name, one in tokens.items() if is_live(other, one)] == ["left"]
    door.block(ALICE)
    assert not is_live(other, tokens["left"])
    door.unblock(ALICE)
    assert is_live(other, tokens["left"])
    assert is_live(other, provider.sign(sub="bob", iat=clock.now))
    assert door.logout_everywhere(ALICE) == 1
    assert not is_live(other, tokens["left"])


def test_leeway_is_how_far_the_issuers_clock_may_be_ahead(
    make_door: MakeDoor, provider: Provider, clock: Clock
) -> None:
    door = make_door("memory://", provider, clock=clock, leeway=5)
    door.logout_everywhere(ALICE)
    second = int(clock.now)
    clock.now += 10
    issued = {n: provider.sign(jti=str(n), iat=second + n) for n in (0, 5, 5.9, 6)}
    assert [n for n, token in issued.items() if is_live(door, token)] == [6]


def test_the_not_before_outlives_all_that_it_refuses(
    make_authority: Callable[..., Authority], provider: Provider, server: Server, clock: Clock
) -> None:
    issuers = {SHOP: provider.settings(lifetime=3600)}
    door = make_authority(server.url, clock=clock, leeway=7, issuers=issuers)
    clock.now += 0.5
    started = time.monotonic()
    door.logout_everywhere(ALICE)
    ttl = store_of(door).pttl(f"{BASE}not-before") / 1000
    passed = time.monotonic() - started
    # Issued at the end of the last second that is refused, and accepted for a leeway longer.
    last = int(clock.now + 7) + 1 + 3600 + 7
    assert last - clock.now - passed - 0.01 < ttl <= last - clock.now


@pytest.mark.parametrize("verb", ["logout", "logout_session", "end_listed", "logout_others"])
def test_the_entry_of_a_session_outlives_tokens_of_it_that_nobody_has_seen(
    make_authority: Callable[..., Authority],
    provider: Provider,
    server: Server,
    clock: Clock,
    verb: str,
) -> None:
    issuers = {SHOP: provider.settings(lifetime=3600)}
    door = make_authority(server.url, clock=clock, leeway=7, issuers=issuers)
    seen = provider.sign(sid="s", iat=clock.now, exp=clock.now + 60)
    door.check(seen)
    verbs: dict[str, Callable[[], object]] = {
        "logout": lambda: door.logout(seen),
        "logout_session": lambda: door.logout_session(ALICE, "s"),
        "end_listed": lambda: door.end_listed(ALICE, "s"),
        "logout_others": lambda: door.logout_others(ALICE, keep="another"),
    }
    started = time.monotonic()
    verbs[verb]()
    ttl = store_of(door).pttl(f"{BASE}revoked:s") / 1000
    # Of a clock that is a leeway ahead, and accepted for a leeway longer.
    assert 3600 + 7 + 7 - (time.monotonic() - started) - 0.01 < ttl <= 3600 + 7 + 7


def test_a_clock_that_goes_back_brings_nothing_back(
    make_door: MakeDoor, provider: Provider, url: str, clock: Clock
) -> None:
    door = make_door(url, provider, clock=clock)
    clock.now += 100
    door.logout_everywhere(ALICE)
    token = provider.sign(iat=clock.now - 1)
    clock.now -= 50
    door.logout_everywhere(ALICE)
    clock.now += 60
    assert not is_live(door, token)


def test_a_not_before_that_nobody_can_read_refuses(
    make_door: MakeDoor, provider: Provider, clock: Clock
) -> None:
    door = make_door("memory://", provider, clock=clock)
    store_of(door).set(f"{BASE}not-before", "yesterday")
    assert not is_live(door, provider.sign(iat=clock.now))
    door.logout_everywhere(ALICE)
    clock.now += 2
    assert is_live(door, provider.sign(iat=clock.now))


def test_two_issuers_and_the_app_each_have_their_own_alice(
    make_authority: Callable[..., Authority],
    make_provider: Callable[..., Provider],
    url: str,
    clock: Clock,
) -> None:
    shop, bank = make_provider(SHOP), make_provider(BANK, "ES256")
    issuers = {SHOP: shop.settings(), BANK: bank.settings(algorithms="ES256")}
    door = make_authority(url, clock=clock, issuers=issuers)
    tokens = {
        ALICE: shop.sign(jti="same", sid="same", iat=clock.now),
        f"{BANK}#alice": bank.sign(jti="same", sid="same", iat=clock.now),
        "alice": door.issue("alice").access,
    }
    assert {name: door.check(token).subject for name, token in tokens.items()} == {
        name: name for name in tokens
    }
    for ended in list(tokens):
        clock.now += 1
        door.logout_everywhere(ended)
        token = tokens.pop(ended)
        assert not is_live(door, token)
        assert all(is_live(door, one) for one in tokens.values())


def test_an_outside_token_is_no_refresh_token(
    make_door: MakeDoor, provider: Provider, clock: Clock
) -> None:
    door = make_door("memory://", provider, clock=clock)
    with pytest.raises(WrongType):
        door.rotate(provider.sign(type="refresh", ver=1, sid="s", fresh=True, iat=clock.now))
    assert not issubclass(WrongType, ReusedToken)


def test_recording_by_hand(make_door: MakeDoor, provider: Provider, clock: Clock) -> None:
    door = make_door("memory://", provider, clock=clock)
    for number, form in enumerate((str, lambda token: door.check(token).claims, door.check)):
        token = provider.sign(jti=str(number), iat=clock.now)
        door.record(form(token))
    assert store_of(door).zrange(f"{BASE}tokens", 0, -1) == [b"0", b"1", b"2"]


# What it costs


@pytest.fixture
def wire(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server)
    yield proxy
    proxy.close()


def test_promise_2_a_check_is_one_round_trip_and_only_the_first_writes(
    make_door: MakeDoor, provider: Provider, server: Server, wire: Proxy, clock: Clock
) -> None:
    door, other = (make_door(wire.url, provider, clock=clock) for _ in range(2))
    token = provider.sign(sid="s", iat=clock.now)
    heard: list[str] = []
    with signals.token_issued.connected_to(lambda _, event: heard.append(event.reason)):
        door.check(token)
        wire.forget()
        for _ in range(5):
            door.check(token)
        assert wire.round_trips == 5
        # Another process connects, sees that it is listed, and writes nothing.
        other.check(token)
        wire.forget()
        other.check(token)
        assert wire.round_trips == 1
    assert heard == ["first_seen"]


def test_an_index_that_was_lost_is_made_good(
    make_door: MakeDoor, provider: Provider, clock: Clock
) -> None:
    door = make_door("memory://", provider, clock=clock)
    token = provider.sign(iat=clock.now, exp=clock.now + 600)
    door.check(token)
    store_of(door).flushall()
    door.check(token)
    assert store_of(door).dbsize() == 0
    clock.now += 61
    door.check(token)
    assert store_of(door).zrange(f"{BASE}tokens", 0, -1) == [b"1"]


def test_a_server_that_takes_no_writes_still_answers(
    make_door: MakeDoor, provider: Provider, server: Server, clock: Clock
) -> None:
    door = make_door(server.url, provider, clock=clock)
    door.issue("alice")
    with server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            for number in range(10):
                assert is_live(door, provider.sign(jti=str(number), iat=clock.now))
        finally:
            client.config_set("maxmemory", 0)
        assert client.exists(f"{BASE}tokens") == 0
    clock.now += 61
    assert is_live(door, provider.sign(jti="0", iat=int(clock.now) - 61))
    assert [jti for jti, _ in door.store.listed(ALICE)] == ["0"]


def test_nothing_is_kept_of_a_token_that_is_refused(
    make_door: MakeDoor, provider: Provider, server: Server, clock: Clock
) -> None:
    door = make_door(server.url, provider, clock=clock)
    token = provider.sign(sid="s", iat=clock.now)
    door.logout_everywhere(ALICE)
    for _ in range(3):
        assert not is_live(door, token)
    assert store_of(door).keys(f"{BASE}*") == [f"{BASE}not-before".encode()]
    bob = f"{SHOP}#bob"
    door.block(bob)
    assert not is_live(door, provider.sign(sub="bob", iat=clock.now))
    assert door.store.listed(bob) == []


def test_own_subjects_are_written_and_asked_as_without_issuers(
    make_authority: Callable[..., Authority], provider: Provider, server: Server
) -> None:
    seen: list[Any] = []
    for settings in ({}, {"issuers": {SHOP: provider.settings()}}):
        door = make_authority(server.url, **settings)
        pair = door.issue("alice")
        door.check(pair.access)
        door.logout_everywhere("alice")
        client = store_of(door)
        seen.append(sorted(key[:20] for key in client.scan_iter()))
        client.flushall()
    assert seen[0] == seen[1]
    assert not any(b"not-before" in key for key in seen[1])


# Log out everywhere while a token is first seen


def test_what_is_first_seen_while_all_is_logged_out_is_not_listed_afterwards(
    make_door: MakeDoor, provider: Provider, server: Server, clock: Clock
) -> None:
    door, other = (make_door(server.url, provider, clock=clock) for _ in range(2))
    token = provider.sign(sid="s", iat=clock.now)
    record = door._ledger.record

    def late(*token: Any) -> None:
        other.logout_everywhere(ALICE)
        record(*token)

    door._ledger = _Late(door._ledger, late)
    door.check(token)
    assert not is_live(door, token)
    assert other.sessions(ALICE) == []
    assert store_of(door).zcard(f"{BASE}tokens") == 0


class _Late:
    def __init__(self, ledger: Any, record: Callable[..., None]) -> None:
        self._ledger, self.record = ledger, record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def test_a_log_out_between_reading_and_writing_is_seen(
    make_door: MakeDoor,
    provider: Provider,
    url: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    door = make_door(url, provider, clock=clock)
    begin, begun = Transaction.begin, []

    def late(transaction: Transaction) -> None:
        begun.append(transaction)
        if len(begun) == 1:
            door.logout_everywhere(ALICE)
        begin(transaction)

    monkeypatch.setattr(Transaction, "begin", late)
    door.check(provider.sign(sid="s", iat=clock.now))
    assert len(begun) > 1
    assert door.sessions(ALICE) == []
    assert door.store.listed(ALICE) == []


def test_races_of_first_seen_and_logging_out(
    make_door: MakeDoor, provider: Provider, server: Server
) -> None:
    doors = [make_door(server.url, provider) for _ in range(4)]
    iat = int(time.time()) - 1
    tokens = [provider.sign(jti=str(n), sid=f"s{n}", iat=iat) for n in range(40)]

    def see(door: Authority, some: list[str]) -> None:
        for token in some:
            is_live(door, token)

    threads = [
        threading.Thread(target=see, args=(door, tokens[number::3]))
        for number, door in enumerate(doors[:3])
    ]
    for one in threads:
        one.start()
    time.sleep(0.02)
    doors[3].logout_everywhere(ALICE)
    for one in threads:
        one.join()
    assert not any(is_live(door, token) for door in doors for token in tokens)
    assert doors[3].sessions(ALICE) == []
    assert doors[3].store.listed(ALICE) == []


# For people who look


def test_an_explanation_names_the_not_before(
    make_door: MakeDoor, provider: Provider, clock: Clock
) -> None:
    door = make_door("memory://", provider, clock=clock)
    token = provider.sign(iat=clock.now)
    assert door.explain(token).live
    door.logout_everywhere(ALICE)
    found = door.explain(token)
    assert (found.live, found.key) == (False, f"{BASE}not-before")
    assert found.because == mark("logout_everywhere", clock.now)
    assert [one.name for one in found.steps if one.outcome == "refused"] == ["not-before"]
    clock.now += 2
    assert door.explain(provider.sign(iat=clock.now)).live
    assert door.explain(provider.sign(aud="bank")).reason == "wrong_audience"


def test_a_repair_leaves_an_outside_session_alone(
    make_authority: Callable[..., Authority], provider: Provider, clock: Clock
) -> None:
    door = make_authority(
        "memory://", clock=clock, strategy="allowlist", issuers={SHOP: provider.settings()}
    )
    token = provider.sign(sid="s", iat=clock.now)
    door.check(token)
    store_of(door).delete(f"{BASE}tokens")
    found = door.repair(ALICE)
    assert (found.ended, list(found.unindexed)) == ((), ["1"])
    assert is_live(door, token)


def test_the_near_cache_hears_of_an_outside_subject(
    make_authority: Callable[..., Authority], provider: Provider, server: Server
) -> None:
    issuers = {SHOP: provider.settings()}
    near = make_authority(server.url, near_cache_staleness=30, issuers=issuers)
    other = make_authority(server.url, issuers=issuers)
    token = provider.sign(iat=int(time.time()) - 1)
    # Long before the verdict would be asked for again by itself.
    until = time.monotonic() + 25
    while near._near._feed.subscription() is NONE:
        assert is_live(near, token)
        assert time.monotonic() < until
        time.sleep(0.01)
    assert is_live(near, token)
    other.logout_everywhere(ALICE)
    while is_live(near, token):
        assert time.monotonic() < until
        time.sleep(0.01)
