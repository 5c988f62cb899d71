"""The near cache: what is reused, what ends it, and on what proof. Faults: tests/near_cache."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

import pytest
import redis
from flask import Flask

from flask_jwt_revoke import (
    Authority,
    Config,
    ConfigurationError,
    Outage,
    RevokedToken,
    near_cache,
)
from flask_jwt_revoke.near_cache import LONGEST, NearVerdict, Silence, Silences
from flask_jwt_revoke.store import Subscription, feed

from .live import is_live, until
from .servers import BINARIES, Cluster, Sentinel, Server, free_ports

STALENESS = 0.5
#: Longer than a busy machine holds anybody up. Whoever waits for a word waits a shorter time.
LONG = 30
Make = Callable[..., Authority]


@pytest.fixture(autouse=True)
def nobody_listens(server: Server) -> None:
    """The listeners of earlier tests end within a heartbeat."""
    with server.client() as client:
        until(lambda: subscribers(client) == 0)


@pytest.fixture
def make_near(make_authority: Make) -> Make:
    def make(url: str | None, **settings: object) -> Authority:
        return make_authority(url, **{"near_cache_staleness": STALENESS, **settings})

    return make


def asked(client: redis.Redis) -> int:
    found = client.info("commandstats").get("cmdstat_mget", {"calls": 0})
    return found["calls"]


@contextmanager
def interrupted_at(line: int) -> Iterator[None]:
    """Raise at this line of all that run, where there are so many."""

    class Interrupted(Exception):
        pass

    left = line

    def trace(frame: FrameType, event: str, arg: object) -> object:
        nonlocal left
        if event == "line" and frame.f_code.co_filename == near_cache.__file__:
            if not left:
                raise Interrupted
            left -= 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(Interrupted):
            yield
    finally:
        sys.settrace(before)


def subscribers(client: redis.Redis) -> int:
    return client.pubsub_numsub("jwtrevoke:feed")[0][1]


def listening(authority: Authority, client: redis.Redis, count: int = 1) -> None:
    """Have the authority's process listen: it begins with the first check."""
    authority.check(authority.issue("first").access)
    until(lambda: subscribers(client) == count)
    until(lambda: authority._near._feed.subscription().proved > 0)


