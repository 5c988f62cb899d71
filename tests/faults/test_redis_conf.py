"""The lines of docs/redis.md, on real servers: taken by each, and doing what the page says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import redis

from flask_jwt_revoke import Authority, Outage
from flask_jwt_revoke.store.client import no_retry

from ..conftest import missing
from ..live import is_live, until
from ..redis_page import lines, options
from ..servers import BINARIES, Server

Make = Callable[..., Authority]


@pytest.fixture(params=["valkey", "redis", "debian"])
def binary(request: pytest.FixtureRequest) -> str:
    found = BINARIES[request.param]
    if found is None:
        missing("Debian's redis-server")
    return str(found)


@pytest.fixture
def recommended(binary: str) -> Iterator[Server]:
    with closing(Server(binary, *options("server"))) as server:
        yield server


def test_each_line_is_in_force(recommended: Server) -> None:
    with recommended.client() as client:
        for line in lines("server"):
            name, *values = line.split()
            (found,) = client.config_get(name).values()
            if name == "client-output-buffer-limit":
                values = ["pubsub", str(32 << 20), str(8 << 20), "60"]
            assert " ".join(values) in found


def test_a_full_server_forgets_nothing(make_authority: Make, recommended: Server) -> None:
    authority = make_authority(recommended.url)
    live, gone = authority.issue("alice"), authority.issue("alice")
    authority.revoke(gone.access)
    with recommended.client() as client:
        keys = client.dbsize()
        client.config_set("maxmemory", 1)
        for verb in (lambda: authority.issue("bob"), lambda: authority.logout(live.access)):
            with pytest.raises(Outage):
                verb()
        assert client.dbsize() == keys
    assert is_live(authority, live.access)
    assert not is_live(authority, gone.access)


def test_a_crash_loses_nothing_that_was_acknowledged(
    make_authority: Make, recommended: Server
) -> None:
    authority = make_authority(recommended.url)
    live, gone = authority.issue("alice"), authority.issue("alice")
    authority.revoke(gone.access)
    recommended.kill()
    recommended.start()
    assert is_live(authority, live.access)
    assert not is_live(authority, gone.access)


def test_idle_connections_that_the_server_closes_are_no_outage(make_authority: Make) -> None:
    with closing(Server(BINARIES["valkey"], "--save", "", "--timeout", "1")) as server:
        authority = make_authority(server.url)
        pair = authority.issue("alice")
        authority.check(pair.access)
        until(lambda: clients(server) == 1)
        assert is_live(authority, pair.access)
        until(lambda: clients(server) == 1)
        authority.revoke(pair.access)
        assert not is_live(authority, pair.access)


def clients(server: Server) -> int:
    with server.client() as client:
        return client.info("clients")["connected_clients"]


def test_without_a_replica_a_primary_takes_no_write_and_answers_checks(
    make_authority: Make, recommended: Server
) -> None:
    authority = make_authority(recommended.url)
    live, gone = authority.issue("alice"), authority.issue("alice")
    authority.revoke(gone.access)
    with recommended.client() as client:
        for line in lines("replicas"):
            client.config_set(*line.split())
    with pytest.raises(Outage):
        authority.revoke(live.access)
    assert is_live(authority, live.access)
    assert not is_live(authority, gone.access)


def test_the_other_users_are_shut_out(make_authority: Make, binary: str) -> None:
    with closing(Server(binary, "--save", "", *options("others"))) as server:
        with server.client(retry=no_retry()) as nobody, pytest.raises(redis.AuthenticationError):
            nobody.get("jwtrevoke:{alice}:version")
        authority = make_authority(server.url)
        assert is_live(authority, authority.issue("alice").access)
