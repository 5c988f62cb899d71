"""Promise 12: everything that a tour of all verbs and failures printed, logged and stored."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from flask import Flask

import flask_jwt_revoke
from flask_jwt_revoke import (
    Authority,
    Config,
    JWTRevoke,
    JWTRevokeError,
    Outage,
    TokenPair,
    current_token,
    signals,
)

from ..servers import BINARIES, Proxy, Server
from .forge import claims, signed
from .test_requests import ROUTES, cookies, send, with_views

KEY = "the-signing-key-of-the-tour-0123456789"
OLD_KEY = "the-retired-key-of-the-tour-987654321"
APP_KEY = "the-secret-key-of-the-app-5555555555"
PASSWORD = "hunter2:pa?ss@w#rd/%"
QUOTED = "hunter2%3Apa%3Fss%40w%23rd%2F%25"


class Tour:
    """Collects what is said, and what it must not have said."""

    def __init__(self) -> None:
        self.said = StringIO()
        self.tokens: list[str] = []
        self.others = [KEY, OLD_KEY, APP_KEY, PASSWORD, QUOTED]

    def shown(self, *objects: object) -> None:
        for one in objects:
            self.said.write(f"{one!r} {one}\n")

    def held(self, pair: TokenPair) -> TokenPair:
        self.shown(pair)
        self.tokens += [pair.access, pair.refresh]
        return pair

    @contextmanager
    def failing(self, *kinds: type[Exception]) -> Iterator[None]:
        """What fails here is shown as a log would, with its causes."""
        with pytest.raises(kinds or (JWTRevokeError,)) as failed:
            yield
        self.shown(failed.value, failed.value.args, failed.value.__dict__)
        self.said.write("".join(traceback.format_exception(failed.value)))

    def secrets(self) -> dict[str, str]:
        """Each secret as text, with each part of each token, by what it is."""
        found = {f"key {number}": one for number, one in enumerate(self.others)}
        found |= {
            f"{name} in base64": base64.b64encode(one.encode()).decode().rstrip("=")[:-1]
            for name, one in list(found.items())
        }
        for number, token in enumerate(self.tokens):
            head, body, signature = token.split(".")
            parts = {"token": token, "signed part": f"{head}.{body}", "payload": body}
            found |= {f"{name} {number}": part for name, part in parts.items()}
            found[f"signature {number}"] = signature
        return found

    def assert_silent(self, text: str) -> None:
        # A few characters come by chance: the payload {} is e30.
        told = {name: secret for name, secret in self.secrets().items() if len(secret) > 8}
        shown = [name for name, secret in told.items() if secret in text]
        assert not shown


@pytest.fixture
def tour() -> Iterator[Tour]:
    """Every logger there is writes at DEBUG, tracebacks and all."""
    made = Tour()
    handler = logging.StreamHandler(made.said)
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "flask_jwt_revoke", "redis")}
    root.addHandler(handler)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield made
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def guarded() -> Iterator[Server]:
    """A server that asks for a password, and knows a user who may do nothing."""
    server = Server(BINARIES["valkey"] or "")
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "idle", "on", f">{PASSWORD}", "+auth", "+ping")
        client.config_set("requirepass", PASSWORD)
    yield server
    server.close()


def redis_url(server: Server | Proxy, user: str = "", password: str = QUOTED) -> str:
    place = server.url.partition("@")[2]
    return f"unix://{user}:{password}@{place}"


def settings(url: str, **others: Any) -> dict[str, Any]:
    named = {f"JWT_REVOKE_{name.upper()}": value for name, value in others.items()}
    keys = {"new": KEY, "old": OLD_KEY}
    return {"SECRET_KEY": APP_KEY, "JWT_REVOKE_REDIS_URL": url, "JWT_REVOKE_KEYS": keys, **named}


def make_door(url: str, timeout: float = 0.1, **others: Any) -> Authority:
    return Authority(Config.from_mapping(settings(url, timeout=timeout, **others)))


def everything_in(server: Server) -> str:
    """Every key and value, whatever its type, and what the server keeps of commands."""
    found: list[object] = []
    with server.client(password=PASSWORD) as client:
        for key in client.keys("*"):
            kind = client.type(key).decode()
            read = {
                "string": client.get, "hash": client.hgetall,
                "zset": lambda name: client.zrange(name, 0, -1, withscores=True),
            }[kind]  # fmt: skip
            found += [key, read(key)]
        found += [client.slowlog_get(-1), client.info("commandstats")]
    assert len(found) > 4
    return repr(found)


def all_verbs(door: Authority, tour: Tour) -> None:
    outside = signed(claims(sid="S1", type="access"), {"alg": "HS256", "kid": "new"}, key=KEY)
    tour.tokens.append(outside)
    first = tour.held(door.issue("alice", device="Pixel 8", device_id="d1", claims={"role": "x"}))
    tour.shown(door.check(first.access), door.check(first.refresh, type="refresh"))
    second = tour.held(door.rotate(first.refresh))
    tour.shown(tour.held(door.rotate(first.refresh)))
    door.record(outside)
    tour.shown(door.sessions("alice"))
    door.revoke(second.access)
    kept = tour.held(door.issue("alice"))
    tour.held(door.logout_everywhere("alice", keep=kept.session_id))
    tour.shown(door.logout_others("alice", keep=kept.session_id))
    tour.shown(door.logout_device("alice", "d1"), door.logout_session("alice", "S2"))
    door.logout(outside)
    for session_id in (first.session_id, kept.session_id):
        tour.others.append(door.tokens.derived("csrf", session_id))


def all_refusals(door: Authority, tour: Tour) -> None:
    pair = tour.held(door.issue("bob"))
    head, body, signature = pair.access.split(".")
    hostile = [
        f"{head}.{body}.{signature[::-1]}", f"{head}.{body}", f"{head}.{body}.", "x" + pair.access,
        pair.access + "=", f"{body}.{head}.{signature}", KEY, f"{KEY}.{KEY}.{KEY}",
        *(
            signed(said, {"alg": "HS256", "kid": "new"}, key=KEY)
            for said in (
                claims(exp=5), claims(nbf=4102444800), claims(sub=7), claims(sub=pair.access * 9),
                claims(jti=[pair.access]), claims(exp=pair.access), claims(aud=pair.access),
                claims(type=pair.access), b"{" + pair.access.encode(), {},
            )
        ),
        signed(claims(), {"alg": pair.access}, key=KEY),
        signed(claims(), {"alg": "HS256", "kid": pair.access}, key=KEY),
        signed(claims(), {"alg": "HS256", "crit": [pair.access]}, key=KEY),
    ]  # fmt: skip
    tour.tokens += [one for one in hostile if one.count(".") == 2]
    for token in hostile:
        with tour.failing():
            door.check(token)
        with tour.failing():
            door.rotate(token)
    for bad in (
        lambda: door.issue("alice", claims={"sub": pair.access}),
        lambda: door.issue("alice", claims={"x": {pair.access}}),
        lambda: door.issue("alice", claims={pair.access: object()}),
        lambda: door.issue("x" * 300 + KEY),
        lambda: door.revoke({"sub": "alice", "jti": pair.access * 9, "exp": 5}),
        lambda: door.revoke(pair.access, reason=pair.access),
        lambda: door.logout_device("alice", pair.access * 9),
        lambda: door.record({"token": pair.access}),
    ):
        with tour.failing(ValueError):
            bad()
    door.block("bob")
    with tour.failing():
        door.issue("bob")
    with tour.failing():
        door.check(pair.access)


def over_http(app: Flask, tour: Tour) -> None:
    with app.app_context():
        pairs = [tour.held(app.revoke.issue("carol")) for _ in range(6)]
    app.add_url_rule("/broken", view_func=app.revoke.required(broken))
    app.add_url_rule("/shown", view_func=app.revoke.required(lambda: repr(current_token)))
    for pair in pairs:
        value = app.extensions["jwt_revoke"].tokens.derived("csrf", pair.session_id)
        tour.others.append(value)
        by_header = {"HTTP_AUTHORIZATION": f"Bearer {pair.access}"}
        by_cookie = {"HTTP_COOKIE": f"{cookies(pair)}; csrf_token={value}"}
        assert send(app, "GET", "/broken", **by_header)[0] == 500
        for sent in (by_header, by_cookie, by_header | {"HTTP_AUTHORIZATION": "Bearer a, b"}):
            for method, path in (("GET", "/shown"), *ROUTES, ("POST", "/broken")):
                code, body, headers = send(app, method, path, **sent)
                tour.shown(code, body)
                # A pair is answered to whom it belongs; nothing else may hold a token.
                if path != "/auth/refresh":
                    tour.shown(headers)
        exchanged = send(app, "POST", "/auth/refresh", HTTP_AUTHORIZATION=f"Bearer {pair.refresh}")[
            1
        ]
        if "access_token" in exchanged:
            tour.tokens += [exchanged["access_token"], exchanged["refresh_token"]]


def broken() -> str:
    try:
        flask_jwt_revoke.request.authority().check("x")
    except JWTRevokeError as refused:
        raise RuntimeError("a view of the author's fails") from refused
    return ""


def failures(server: Server, tour: Tour) -> None:
    for url in (
        redis_url(server, password="wrong-pw"), redis_url(server, user="nobody"),
        redis_url(server, user="idle"), f"redis://:{QUOTED}@127.0.0.1:1/0",
        f"rediss://:{QUOTED}@127.0.0.1:1/0", f"redis+cluster://:{QUOTED}@127.0.0.1:1",
        f"redis+sentinel://:{QUOTED}@127.0.0.1:1/main?sentinel_password={QUOTED}",
        f"unix://:{QUOTED}@/nowhere",
    ):  # fmt: skip
        door = make_door(url)
        tour.shown(door, door.config, door.store, door.tokens, door.keys)
        token = signed(claims(), {"alg": "HS256", "kid": "new"}, key=KEY)
        tour.tokens.append(token)
        for ask in (door.check, door.revoke, door.record, door.logout):
            with tour.failing(Outage):
                ask(token)
        with tour.failing(Outage):
            door.issue("alice")
        door.close()
        allowing = make_door(url, on_outage="allow")
        tour.shown(allowing.check(token))
        allowing.close()


PEM = "-----BEGIN PRIVATE KEY-----\nTheKeyItselfTheKeyItself\n-----END PRIVATE KEY-----\n"
MISCONFIGURED: list[dict[str, Any]] = [
    {"keys": {KEY: "main"}},
    {"keys": {"main": "short-" + PASSWORD}},
    {"keys": [KEY]},
    {"keys": KEY},
    {"keys": {"main": 7, KEY: KEY}},
    {"keys": {"main": KEY}, "secret_key": OLD_KEY},
    {"secret_key": [KEY]},
    {"secret_key": "short-" + PASSWORD},
    {"secret_key": KEY, "algorithm": "RS256"},
    {"secret_key": PEM, "algorithm": "RS256"},
    {"secret_key": PEM, "algorithm": "ES256"},
    {"secret_key": PEM, "algorithm": "HS256"},
    {"redis_url": ["redis://:" + PASSWORD]},
    {"redis_url": PASSWORD},
    {"redis_url": f"http://:{PASSWORD}@h"},
    {"redis_url": "hunter2@redis://h"},
    {"redis_url": "redis://:pa?hunter2@h"},
    {"redis_url": "redis://:pa?hunter2"},
    {"redis_url": "redis://:pa#hunter2@h"},
    {"redis_url": "redis://:hunter2/x@h"},
    {"redis_url": "redis://:[hunter2@h"},
    {"redis_url": "redis://h:hunter2"},
    {"redis_url": "redis+sentinel://:pa?hunter2@h:1/main"},
    {"redis_url": "redis+sentinel://:hunter2/@h:1/main"},
    {"redis_url": "redis+cluster://:pa#hunter2@h:1"},
    {"redis_url": "redis+cluster://:x@h:hunter2"},
    {"redis_url": "redis://h/0?socket_timeout=1&password=hunter2"},
    {"reddis_url": f"redis://:{PASSWORD}@h"},
    {"redis_password": PASSWORD},
]


@pytest.mark.parametrize("number", range(len(MISCONFIGURED)))
def test_promise_12_no_setting_that_cannot_work_is_shown(tour: Tour, number: int) -> None:
    tour.others += ["hunter2", "short-", "TheKeyItself"]
    given = settings("redis://localhost") | {"JWT_REVOKE_KEYS": None}
    given |= {f"JWT_REVOKE_{name.upper()}": value for name, value in MISCONFIGURED[number].items()}
    app = Flask("misconfigured")
    app.config.update(given)
    with tour.failing(flask_jwt_revoke.ConfigurationError):
        JWTRevoke(app)
    said = tour.said.getvalue()
    assert "JWT_REVOKE_" in said
    tour.assert_silent(said)


SEEN = (
    "Traceback", "RuntimeError: a view", "refused '", "' unchecked", "RevokedToken",
    "invalid username-password", "NoPermissionError", "Connection refused", "logged", "alice",
)  # fmt: skip


def test_promise_12_a_tour_of_everything_shows_and_stores_no_secret(
    guarded: Server,
    tour: Tour,
    capfd: pytest.CaptureFixture[str],
    make_events: Callable[[], list[object]],
) -> None:
    events, wire = make_events(), Proxy(guarded)
    door = make_door(redis_url(wire), timeout=5)
    app = Flask("tour")
    app.config.update(settings(redis_url(wire), token_location=["headers", "cookies"], timeout=5))
    app.revoke = JWTRevoke(app)
    with_views(app)
    try:
        all_verbs(door, tour)
        all_refusals(door, tour)
        over_http(app, tour)
        stored, sent = everything_in(guarded), wire.said.decode("latin-1")
        failures(guarded, tour)
        tour.shown(door, door.config, door.store, door.tokens, door.keys, door.store.client)
        tour.shown(app.revoke, app.revoke.__dict__, app.extensions["jwt_revoke"], *events)
    finally:
        door.close()
        app.extensions["jwt_revoke"].close()
        wire.close()
    out, err = capfd.readouterr()
    said = tour.said.getvalue() + out + err
    # The net is wide enough to hold what may be seen.
    for expected in SEEN:
        assert expected in said, expected
    assert len(tour.tokens) > 40
    assert "revoked:" in stored
    assert "EXEC" in sent
    tour.assert_silent(said)
    tour.assert_silent(stored)
    # On its way to Redis goes the password, once for each connection, and nothing else of these.
    tour.assert_silent(sent.replace(PASSWORD, ""))


@pytest.fixture
def make_events() -> Iterator[Callable[[], list[object]]]:
    """What every signal carried."""
    heard: list[object] = []
    named = [one for one in vars(signals).values() if isinstance(one, signals.NamedSignal)]

    def hear(sender: object, event: object) -> None:
        heard.append((sender, event, "logged"))

    def begin() -> list[object]:
        for one in named:
            one.connect(hear)
        return heard

    yield begin
    for one in named:
        one.disconnect(hear)