class TestReuse:
    def test_a_live_verdict_is_reused(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url, near_cache_staleness=LONG)
        with server.client() as client:
            listening(authority, client)
            token = authority.issue("alice").access
            before = asked(client)
            for _ in range(100):
                assert authority.check(token).subject == "alice"
            assert asked(client) == before + 1

    def test_it_is_reused_for_longer_than_the_bound_while_pings_are_answered(
        self, server: Server, make_near: Make
    ) -> None:
        authority = make_near(server.url, near_cache_staleness=2.5)
        with server.client() as client:
            listening(authority, client)
            token = authority.issue("alice").access
            authority.check(token)
            before = asked(client)
            ends = time.monotonic() + 3
            while time.monotonic() < ends:
                authority.check(token)
                time.sleep(0.01)
            assert asked(client) == before

    def test_it_is_off_by_default(self, server: Server, make_authority: Make) -> None:
        authority = make_authority(server.url)
        token = authority.issue("alice").access
        with server.client() as client:
            before = asked(client)
            authority.check(token)
            authority.check(token)
            assert asked(client) == before + 2
            assert subscribers(client) == 0

    def test_strict_goes_past_it(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url, near_cache_staleness=LONG)
        token = authority.issue("alice").access
        authority.check(token)
        with server.client() as client:
            before = asked(client)
            authority.check(token, strict=True)
            assert asked(client) == before + 1
            # Nobody was told, as of a hand in Redis.
            client.incr("jwtrevoke:{alice}:version")
        assert is_live(authority, token)
        with pytest.raises(RevokedToken):
            authority.check(token, strict=True)
        # What it has learnt, it does not forget.
        assert not is_live(authority, token)

    def test_a_refresh_token_is_always_asked_for(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url)
        token = authority.issue("alice").refresh
        with server.client() as client:
            before = asked(client)
            authority.check(token, type="refresh")
            authority.check(token, type="refresh")
            assert asked(client) == before + 2

    def test_a_refused_verdict_is_not_kept(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url)
        authority.block("alice")
        with server.client() as client:
            client.delete("jwtrevoke:{alice}:blocked")
            token = authority.issue("alice").access
            client.set("jwtrevoke:{alice}:blocked", "by-hand@0")
            assert not is_live(authority, token)
            client.delete("jwtrevoke:{alice}:blocked")
        assert is_live(authority, token)

    def test_the_dates_are_looked_at_on_each_use(self, server: Server, make_near: Make) -> None:
        from flask_jwt_revoke import ExpiredToken

        from .conftest import Clock

        clock = Clock(time.time())
        authority = make_near(server.url, clock=clock, access_lifetime=60)
        token = authority.issue("alice").access
        authority.check(token)
        clock.now += 61
        with pytest.raises(ExpiredToken):
            authority.check(token)

    def test_a_view_may_be_strict(self, server: Server, make_app: Callable[..., Flask]) -> None:
        app = make_app(server.url, near_cache_staleness=LONG)

        @app.get("/near")
        @app.revoke.required
        def near() -> str:
            return "near"

        @app.get("/strict")
        @app.revoke.required(strict=True)
        def strict() -> str:
            return "strict"

        with app.test_request_context():
            token = app.revoke.issue("alice").access
        browser = app.test_client()
        headers = {"Authorization": f"Bearer {token}"}
        assert browser.get("/near", headers=headers).status_code == 200
        with server.client() as client:
            client.incr("jwtrevoke:{alice}:version")
        assert browser.get("/near", headers=headers).status_code == 200
        assert browser.get("/strict", headers=headers).status_code == 401
        assert browser.get("/near", headers=headers).status_code == 401

    def test_a_strict_view_stays_strict_behind_a_decorator_that_hides_it(
        self, server: Server, make_app: Callable[..., Flask]
    ) -> None:
        app = make_app(server.url, near_cache_staleness=LONG)

        @app.revoke.required(strict=True)
        def strict() -> str:
            return "strict"

        app.add_url_rule("/hidden", view_func=partial(strict), endpoint="hidden")
        with app.test_request_context():
            token = app.revoke.issue("alice").access
        browser = app.test_client()
        headers = {"Authorization": f"Bearer {token}"}
        assert browser.get("/hidden", headers=headers).status_code == 200
        with server.client() as client:
            client.incr("jwtrevoke:{alice}:version")
        assert browser.get("/hidden", headers=headers).status_code == 401


ENDINGS: dict[str, Callable[[Authority, object], object]] = {
    "revoke": lambda door, pair: door.revoke(pair.access),
    "logout": lambda door, pair: door.logout(pair.access),
    "logout_session": lambda door, pair: door.logout_session("alice", pair.session_id),
    "end_listed": lambda door, pair: door.end_listed("alice", pair.session_id),
    "logout_device": lambda door, pair: door.logout_device("alice", "phone"),
    "logout_others": lambda door, pair: door.logout_others("alice", keep="none"),
    "logout_everywhere": lambda door, pair: door.logout_everywhere("alice"),
    "displaced": lambda door, pair: door.issue("alice", device_id="phone"),
    "block": lambda door, pair: door.block("alice"),
}


@pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
@pytest.mark.parametrize("verb", ENDINGS)
class TestEnding:
    def test_promise_1_the_process_that_revoked_refuses_at_once(
        self, server: Server, make_near: Make, verb: str, strategy: str
    ) -> None:
        authority = make_near(server.url, near_cache_staleness=LONG, strategy=strategy)
        pair = authority.issue("alice", device_id="phone")
        assert is_live(authority, pair.access)
        ENDINGS[verb](authority, pair)
        assert not is_live(authority, pair.access)

    def test_another_process_hears_of_it(
        self, server: Server, make_near: Make, make_authority: Make, verb: str, strategy: str
    ) -> None:
        near = make_near(server.url, near_cache_staleness=LONG, strategy=strategy)
        other = make_authority(server.url, strategy=strategy)
        with server.client() as client:
            near.check(near.issue("first").access)
            until(lambda: subscribers(client))
        until(lambda: near._near._feed.subscription() is not feed.NONE)
        pair = near.issue("alice", device_id="phone")
        assert is_live(near, pair.access)
        ENDINGS[verb](other, pair)
        # Long before the verdict would be asked for again by itself.
        until(lambda: not is_live(near, pair.access))


