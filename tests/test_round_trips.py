"""Promise 2: a check is one round trip. What the server ran, and how often the client waited."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from flask import Flask

from flask_jwt_revoke import Authority, RevokedToken, TokenRefused

from .conftest import SECRET, Clock
from .servers import Proxy, Server

Make = Callable[..., Authority]
MakeApp = Callable[..., Flask]


@pytest.fixture
def wire(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server)
    yield proxy
    proxy.close()


class Ledger:
    """What the server has run since ``forget``, by name, and the client's round trips."""

    def __init__(self, server: Server, wire: Proxy) -> None:
        self._client, self._wire = server.client(), wire
        self.forget()

    def forget(self) -> None:
        self._client.config_resetstat()
        self._wire.forget()

    @property
    def commands(self) -> Counter[str]:
        found = self._client.info("commandstats").items()
        calls = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in found}
        return Counter({k: v for k, v in calls.items() if k not in ("config|resetstat", "info")})

    @property
    def round_trips(self) -> int:
        return self._wire.round_trips

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def ledger(server: Server, wire: Proxy) -> Iterator[Ledger]:
    ledger = Ledger(server, wire)
    yield ledger
    ledger.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def outside(**claims: object) -> dict[str, Any]:
    return {"sub": "alice", "jti": "J1", "exp": int(time.time()) + 900, **claims}


@pytest.mark.parametrize(
    ("strategy", "own"), [("blacklist", {}), ("version", {}), ("allowlist", {"zscore": 1})]
)
def test_promise_2_a_check_is_one_round_trip(
    make_authority: Make, wire: Proxy, ledger: Ledger, strategy: str, own: dict[str, int]
) -> None:
    authority = make_authority(wire.url, strategy=strategy)
    pair = authority.issue("alice")
    recorded = outside(sid="S1")
    authority.record(recorded)
    authority.check(jwt.encode(recorded, SECRET))
    for token, type, session in (
        (pair.access, "access", {}),
        (jwt.encode(recorded, SECRET), "access", {}),
        # A refresh token is compared with its session's, in the same round trip.
        (pair.refresh, "refresh", {"hget": 1}),
    ):
        ledger.forget()
        authority.check(token, type=type)
        assert ledger.commands == {"mget": 1, **own, **session}
        assert ledger.round_trips == 1


def test_promise_2_that_a_session_was_seen_costs_no_round_trip(
    make_authority: Make, wire: Proxy, ledger: Ledger
) -> None:
    clock = Clock(time.time())
    authority = make_authority(wire.url, clock=clock)
    pair = authority.issue("alice")
    authority.sessions("alice")  # opens the connection for reads
    clock.now += 61
    ledger.forget()
    authority.check(pair.access)
    assert (ledger.commands["eval"], ledger.commands["hset"], ledger.round_trips) == (1, 1, 1)
    ledger.forget()
    clock.now += 58
    authority.check(pair.access)
    assert (ledger.commands, ledger.round_trips) == ({"mget": 1}, 1)


@pytest.mark.parametrize("verb", ["revoke", "logout", "logout_everywhere"])
def test_promise_2_refusing_is_one_command_too(
    make_authority: Make, wire: Proxy, ledger: Ledger, verb: str
) -> None:
    authority = make_authority(wire.url)
    pair = authority.issue("alice")
    getattr(authority, verb)("alice" if verb == "logout_everywhere" else pair.access)
    authority.sessions("alice")  # opens the connection for reads
    ledger.forget()
    with pytest.raises(RevokedToken):
        authority.check(pair.access)
    assert (ledger.commands, ledger.round_trips) == ({"mget": 1}, 1)


def test_promise_2_the_first_check_asks_for_nothing_else(
    make_authority: Make, server: Server, wire: Proxy, ledger: Ledger
) -> None:
    """No HELLO, CLIENT SETINFO or SELECT comes before it, but the password.

    It carries along a look at the canary, as one check does every 1.5 s.
    """
    make_authority(server.url)
    token = jwt.encode(outside(), SECRET)
    ledger.forget()
    make_authority(wire.url).check(token)
    assert (ledger.commands, ledger.round_trips) == ({"auth": 1, "mget": 1, "get": 1}, 2)


def test_promise_2_a_dropped_connection_is_noticed_without_a_question(
    make_authority: Make, server: Server, wire: Proxy, ledger: Ledger
) -> None:
    authority = make_authority(wire.url)
    token = authority.issue("alice").access
    with server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    # The ledger's own client was cut off as well.
    ledger.forget()
    authority.check(token)
    assert ledger.commands == {"auth": 1, "mget": 1}


def test_promise_2_an_unverified_token_costs_nothing(
    make_authority: Make, wire: Proxy, ledger: Ledger
) -> None:
    clock = Clock(time.time())
    authority = make_authority(wire.url, clock=clock)
    pair = authority.issue("alice")
    ledger.forget()
    forged = jwt.encode(outside(), "x" * 64)
    for token in ("", "nonsense", forged, jwt.encode(outside(sub="x" * 257), SECRET), pair.refresh):
        with pytest.raises(TokenRefused):
            authority.check(token)
    clock.now += 901
    with pytest.raises(TokenRefused):
        authority.check(pair.access)
    assert (ledger.commands, ledger.round_trips) == ({}, 0)


@pytest.fixture
def app(make_app: MakeApp, wire: Proxy) -> Flask:
    app = make_app(wire.url)

    def view() -> dict[str, str]:
        return {}

    for name in ("required", "optional", "exempt"):
        app.add_url_rule(f"/{name}", name, getattr(app.revoke, name)(view))
    app.add_url_rule("/plain", "plain", view)
    app.add_url_rule("/twice", "twice", app.revoke.required(app.revoke.required(view)))
    return app


