"""``flask jwt why`` says what the check says, and names what decided."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
import redis

from flask_jwt_revoke import TokenPair, TokenRefused

from ..conftest import SECRET, store_of
from ..servers import Server
from .conftest import Console

Make = Callable[..., Console]
STRATEGIES = ("blacklist", "allowlist", "version")


def lose(console: Console, kind: str) -> None:
    console.authority.store.client.delete(f"jwtrevoke:{{alice}}:{kind}")


STATES: dict[str, Callable[[Console, TokenPair], object]] = {
    "live": lambda console, pair: None,
    "revoked": lambda console, pair: console.authority.revoke(pair.access),
    "refresh revoked": lambda console, pair: console.authority.revoke(pair.refresh),
    "logged out": lambda console, pair: console.authority.logout(pair.access),
    "everywhere": lambda console, pair: console.authority.logout_everywhere("alice"),
    "blocked": lambda console, pair: console.authority.block("alice"),
    "rotated": lambda console, pair: console.authority.rotate(pair.refresh),
    "version lost": lambda console, pair: lose(console, "version"),
    "index lost": lambda console, pair: lose(console, "tokens"),
    "sessions lost": lambda console, pair: lose(console, "sessions"),
}


@pytest.mark.parametrize("on_lost_data", ["deny", "allow"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_it_says_what_the_check_says(
    server: Server, make_console: Make, strategy: str, on_lost_data: str
) -> None:
    console = make_console(server.url, strategy=strategy, on_lost_data=on_lost_data)
    for name, bring_about in STATES.items():
        store_of(console.authority).flushall()
        pair = console.authority.issue("alice")
        bring_about(console, pair)
        for type, token in (("access", pair.access), ("refresh", pair.refresh)):
            try:
                console.authority.check(token, type=type)
                reason = None
            except TokenRefused as refused:
                reason = refused.reason
            why = console.json("why", token, exit_code=0 if reason is None else 1)
            assert (why["live"], why["reason"]) == (reason is None, reason), (name, type)
            outcomes = {one["outcome"]: one["key"] for one in why["steps"]}
            assert ("refused" in outcomes) is (reason is not None), (name, type)
            assert why["key"] == outcomes.get("refused", outcomes.get("forgiven")), (name, type)


@pytest.mark.parametrize(
    ("state", "key", "because"),
    [
        ("blocked", "jwtrevoke:{{alice}}:blocked", "blocked@"),
        ("revoked", "jwtrevoke:{{alice}}:revoked:{jti}", "revoked@"),
        ("logged out", "jwtrevoke:{{alice}}:revoked:{sid}", "logout@"),
        ("everywhere", "jwtrevoke:{{alice}}:revoked:{jti}", "logout_everywhere@"),
        ("version lost", "jwtrevoke:{{alice}}:version", "no version"),
    ],
)
def test_it_names_the_key_that_decided(
    make_console: Make, url: str, state: str, key: str, because: str
) -> None:
    console = make_console(url)
    pair = console.authority.issue("alice")
    jti = console.authority.check(pair.access).id
    STATES[state](console, pair)
    why = console.json("why", pair.access, exit_code=1)
    assert why["key"] == key.format(jti=jti, sid=pair.session_id)
    assert why["because"].startswith(because)
    told = console("why", pair.access).stdout
    assert why["key"] in told
    assert "Refused, revoked: " in told.splitlines()[-1]


def test_a_version_that_was_raised_decides(server: Server, make_console: Make) -> None:
    console = make_console(server.url, strategy="version")
    pair = console.authority.issue("alice")
    console.authority.logout_everywhere("alice")
    why = console.json("why", pair.access, exit_code=1)
    assert why["key"] == "jwtrevoke:{alice}:version"
    carried, version = why["token"]["version"], version_of(server)
    assert why["because"] == f"version {version}, not {carried}"


def version_of(server: Server) -> int:
    with server.client() as client:
        return int(client.get("jwtrevoke:{alice}:version"))


@pytest.mark.parametrize("answer", ["deny", "allow"])
def test_a_version_that_was_begun_anew_is_lost_data(
    server: Server, make_console: Make, answer: str
) -> None:
    console = make_console(server.url, on_lost_data=answer)
    pair = console.authority.issue("alice")
    lose(console, "version")
    console.authority.issue("alice")
    why = console.json("why", pair.refresh, exit_code=0 if answer == "allow" else 1)
    assert (why["because"], why["live"]) == ("version begun anew", answer == "allow")
    assert why["key"] == "jwtrevoke:{alice}:version"
    assert why["exchange"] == ("new pair" if answer == "allow" else None)
    assert "began another" in console("why", pair.access).stdout


def test_it_foretells_the_exchange(server: Server, make_console: Make) -> None:
    console = make_console(server.url, session_lifetime=3600)
    pair = console.authority.issue("alice")
    assert console.json("why", pair.access)["exchange"] is None
    assert console.json("why", pair.refresh)["exchange"] == "new pair"
    second = console.authority.rotate(pair.refresh)
    assert console.json("why", pair.refresh, exit_code=1)["exchange"] == "same pair again"
    console.clock.now += 11
    assert console.json("why", pair.refresh, exit_code=1)["exchange"] == "reused"
    assert console.json("why", second.refresh)["exchange"] == "new pair"
    console.authority.logout(second.refresh)
    assert console.json("why", second.refresh, exit_code=1)["exchange"] is None


def test_an_expired_token(server: Server, make_console: Make) -> None:
    console = make_console(server.url)
    live, dead = console.authority.issue("alice"), console.authority.issue("alice")
    console.authority.revoke(dead.access, reason="stolen")
    console.clock.now += 901
    why = console.json("why", live.access, exit_code=1)
    assert (why["reason"], why["key"]) == ("expired", None)
    assert why["token"]["subject"] == "alice"
    why = console.json("why", dead.access, exit_code=1)
    assert why["reason"] == "expired"
    assert why["key"].startswith("jwtrevoke:{alice}:revoked:")
    told = console("why", dead.access).stdout
    assert f"The token has expired; and it would be refused at {why['key']}." in told
    assert "1 second ago" in console("why", live.access).stdout
    # What was kept for it goes with it, and is not missed.
    lose(console, "version")
    why = console.json("why", live.access, exit_code=1)
    assert (why["reason"], why["key"]) == ("expired", None)


@pytest.mark.parametrize(
    ("change", "reason", "step"),
    [
        ({"iss": "elsewhere"}, "wrong_issuer", "claims"),
        ({"aud": "them"}, "wrong_audience", "claims"),
        ({"exp": "soon"}, "malformed", "claims"),
        ({"exp": None}, "missing_claim", "claims"),
        ({"nbf": 4102444800}, "not_yet_valid", "dates"),
    ],
)
def test_a_token_whose_claims_are_refused(
    make_console: Make, change: dict[str, object], reason: str, step: str
) -> None:
    console = make_console(issuer="us")
    claims = {"sub": "alice", "jti": "J1", "exp": 4102444800, "iss": "us", **change}
    payload = json.dumps({name: value for name, value in claims.items() if value is not None})
    token = jwt.PyJWS().encode(payload.encode(), SECRET)
    why = console.json("why", token, exit_code=1)
    assert why["reason"] == reason
    refused = [one["name"] for one in why["steps"] if one["outcome"] == "refused"]
    assert refused == [step]


def test_a_foreign_token(make_console: Make) -> None:
    console = make_console()
    claims = {"sub": "mallory\x1b[2J", "jti": "J1", "exp": 4102444800}
    token = jwt.encode(claims, "another secret, long enough for HS256", headers={"kid": "k9"})
    why = console.json("why", token, exit_code=1)
    assert (why["reason"], why["token"], why["key"]) == ("bad_signature", None, None)
    assert why["unverified"]["kid"] == "k9"
    assert [one["outcome"] for one in why["steps"]] == ["passed", "refused"]
    told = console("why", token).stdout
    assert "Unverified, it says: " in told
    assert r"mallory\x1b[2J" in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    "token", ["junk", ".", "..", "a.b.c", "é.é.é", "[1].[2].[3]", "x" * 9000, "\x1b[2J"]
)
def test_a_malformed_token(make_console: Make, token: str) -> None:
    result = make_console()("why", token)
    assert result.exit_code == 1
    assert "Refused, malformed: " in result.stdout
    assert result.stdout.replace("\n", "").isprintable()


def test_no_token_is_ever_printed(server: Server, make_console: Make) -> None:
    console = make_console(server.url)
    pair = console.authority.issue("alice")
    foreign = jwt.encode({"sub": "alice"}, "another secret, long enough for HS256")
    for token in (pair.access, foreign, pair.access + "x"):
        for words in (("why", token), ("revoke", token), ("why", "t", token), ("nonsense", token)):
            for more in ((), ("--json",)):
                said = console(*words, *more).output
                assert said
                assert not any(part in said for part in token.split("."))


def test_a_token_comes_from_a_file_or_from_standard_input(
    server: Server, make_console: Make, tmp_path: Path
) -> None:
    console = make_console(server.url)
    token = console.authority.issue("alice").access
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    assert console("why", "--file", str(file)).exit_code == 0
    assert console("why", "-", input=f"{token}\n").exit_code == 0
    assert console("why", input=f"  {token}\n").exit_code == 0
    assert console("why", input="").exit_code == 1
    both = console("why", token, "--file", str(file))
    assert (both.exit_code, both.stderr) == (2, "Error: Give TOKEN or --file, not both.\n")
    file.write_bytes(b"\xff\xfe")
    assert console("why", "--file", str(file)).exit_code == 1
    assert console("why", "--file", str(tmp_path / "none")).exit_code == 2


def test_it_changes_nothing(server: Server, make_console: Make) -> None:
    """Not even when the session was last seen."""
    console = make_console(server.url)
    pair = console.authority.issue("alice")
    console.clock.now += 3600
    with server.client() as client:
        before = content(client)
        console("why", pair.access)
        console("why", pair.refresh)
        assert content(client) == before


def content(client: redis.Redis) -> dict[bytes, bytes | None]:
    return {key: client.dump(key) for key in client.keys("*")}


def test_a_type_that_is_not_looked_up(make_console: Make) -> None:
    console = make_console(checked_types=("refresh",))
    pair = console.authority.issue("alice")
    console.authority.logout_everywhere("alice")
    why = console.json("why", pair.access)
    assert why["live"]
    assert why["steps"][-1]["name"] == "looked up"
    console.clock.now += 901
    assert console.json("why", pair.access, exit_code=1)["reason"] == "expired"


def test_each_step_of_an_outside_token_has_a_name_of_its_own(make_console: Make) -> None:
    key = "an issuer's secret, long enough for HS256"
    issuer = {"keys": {"1": key}, "algorithms": ["HS256"], "audience": "shop"}
    console = make_console(issuers={"https://id.example": issuer})
    named = {"iss": "https://id.example", "aud": "shop", "sub": "alice", "jti": "J1", "sid": "S1"}
    now = console.clock()
    token = jwt.encode({**named, "iat": now, "exp": now + 600}, key, headers={"kid": "1"})
    console.authority.revoke_outside_token("https://id.example", "J1")
    why = console.json("why", token, exit_code=1)
    names = [one["name"] for one in why["steps"]]
    assert len(set(names)) == len(names)
    (decided,) = (one for one in why["steps"] if one["outcome"] == "refused")
    assert decided["name"] == "token, by its issuer"