def test_a_token_that_is_recorded_too_late_is_told_of(
    server: Server, make_near: Make, make_authority: Make
) -> None:
    near, other = make_near(server.url, near_cache_staleness=LONG), make_authority(server.url)
    with server.client() as client:
        listening(near, client)
    spent = other.issue("alice")
    given = {"sub": "alice", "jti": "outside", "exp": time.time() + 60, "type": "access"}
    claims = near.tokens.claims_of(given)
    near.check_verified(claims)
    other.logout_everywhere("alice")
    near.check_verified(claims)
    other.record(given, after=other.verify(spent.refresh))

    def is_refused() -> bool:
        try:
            near.check_verified(claims)
        except RevokedToken:
            return True
        return False

    until(is_refused)


class TestTopologies:
    def test_promise_10_on_a_cluster(self, servers: Callable, make_near: Make) -> None:
        cluster = servers("cluster")
        near, other = make_near(cluster.url), make_near(cluster.url)
        for subject in ("alice", "bob", "carol", "dave"):
            token = near.issue(subject).access
            assert is_live(near, token)
            other.logout_everywhere(subject)
            time.sleep(STALENESS)
            assert not is_live(near, token)

    def test_the_feed_crosses_a_cluster(self, servers: Callable, make_near: Make) -> None:
        cluster: Cluster = servers("cluster")
        near, other = (make_near(cluster.url, near_cache_staleness=LONG) for _ in range(2))
        assert is_live(near, near.issue("first").access)
        until(lambda: near._near._feed.subscription() is not feed.NONE)
        for subject in ("alice", "bob", "carol", "dave", "erin", "frank"):
            token = near.issue(subject).access
            assert is_live(near, token)
            other.logout_everywhere(subject)
            until(lambda token=token: not is_live(near, token))

    @pytest.mark.parametrize("kind", ["cluster", "sentinel"])
    def test_a_ping_proves_nothing_where_others_publish_too(
        self, servers: Callable, make_near: Make, kind: str
    ) -> None:
        if kind == "cluster":
            self._proves_nothing(make_near(servers("cluster").url))
            return
        primary = Server(BINARIES["valkey"], port=free_ports(1)[0])
        sentinel = Sentinel(BINARIES["valkey"], primary.port)
        try:
            self._proves_nothing(make_near(sentinel.url))
        finally:
            sentinel.close()
            primary.close()

    def _proves_nothing(self, near: Authority) -> None:
        token = near.issue("alice").access
        assert is_live(near, token)
        until(lambda: near._near._feed.subscription() is not feed.NONE)
        time.sleep(STALENESS)
        assert near._near._feed.subscription().proved < 0
        assert is_live(near, token)

    def test_memory_needs_no_listener_to_be_right(self, make_near: Make) -> None:
        near = make_near("memory://")
        token = near.issue("alice").access
        assert is_live(near, token)
        near.logout(token)
        assert not is_live(near, token)

    def test_a_client_that_was_handed_in(self, server: Server, make_near: Make) -> None:
        with server.client(decode_responses=True) as handed, server.client() as client:
            near = make_near(None, redis=handed, near_cache_staleness=LONG)
            listening(near, client)
            token = near.issue("alice").access
            assert is_live(near, token)
            make_near(server.url).logout_everywhere("alice")
            until(lambda: not is_live(near, token))

    def test_a_client_of_resp3(self, server: Server, make_near: Make) -> None:
        with (
            redis.Redis(unix_socket_path=str(server.socket), protocol=3) as handed,
            server.client() as client,
        ):
            near = make_near(None, redis=handed, near_cache_staleness=LONG)
            listening(near, client)
            token = near.issue("alice").access
            assert is_live(near, token)
            make_near(server.url).logout_everywhere("alice")
            until(lambda: not is_live(near, token))