def test_promise_2_a_request_with_a_token_is_one_round_trip(app: Flask, ledger: Ledger) -> None:
    with app.app_context():
        pair = app.revoke.issue("alice")
        app.revoke.sessions("alice")  # opens the connection for reads
    client = app.test_client()
    for path in ("/required", "/optional", "/plain", "/twice"):
        ledger.forget()
        assert client.get(path, headers=bearer(pair.access)).status_code == 200
        assert (ledger.commands, ledger.round_trips) == ({"mget": 1}, 1), path
    with app.app_context():
        app.revoke.logout(pair.access)
    ledger.forget()
    assert client.get("/required", headers=bearer(pair.access)).status_code == 401
    assert (ledger.commands, ledger.round_trips) == ({"mget": 1}, 1)


def test_promise_2_a_request_without_a_token_reads_nothing(app: Flask, ledger: Ledger) -> None:
    client = app.test_client()
    for path, status in {"/required": 401, "/optional": 200, "/plain": 200, "/no": 404}.items():
        assert client.get(path).status_code == status
    assert (ledger.commands, ledger.round_trips) == ({}, 0)


def test_promise_2_a_request_that_is_refused_unread_reads_nothing(
    app: Flask, ledger: Ledger
) -> None:
    with app.app_context():
        pair = app.revoke.issue("alice")
    client = app.test_client()
    ledger.forget()
    forged = jwt.encode(outside(), "x" * 64)
    expired = jwt.encode(outside(exp=5), SECRET)
    for token in ("nonsense", forged, expired, pair.refresh):
        assert client.get("/required", headers=bearer(token)).status_code == 401
    assert client.get("/required", headers={"Authorization": "Bearer"}).status_code == 400
    assert client.get("/exempt", headers=bearer(pair.access)).status_code == 200
    assert client.get("/no", headers=bearer(pair.access)).status_code == 404
    assert client.options("/required", headers=bearer(pair.access)).status_code == 200
    assert (ledger.commands, ledger.round_trips) == ({}, 0)


#: Reads before the transaction count one each, and the transaction counts one.
ROUND_TRIPS = {
    "issue": (lambda a, _: a.issue("alice"), 4),
    "issue on a device": (lambda a, _: a.issue("alice", device_id="D1"), 4),
    "rotate": (lambda a, pair: a.rotate(pair.refresh), 6),
    "block": (lambda a, _: a.block("alice"), 1),
    "record": (lambda a, _: a.record(outside(jti="J2")), 4),
    "record in a session": (lambda a, _: a.record(outside(jti="J2", sid="S2")), 6),
    "revoke": (lambda a, pair: a.revoke(pair.access), 1),
    "logout": (lambda a, pair: a.logout(pair.access), 3),
    "logout_session": (lambda a, pair: a.logout_session("alice", pair.session_id), 3),
    "logout_everywhere": (lambda a, _: a.logout_everywhere("alice"), 2),
}


# A longer transaction goes out in pieces, and what the proxy counts would depend on luck.
@pytest.mark.parametrize("sessions", [1, 10])
@pytest.mark.parametrize("verb", ROUND_TRIPS)
def test_a_write_is_one_transaction_and_few_round_trips(
    make_authority: Make, wire: Proxy, ledger: Ledger, verb: str, sessions: int
) -> None:
    """However many sessions there are, a verb waits no more often."""
    authority = make_authority(wire.url)
    # Reads and writes each have a connection, which begins with AUTH.
    authority.sessions("alice")
    pair, *_ = [authority.issue("alice") for _ in range(sessions)]
    call, expected = ROUND_TRIPS[verb]
    ledger.forget()
    call(authority, pair)
    commands = ledger.commands
    assert (commands["multi"], commands["exec"]) == (1, 1)
    assert ledger.round_trips <= expected
    assert not {"keys", "scan", "sscan", "hscan", "zscan"} & commands.keys()


def test_log_out_everywhere_writes_one_entry_a_token(
    make_authority: Make, wire: Proxy, ledger: Ledger
) -> None:
    authority = make_authority(wire.url)
    authority.sessions("alice")
    for _ in range(20):
        authority.issue("alice")
    ledger.forget()
    assert authority.logout_everywhere("alice") == 40
    # One more SET begins the version, should it be missing.
    assert ledger.commands["set"] == 41
    assert sum(ledger.commands.values()) <= 41 + 11


def test_log_out_everywhere_of_very_many_lets_others_in_between(
    make_authority: Make, server: Server, wire: Proxy, ledger: Ledger
) -> None:
    authority = make_authority(wire.url, timeout=5)
    exp = time.time() + 900
    claims = [{"sub": "alice", "jti": f"J{number}", "exp": exp} for number in range(2500)]
    authority.record(claims[0])
    with server.client() as client:
        client.zadd("jwtrevoke:{alice}:tokens", {one["jti"]: exp for one in claims})
    own = authority.issue("alice")
    ledger.forget()
    assert authority.logout_everywhere("alice") == 2502
    assert ledger.commands["exec"] == 45
    # Each tells the near caches: the process may end before the next.
    assert ledger.commands["publish"] == 45
    for one in (claims[0], claims[-1]):
        with pytest.raises(RevokedToken):
            authority.check(jwt.encode(one, SECRET))
    with pytest.raises(RevokedToken):
        authority.check(own.access)
    assert authority.store.listed("alice") == []
