"""What a hostile token can do to the store and to this process: nothing that lasts."""

from __future__ import annotations

import gc
import hmac
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import unquote

import pytest
from flask import request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from flask_jwt_revoke import Authority, BadSignature, TokenPair, TokenRefused, WrongCSRF
from flask_jwt_revoke.cookies import check_csrf

from ..conftest import SECRET
from ..servers import BINARIES, Server
from .forge import claims, encoded, nothing_written, signed, stored

HOSTILE = (
    "alice}:version", "{alice}", "alice}:revoked:{", "}", "{", "{}", "}{", ":", "alice:", "%7D",
    "alice%7D:version", "%", "*", "?", "[a-z]*", "alice\0", "\0", "alice\n", "a\r\nFLUSHALL\r\n",
    "*1\r\n$8\r\nFLUSHALL\r\n", " ", "alice ", "\ufeffalice", "alice\u2028", "..", "../alice",
    "jwtrevoke:{alice}:version", "revoked", "tokens", "sessions", "version", "blocked", "-1",
    "+inf",
    "(5", "NX", "'; return redis.call('FLUSHALL') --", "${x}", "%(sub)s", "{0.__class__}", "🔑",
)  # fmt: skip
KEY = re.compile(
    r"jwtrevoke:\{([!-~]+?)\}:(revoked:[!-~]+|tokens|sessions|version|blocked)", re.ASCII
)


def assert_own_keys(server: Server, subject: str) -> None:
    """Every key is one of this subject's, in one slot, goes by itself, and could be typed."""
    kept = stored(server)
    found = [key.decode() for key in kept]
    assert found
    for key in found:
        match = KEY.fullmatch(key)
        assert match, key
        tag, rest = match.groups()
        assert unquote(tag, errors="strict") == subject
        assert not set("{}:") & set(tag) | (set("{}:") & set(rest.removeprefix("revoked:")))
    assert len({key_slot(key.encode()) for key in found}) == 1
    assert all(goes for _, goes in kept.values())