class TestListener:
    def test_one_a_process_however_many_threads(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url)
        tokens = [authority.issue(f"s{number}").access for number in range(8)]
        threads = [threading.Thread(target=authority.check, args=(one,)) for one in tokens]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        with server.client() as client:
            until(lambda: subscribers(client) == 1)
            time.sleep(0.05)
            assert subscribers(client) == 1

    def test_it_begins_with_the_first_check(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url)
        authority.issue("alice")
        with server.client() as client:
            time.sleep(0.05)
            assert subscribers(client) == 0

    def test_it_ends_with_close(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url)
        with server.client() as client:
            listening(authority, client)
            authority.close()
            until(lambda: subscribers(client) == 0)

    def test_it_ends_with_its_app(self, server: Server) -> None:
        config = Config.from_mapping(
            {
                "SECRET_KEY": "s" * 32,
                "JWT_REVOKE_REDIS_URL": server.url,
                "JWT_REVOKE_NEAR_CACHE_STALENESS": STALENESS,
            }
        )
        authority = Authority(config)
        with server.client() as client:
            listening(authority, client)
            del authority
            gc.collect()
            until(lambda: subscribers(client) == 0)

    def test_a_child_listens_for_itself(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url)
        with server.client() as client:
            listening(authority, client)
            token = authority.issue("alice").access
            authority.check(token)
            reads, writes = os.pipe()
            child = os.fork()
            if child == 0:  # pragma: no cover - it is another process
                try:
                    os.close(reads)
                    told = [is_live(authority, authority.issue("child").access)]
                    deadline = time.monotonic() + 20
                    while subscribers(client) < 2 and time.monotonic() < deadline:
                        time.sleep(0.01)
                    told.append(is_live(authority, token))
                    os.write(writes, b"r")
                    while is_live(authority, token) and time.monotonic() < deadline:
                        time.sleep(0.001)
                    told.append(not is_live(authority, token))
                    os.write(writes, json.dumps(told).encode())
                finally:
                    os._exit(0)
            os.close(writes)
            assert os.read(reads, 1) == b"r"
            authority.logout_everywhere("alice")
            assert json.loads(os.read(reads, 100)) == [True, True, True]
            os.waitpid(child, 0)
            os.close(reads)

    def test_what_is_no_announcement_is_passed_over(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url)
        with server.client() as client:
            listening(authority, client)
            token = authority.issue("alice").access
            authority.check(token)
            for junk in ("", "{", "[]", "null", "[1]", '{"a": 1}', "[" * 100_000, b"\xff"):
                client.publish("jwtrevoke:feed", junk)
            authority.check(token)
            other = authority._near._feed.subscription()
            proved = other.proved
            until(lambda: other.proved > proved)
            assert is_live(authority, token)

    def test_a_lie_costs_one_question(self, server: Server, make_near: Make) -> None:
        authority = make_near(server.url, near_cache_staleness=LONG)
        with server.client() as client:
            listening(authority, client)
            token = authority.issue("alice").access
            authority.check(token)
            before = asked(client)
            client.publish("jwtrevoke:feed", '["alice","lie@0"]')
            until(lambda: is_live(authority, token) and asked(client) > before)
            for _ in range(10):
                assert is_live(authority, token)
            assert asked(client) == before + 1

    def test_it_listens_again_after_a_restart(self, make_near: Make) -> None:
        server = Server(BINARIES["valkey"])
        try:
            authority = make_near(server.url)
            with server.client() as client:
                listening(authority, client)
                server.kill()
                server.start()
                until(lambda: subscribers(client) == 1)
        finally:
            server.close()

    def test_without_redis_a_verdict_lasts_no_longer_than_the_bound(self, make_near: Make) -> None:
        server, staleness = Server(BINARIES["valkey"]), 1.5
        try:
            authority = make_near(server.url, near_cache_staleness=staleness)
            with server.client() as client:
                listening(authority, client)
            token = authority.issue("alice").access
            authority.check(token)
            server.kill()
            authority.check(token)
            time.sleep(staleness)
            with pytest.raises(Outage):
                authority.check(token)
        finally:
            server.close()


class TestAnnouncement:
    @pytest.fixture
    def heard(self, server: Server) -> Iterator[Callable[[int], list[object]]]:
        """So many announcements, after which there are no others."""
        with server.client() as client, client.pubsub() as pubsub:
            pubsub.subscribe("jwtrevoke:feed")
            assert pubsub.get_message(timeout=20)["type"] == "subscribe"

            def hear(count: int) -> list[object]:
                found = [json.loads(pubsub.get_message(timeout=20)["data"]) for _ in range(count)]
                assert pubsub.get_message(timeout=0.05) is None
                return found

            yield hear

    def test_it_names_subject_mark_and_what_ended(
        self, server: Server, make_authority: Make, heard: Callable[[int], list[list[str]]]
    ) -> None:
        authority = make_authority(server.url)
        pair = authority.issue('a"{li}:ce', claims={})
        assert heard(0) == []
        claims = authority.check(pair.access)
        authority.revoke(pair.access, reason="stolen")
        authority.logout(pair.refresh)
        authority.logout_everywhere('a"{li}:ce')
        first, second, third = heard(3)
        assert (first[0], first[2], first[4:]) == ('a"{li}:ce', claims.expires_at, [claims.id])
        assert first[1].startswith("stolen@")
        assert second[4:] == [pair.session_id]
        assert (third[1].partition("@")[0], third[4:]) == ("logout_everywhere", [])

    def test_a_rotation_says_nothing_and_a_theft_does(
        self, server: Server, make_authority: Make, heard: Callable[[int], list[list[str]]]
    ) -> None:
        authority = make_authority(server.url, refresh_grace=0)
        pair = authority.issue("alice")
        authority.rotate(authority.rotate(pair.refresh).refresh)
        assert heard(0) == []
        from flask_jwt_revoke import ReusedToken

        with pytest.raises(ReusedToken):
            authority.rotate(pair.refresh)
        ((_, mark, _, _, sid),) = heard(1)
        assert (mark.partition("@")[0], sid) == ("reused", pair.session_id)


class TestVerdict:
    """On a clock of the test's: the order in which ``holds`` looks, and its limits."""

    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1000.0]
        monkeypatch.setattr("flask_jwt_revoke.near_cache.steady", lambda: now[0])
        return now

    def test_it_lasts_from_the_question_or_from_the_last_answered_ping(
        self, now: list[float]
    ) -> None:
        subscription = Subscription()
        verdict = NearVerdict(Silences().of("alice"), subscription, 2)
        now[0] += 2
        assert verdict.holds()
        now[0] += 0.001
        assert not verdict.holds()
        subscription.proved = now[0] - 2
        assert verdict.holds()
        now[0] += 0.001
        assert not verdict.holds()

    def test_it_is_asked_for_again_after_half_a_minute(self, now: list[float]) -> None:
        subscription = Subscription()
        verdict = NearVerdict(Silences().of("alice"), subscription, 2)
        now[0] += LONGEST
        subscription.proved = now[0]
        assert verdict.holds()
        now[0] += 0.001
        subscription.proved = now[0]
        assert not verdict.holds()

    def test_a_word_ends_it(self, now: list[float]) -> None:
        silences = Silences()
        verdict = NearVerdict(silences.of("alice"), Subscription(), 2)
        silences.end("bob")
        assert verdict.holds()
        silences.end("alice")
        assert not verdict.holds()
        assert NearVerdict(silences.of("alice"), Subscription(), 2).holds()

    def test_a_word_reaches_what_an_interrupted_end_left(self, now: list[float]) -> None:
        """A handler of a signal raises anywhere; the listener hears the same word afterwards."""
        ended = 0
        for line in range(10):
            silences = Silences()
            verdict = NearVerdict(silences.of("alice"), Subscription(), 2)
            with interrupted_at(line):
                silences.end("alice")
                ended += 1
            silences.end("alice")
            assert not verdict.holds(), line
        assert 0 < ended < 10

    def test_silences_are_bounded_and_what_goes_is_ended(
        self, now: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Silences, "MOST", 3)
        silences = Silences()
        verdicts = [NearVerdict(silences.of(f"s{n}"), Subscription(), 2) for n in range(5)]
        assert [one.holds() for one in verdicts] == [False, False, True, True, True]
        assert len(silences._by_subject) == 3

    def test_a_thread_that_was_held_up_takes_no_new_ping_for_an_old_silence(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The listener hears a word, then a PONG, while ``holds`` looks at the silence."""
        now = [1000.0]
        monkeypatch.setattr("flask_jwt_revoke.near_cache.steady", lambda: now[0])
        subscription = Subscription()

        class HeldUp(Silence):
            @property
            def is_broken(self) -> bool:  # type: ignore[override]
                now[0] += 10
                subscription.proved = now[0]
                return False

        verdict = NearVerdict(HeldUp("alice", {}), subscription, 2)
        assert not verdict.holds()


@pytest.mark.parametrize("value", [0, 0.05, 31, "5", True, -1, float("nan")])
def test_a_bound_that_cannot_be_kept_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="JWT_REVOKE_NEAR_CACHE_STALENESS"):
        Config.from_mapping({"SECRET_KEY": "s" * 32, "JWT_REVOKE_NEAR_CACHE_STALENESS": value})