class TestKeyInjection:
    @pytest.mark.parametrize("name", ["sub", "jti", "sid"])
    @pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
    def test_a_claim_stays_in_its_part_of_the_key(
        self, make_authority: Callable[..., Authority], server: Server, strategy: str, name: str
    ) -> None:
        door = make_authority(server.url, strategy=strategy)
        for value in HOSTILE:
            server.empty()
            said = claims(**{"sub": "bob", "sid": "S1", name: value})
            token = signed(said)
            for verb in (door.record, door.check, door.revoke, door.logout, door.revoke):
                verb(token)
            with pytest.raises(TokenRefused):
                door.check(token)
            assert_own_keys(server, said["sub"])

    @pytest.mark.parametrize("subject", HOSTILE)
    def test_no_subject_reaches_another(self, door: Authority, subject: str) -> None:
        others = {name: door.issue(name) for name in ("alice", "bob")}
        pair = door.issue(subject)
        door.check(pair.access)
        assert door.logout_everywhere(subject) == 2
        door.block(subject)
        for name, other in others.items():
            assert door.check(other.access).subject == name
            assert [one.id for one in door.sessions(name)] == [other.session_id]

    def test_hostile_ids_of_one_subject_are_apart(self, door: Authority) -> None:
        for one in HOSTILE:
            door.revoke(signed(claims(jti=one)))
        # A spelling of the encoding is not what it encodes.
        spelled = {one.replace("%", "%25").replace(":", "%3A") for one in HOSTILE}
        for other in spelled - set(HOSTILE):
            assert door.check(signed(claims(jti=other)))

    @settings(max_examples=60, deadline=None,
              suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
    @given(*(st.text(min_size=1, max_size=40) for _ in range(3)))
    def test_any_text(self, door: Authority, server: Server, sub: str, jti: str, sid: str) -> None:
        server.empty()
        token = signed(claims(sub=sub, jti=jti, sid=sid))
        door.record(token)
        door.logout(token)
        door.revoke(token)
        assert_own_keys(server, sub)

    @pytest.mark.parametrize("text", [*HOSTILE, '"],"x":[', "\\", "\\u0000", "]" * 128])
    def test_a_device_stays_in_its_part_of_the_record(
        self, door: Authority, server: Server, text: str
    ) -> None:
        pair = door.issue("alice", device=text, device_id=text, address=text, agent=text)
        (session,) = door.sessions("alice")
        assert {session.device, session.device_id, session.address, session.agent} == {text}
        door.check(door.rotate(pair.refresh).access)
        assert_own_keys(server, "alice")
        assert door.logout_device("alice", text) == 1

    @pytest.mark.parametrize("reason", HOSTILE)
    def test_a_reason_is_a_word(self, door: Authority, server: Server, reason: str) -> None:
        pair = door.issue("alice")
        if re.fullmatch(r"[\w.-]{1,64}", reason, re.ASCII):
            door.revoke(pair.access, reason=reason)
            return
        with nothing_written(server):
            for end in (
                lambda: door.revoke(pair.access, reason=reason),
                lambda: door.logout(pair.access, reason=reason),
                lambda: door.logout_everywhere("alice", reason=reason),
                lambda: door.logout_others("alice", keep="S1", reason=reason),
                lambda: door.block("alice", reason=reason),
            ):
                with pytest.raises(ValueError, match="reason"):
                    end()


class TestMemory:
    def test_unverified_tokens_fill_nothing(self, door: Authority, server: Server) -> None:
        """Each with another subject, jti, sid and kid, and another wrong key."""

        numbers = itertools.count()

        def grown() -> int:
            """Refuse 500 more; how many blocks of memory were kept."""
            gc.collect()
            before = sys.getallocatedblocks()
            for number in itertools.islice(numbers, 500):
                said = claims(sub=f"s{number}", jti=f"j{number}", sid=f"i{number}")
                token = signed(said, {"alg": "HS256", "kid": f"k{number}"}, key=f"{number:064}")
                for verb in (door.check, door.logout):
                    with pytest.raises(BadSignature):
                        verb(token)
            gc.collect()
            return sys.getallocatedblocks() - before

        # The least: the interpreter's and PyJWT's own pools fill now and then.
        assert min(grown() for _ in range(5)) < 250  # half a block for each token
        assert stored(server) == {}

    def test_checks_add_no_key_even_when_signed(self, door: Authority, server: Server) -> None:
        with nothing_written(server):
            for number in range(300):
                said = claims(sub=f"s{number}", jti=f"j{number}", sid=f"i{number}")
                assert door.check(signed(said))

    def test_an_expired_token_leaves_nothing_for_itself(
        self, door: Authority, server: Server
    ) -> None:
        with nothing_written(server):
            for number in range(100):
                door.revoke(signed(claims(jti=f"j{number}", exp=number)))

    def test_the_same_logout_again_and_again_adds_one_key(
        self, door: Authority, server: Server
    ) -> None:
        token = signed(claims(sid="S1"))
        door.logout(token)
        with nothing_written(server):
            for _ in range(20):
                door.logout(token)


class TestTimingOfRefusals:
    """Nothing is timed here: how long a refusal takes can only tell what it did."""

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        """One to which nobody else speaks, as the last listeners of other tests may."""
        with closing(Server(BINARIES["valkey"])) as server:
            yield server

    @pytest.fixture
    def compared(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
        """What was compared in constant time."""
        pairs: list[tuple[Any, Any]] = []
        compare = hmac.compare_digest

        def observed(one: Any, other: Any) -> bool:
            pairs.append((one, other))
            return compare(one, other)

        monkeypatch.setattr(hmac, "compare_digest", observed)
        return pairs

    def test_a_bad_signature_asks_redis_nothing(
        self, door: Authority, server: Server, pair: TokenPair
    ) -> None:
        live, unknown = pair.access, signed(claims(sub="nobody"))
        body, _, signature = live.rpartition(".")
        refused = [f"{body}.{signature[::-1]}", signed(claims(), key="k" * 64), "x", unknown[:-9]]
        with server.client() as client:
            before = self._asked(client)
            for token, verb in itertools.product(
                refused, (door.check, door.rotate, door.revoke, door.logout, door.record)
            ):
                with pytest.raises(TokenRefused):
                    verb(token)
            assert self._asked(client) == before
            # The counting does see a check.
            door.check(live)
            assert self._asked(client) != before

    @staticmethod
    def _asked(client: Any) -> dict[str, int]:
        found = client.info("commandstats")
        ours = {name: stat["calls"] for name, stat in found.items() if name != "cmdstat_info"}
        return {**ours, "connections": client.info("stats")["total_connections_received"]}

    def test_signatures_are_compared_in_constant_time(
        self, door: Authority, pair: TokenPair, compared: list[tuple[Any, Any]]
    ) -> None:
        body = pair.access.rpartition(".")[0]
        right = hmac.digest(SECRET.encode(), body.encode(), "sha256")
        last, first = bytes([right[-1] ^ 1]), bytes([right[0] ^ 1])
        for forged in (first + right[1:], right[:-1] + last, right[::-1] + b"x", right[:8]):
            compared.clear()
            with pytest.raises(BadSignature):
                door.check(f"{body}.{encoded(forged)}")
            assert [right in each for each in compared] == [True]

    def test_csrf_values_are_compared_in_constant_time(
        self,
        make_app: Callable[..., Any],
        pair: TokenPair,
        door: Authority,
        compared: list[tuple[Any, Any]],
    ) -> None:
        right = door.tokens.derived("csrf", pair.session_id)
        app, verified = make_app(), door.tokens.verify(pair.access, door.clock())
        for value in (right[:-1], "x" + right[1:], "", "é"):
            compared.clear()
            here = app.test_request_context("/", method="POST", headers={"X-CSRF-Token": value})
            with here, pytest.raises(WrongCSRF):
                check_csrf(request, verified, door)
            assert [right.encode() in each for each in compared] == [True]
