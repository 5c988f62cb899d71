"""The example app: its HTTP stories, and `make run` as its reader meets it."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from example_app import create_app, instance
from example_app.__main__ import main
from example_app.api import revoke
from example_app.embedded import CannotStart, valkey
from example_app.throttle import storage
from example_app.users import DEMO
from flask_jwt_revoke import RevokedToken

from ..conftest import missing
from ..redis_page import EXAMPLE
from ..servers import BINARIES, Server, free_ports
from .conftest import MakeApp, after_the_pause

ROOT = Path(__file__).parents[2]
ALICE = {"username": "alice", "password": DEMO["alice"]}
BOB = {"username": "bob", "password": DEMO["bob"]}
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def app(example: MakeApp, server: Server) -> Flask:
    return example(server.url)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def sign_in(client: FlaskClient, account: dict[str, str] = ALICE, **more: str) -> dict[str, str]:
    """The headers of a client that has signed in."""
    answer = client.post("/login", json=account | more)
    assert answer.status_code == 200, answer.text
    return bearer(answer.json["access_token"])


class TestSigningIn:
    def test_the_answer(self, client: FlaskClient) -> None:
        answer = client.post("/login", json=ALICE)
        assert answer.status_code == 200
        pair = answer.json
        assert set(pair) == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 900)
        assert answer.headers["Cache-Control"] == "no-store"
        assert client.get("/me", headers=bearer(pair["access_token"])).json == {"user": "alice"}

    def test_a_name_in_another_spelling_is_the_same_user(self, client: FlaskClient) -> None:
        other = sign_in(client, ALICE | {"username": " ALICE "})
        assert client.get("/me", headers=other).json == {"user": "alice"}
        answer = client.post("/logout-everywhere", headers=sign_in(client))
        assert answer.json == {"revoked": 4}

    def test_the_device_is_kept(self, client: FlaskClient) -> None:
        sign_in(client, device="Pixel 8")
        authority = client.application.extensions["jwt_revoke"]
        assert [one.device for one in authority.sessions("alice")] == ["Pixel 8"]

    def test_a_token_of_before_does_not_matter(self, client: FlaskClient) -> None:
        headers = sign_in(client)
        client.post("/logout", headers=headers)
        assert client.post("/login", json=ALICE, headers=headers).status_code == 200

    @pytest.mark.parametrize(
        "wrong", [{"password": "wrong"}, {"username": "nobody"}, {"username": "' OR 1=1 --"}]
    )
    def test_a_wrong_name_or_password(self, client: FlaskClient, wrong: dict[str, str]) -> None:
        answer = client.post("/login", json=ALICE | wrong)
        assert answer.status_code == 401
        assert answer.json == {
            "error": "invalid_credentials",
            "error_description": "The user name or the password is wrong.",
        }
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("field", ["username", "password"])
    @pytest.mark.parametrize("blank", [None, "", "  "])
    def test_a_missing_field_is_named(
        self, client: FlaskClient, field: str, blank: str | None
    ) -> None:
        absent = {name: value for name, value in ALICE.items() if name != field}
        for body in (absent, absent | {field: blank}):
            answer = client.post("/login", json=body)
            assert answer.status_code == 400
            assert answer.json == {
                "error": "invalid_request",
                "error_description": f"The field {field} is missing.",
                "field": field,
            }

    @pytest.mark.parametrize("field", ["username", "password", "device"])
    @pytest.mark.parametrize(
        "value",
        [7, True, ["alice"], {"a": 1}, "x" * 2000, "\ud800"],
        ids=lambda value: repr(value)[:10],
    )
    def test_a_field_that_cannot_be_used_is_named(
        self, client: FlaskClient, server: Server, field: str, value: object
    ) -> None:
        answer = client.post("/login", json=ALICE | {field: value})
        assert (answer.status_code, answer.json["field"]) == (400, field)
        with server.client() as store:
            assert not store.keys("jwtrevoke:*")

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"[]", b'"alice"', b"null", b"\xff\xfe", b"[" * 9000, b'{"username": NaN'],
        ids=lambda body: repr(body[:10]),
    )
    def test_a_body_that_is_no_object(self, client: FlaskClient, body: bytes) -> None:
        answer = client.post("/login", data=body, content_type="application/json")
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
        assert "JSON object" in answer.json["error_description"]

    def test_a_form_is_told_what_to_send(self, client: FlaskClient) -> None:
        answer = client.post("/login", data=ALICE)
        assert answer.status_code == 400
        assert "application/json" in answer.json["error_description"]


class TestOtherErrors:
    def test_they_are_json(self, client: FlaskClient) -> None:
        for answer, status, error in (
            (client.get("/nowhere"), 404, "not_found"),
            (client.get("/login"), 405, "method_not_allowed"),
            (client.post("/login", json={"username": "x" * 20_000}), 413, None),
        ):
            assert answer.status_code == status
            assert answer.json["error"] == error or error is None
            assert answer.json["error_description"]
        assert "POST" in client.get("/login").headers["Allow"]

    @pytest.mark.parametrize("path", ["/operators", "/sign-in"])
    def test_a_query_of_bytes_that_are_no_text(self, client: FlaskClient, path: str) -> None:
        answer = client.get(path, environ_overrides={"QUERY_STRING": "next=\xff"})
        assert answer.status_code == 400

    def test_a_view_that_breaks(self, app: Flask, client: FlaskClient) -> None:
        app.add_url_rule("/broken", view_func=lambda: 1 / 0)
        answer = client.get("/broken")
        assert (answer.status_code, answer.json["error"]) == (500, "internal_server_error")

    def test_without_a_token(self, client: FlaskClient) -> None:
        for method, path in (("GET", "/me"), ("POST", "/logout"), ("POST", "/logout-everywhere")):
            answer = client.open(path, method=method)
            assert (answer.status_code, answer.json["reason"]) == (401, "missing")


class TestLoggingOut:
    def test_it_ends_both_tokens_of_this_device_alone(
        self, app: Flask, client: FlaskClient
    ) -> None:
        pair, laptop = client.post("/login", json=ALICE).json, sign_in(client)
        phone = bearer(pair["access_token"])
        answer = client.post("/logout", headers=phone)
        assert (answer.status_code, answer.data) == (204, b"")
        refused = client.get("/me", headers=phone)
        assert (refused.status_code, refused.json["reason"]) == (401, "revoked")
        with app.app_context(), pytest.raises(RevokedToken):
            revoke.check(pair["refresh_token"], type="refresh")
        assert client.get("/me", headers=laptop).json == {"user": "alice"}

    def test_it_works_with_a_token_that_has_just_expired(
        self, app: Flask, client: FlaskClient
    ) -> None:
        pair = client.post("/login", json=ALICE).json
        claims = jwt.decode(pair["access_token"], options={"verify_signature": False})
        expired = jwt.encode(claims | {"exp": int(time.time()) - 5}, app.config["SECRET_KEY"])
        assert client.get("/me", headers=bearer(expired)).json["reason"] == "expired"
        assert client.post("/logout", headers=bearer(expired)).status_code == 204
        with app.app_context(), pytest.raises(RevokedToken):
            revoke.check(pair["refresh_token"], type="refresh")

    def test_everywhere_ends_the_other_device_at_its_next_request(
        self, client: FlaskClient
    ) -> None:
        phone, laptop, bob = sign_in(client), sign_in(client), sign_in(client, BOB)
        answer = client.post("/logout-everywhere", headers=phone)
        assert (answer.status_code, answer.json) == (200, {"revoked": 4})
        for device in (phone, laptop):
            refused = client.get("/me", headers=device)
            assert (refused.status_code, refused.json["reason"]) == (401, "revoked")
        assert client.get("/me", headers=bob).json == {"user": "bob"}
        assert client.get("/me", headers=sign_in(client)).json == {"user": "alice"}


class TestLimits:
    def refused(self, client: FlaskClient, account: dict[str, str] = ALICE) -> None:
        answer = client.post("/login", json=account)
        assert (answer.status_code, answer.json["error"]) == (429, "too_many_requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 61

    def test_20_a_minute_for_one_user_name(self, client: FlaskClient) -> None:
        for number in range(20):
            address = {"REMOTE_ADDR": f"10.0.0.{number}"}
            answer = client.post(
                "/login", json=ALICE | {"password": "wrong"}, environ_overrides=address
            )
            assert answer.status_code == 401
        self.refused(client)
        self.refused(client, ALICE | {"username": "\tAlicE "})
        sign_in(client, BOB)

    def test_60_a_minute_for_one_address(self, client: FlaskClient) -> None:
        for _ in range(60):
            assert client.post("/login", json={}).status_code == 400
        self.refused(client)
        sign_in_elsewhere = client.post(
            "/login", json=ALICE, environ_overrides={"REMOTE_ADDR": "10.0.0.1"}
        )
        assert sign_in_elsewhere.status_code == 200

    def test_they_are_settings(self, example: MakeApp, server: Server) -> None:
        limits = {"LOGIN_LIMIT_PER_USER": "1 per hour", "LOGIN_LIMIT_PER_ADDRESS": "2 per hour"}
        client = example(server.url, **limits).test_client()
        sign_in(client)
        assert client.post("/login", json=ALICE).status_code == 429
        answer = client.post("/login", json=BOB)
        assert answer.status_code == 429
        assert 60 < int(answer.headers["Retry-After"]) <= 3601

    @pytest.mark.parametrize("name", ["LOGIN_LIMIT_PER_USER", "LOGIN_LIMIT_PER_ADDRESS"])
    def test_one_that_cannot_be_read_is_refused_at_start(self, example: MakeApp, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            example("memory://", **{name: "often"})

    def test_nothing_else_is_counted(self, example: MakeApp, server: Server) -> None:
        client = example(server.url, LOGIN_LIMIT_PER_ADDRESS="1 per hour").test_client()
        headers = sign_in(client)
        for _ in range(3):
            assert client.get("/me", headers=headers).status_code == 200
            assert client.options("/login").status_code == 200

    def test_they_are_counted_in_each_kind_of_redis(self, example: MakeApp, url: str) -> None:
        client = example(url, LOGIN_LIMIT_PER_USER="1 per minute").test_client()
        headers = sign_in(client)
        self.refused(client)
        assert client.get("/me", headers=headers).json == {"user": "alice"}

    @pytest.mark.parametrize(
        ("url", "uri", "options"),
        [
            ("unix:///run/s?db=1", "redis+unix:///run/s?db=1", {}),
            ("rediss://u:p@host:1/2", "rediss://u:p@host:1/2", {}),
            ("redis+sentinel://a:1,b:2/main/3", "redis+sentinel://a:1,b:2/main", {"db": 3}),
            ("rediss+sentinel://a:1/main", "redis+sentinel://a:1/main", {"db": 0, "ssl": True}),
            ("rediss+cluster://a:1,b:2", "redis+cluster://a:1,b:2", {"ssl": True}),
        ],
    )
    def test_flask_limiter_is_given_the_same_redis_with_the_same_patience(
        self, url: str, uri: str, options: dict[str, object]
    ) -> None:
        found, given = storage(url, 0.25)
        assert found == uri
        assert options.items() <= given.items()
        for each in (given, given.get("sentinel_kwargs", given)):
            assert (each["socket_timeout"], each["socket_connect_timeout"]) == (0.25, 0.25)


class TestOutages:
    #: Where the limits are counted: in the store that fails, or elsewhere.
    COUNTED = pytest.mark.parametrize("counted", [{}, {"RATELIMIT_STORAGE_URI": "memory://"}])

    def unavailable(self, client: FlaskClient) -> None:
        answer = client.post("/login", json=ALICE)
        assert (answer.status_code, answer.json["error"]) == (503, "temporarily_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1

    @COUNTED
    def test_a_redis_that_hangs(
        self, example: MakeApp, server: Server, counted: dict[str, str]
    ) -> None:
        client = example(server.url, JWT_REVOKE_TIMEOUT=0.3, **counted).test_client()
        headers = sign_in(client)
        server.pause()
        try:
            self.unavailable(client)
            for method, path in (("GET", "/me"), ("POST", "/logout")):
                assert client.open(path, method=method, headers=headers).status_code == 503
        finally:
            server.resume()
        assert after_the_pause(lambda: client.get("/me", headers=headers)).status_code == 200
        sign_in(client)

    @COUNTED
    def test_a_redis_that_is_gone(self, example: MakeApp, counted: dict[str, str]) -> None:
        server = Server(BINARIES["valkey"])
        try:
            client = example(server.url, **counted).test_client()
            sign_in(client)
            server.kill()
            self.unavailable(client)
            server.start()
            sign_in(client)
        finally:
            server.close()

    def test_it_is_logged_once_a_minute(
        self, example: MakeApp, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = example("redis://127.0.0.1:1").test_client()
        with caplog.at_level(logging.WARNING, "example_app"):
            for _ in range(3):
                self.unavailable(client)
        said = [one.getMessage() for one in caplog.records if one.name == "example_app"]
        assert said == ["Sign-ins cannot be counted: ConnectionError"]

    @COUNTED
    def test_a_redis_that_takes_no_writes(
        self, example: MakeApp, server: Server, counted: dict[str, str]
    ) -> None:
        client = example(server.url, **counted).test_client()
        with server.client() as store:
            store.config_set("maxmemory", 1)
            try:
                self.unavailable(client)
            finally:
                store.config_set("maxmemory", 0)
        sign_in(client)


class TestTheInstanceFolder:
    def test_the_signing_key_is_its_owners_alone_and_stays(self, tmp_path: Path) -> None:
        one, two = (
            create_app({"JWT_REVOKE_REDIS_URL": "memory://"}, folder=tmp_path / "new")
            for _ in range(2)
        )
        assert one.config["SECRET_KEY"] == two.config["SECRET_KEY"]
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "new" / "secret_key").stat().st_mode) == 0o600

    def test_two_processes_that_start_at_once_have_the_same_key(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys: list[str] = []

        def late(size: int) -> str:
            monkeypatch.undo()
            keys.append(instance.secret_key(tmp_path))
            return "another"

        monkeypatch.setattr(secrets, "token_hex", late)
        keys.append(instance.secret_key(tmp_path))
        assert len(set(keys)) == 1
        assert len(keys[0]) == 64

    def test_no_password_is_in_it(self, app: Flask, folder: Path) -> None:
        accounts = (folder / "users.sqlite3").read_bytes()
        assert b"alice" in accounts
        assert DEMO["alice"].encode() not in accounts

    def test_the_environment_names_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EXAMPLE_APP_INSTANCE", str(tmp_path))
        monkeypatch.setenv("JWT_REVOKE_REDIS_URL", "memory://")
        assert create_app().instance_path == str(tmp_path.resolve())
        assert (tmp_path / "users.sqlite3").exists()


class TestTheEmbeddedValkey:
    @pytest.mark.parametrize("name", ["x" * 150, "a b%41?#é"])
    def test_it_runs_in_any_folder_and_keeps_its_data(self, tmp_path: Path, name: str) -> None:
        for number in (1, 2):
            with valkey(tmp_path / name) as url, redis.Redis.from_url(url) as client:
                assert client.incr("runs") == number
        assert not (tmp_path / name / "valkey.sock").exists()

    def test_a_folder_serves_one_at_a_time(self, tmp_path: Path) -> None:
        with valkey(tmp_path) as url, redis.Redis.from_url(url) as client:
            with pytest.raises(CannotStart, match="Another run"), valkey(tmp_path):
                pass
            assert client.ping()

    def test_data_that_it_cannot_read(self, tmp_path: Path) -> None:
        (tmp_path / "appendonlydir").write_text("not a folder")
        with pytest.raises(CannotStart, match=r"valkey\.log"), valkey(tmp_path):
            pass

    def test_it_ends_when_the_block_fails(self, tmp_path: Path) -> None:
        pids: list[int] = []

        def fail() -> None:
            with valkey(tmp_path) as url, redis.Redis.from_url(url) as client:
                pids.append(client.info("server")["process_id"])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert not any(runs(pid) for pid in pids)


class Run:
    """`python -m example_app`, up once it has printed what to try, in a session of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        known = {"PORT": str(free_ports(1)[0]), "EXAMPLE_APP_INSTANCE": str(folder)}
        self.environment = known | environment
        self.process = launch(self.environment)
        self.printed = ""
        while "/logout-everywhere" not in self.printed:
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.printed}"
            self.printed += line

    @property
    def shell_lines(self) -> list[str]:
        return re.findall(r"^(?:TOKEN=\$\()?curl .*$", self.printed, re.MULTILINE)

    def end(self, how: signal.Signals = signal.SIGINT) -> None:
        """To the whole group, as a terminal sends Ctrl-C."""
        os.killpg(self.process.pid, how)
        self.process.communicate()


def launch(environment: dict[str, str]) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if name[:3] != "JWT"}
    return subprocess.Popen(
        [sys.executable, "-m", "example_app"],
        cwd=ROOT, env=inherited | environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def refusal(environment: dict[str, str]) -> str:
    """What a run says that cannot start."""
    process = launch(environment)
    printed, _ = process.communicate()
    assert process.returncode == 1
    return one_line(printed)


def one_line(said: str) -> str:
    assert said.startswith("The example app cannot start: ")
    assert len(said.splitlines()) == 1
    return said


def pid_of_valkey(folder: Path) -> int:
    with redis.Redis(unix_socket_path=str(folder / "valkey" / "valkey.sock")) as client:
        return client.info("server")["process_id"]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def shell(*lines: str, **environment: str) -> list[str]:
    done = subprocess.run(
        ["sh", "-euc", "\n".join(lines)],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


class TestMakeRun:
    @pytest.fixture
    def short(self) -> Iterator[Path]:
        """A folder whose path leaves room for a socket's name."""
        folder = Path(tempfile.mkdtemp(prefix="fjr-"))
        yield folder
        shutil.rmtree(folder)

    @pytest.fixture
    def run(self, short: Path) -> Iterator[Callable[..., Run]]:
        started: list[Run] = []

        def start(folder: Path = short, **environment: str) -> Run:
            started.append(Run(folder, **environment))
            return started[-1]

        yield start
        for one in started:
            if one.process.returncode is None:
                one.end()

    @pytest.fixture
    def refused(
        self, short: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> Iterator[Callable[[dict[str, str]], str]]:
        """As ``refusal``, in this process, whose signals are put back."""
        before = {number: signal.getsignal(number) for number in ENDS}

        def refuse(environment: dict[str, str]) -> str:
            monkeypatch.delenv("JWT_REVOKE_REDIS_URL", raising=False)
            for name, value in ({"EXAMPLE_APP_INSTANCE": str(short)} | environment).items():
                monkeypatch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
            assert capfd.readouterr() == ("", "")
            return one_line(ended.value.code)

        yield refuse
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_what_it_prints_works_and_a_revocation_outlives_a_restart(
        self, run: Callable[..., Run], short: Path
    ) -> None:
        if not shutil.which("curl"):
            missing("curl")
        first = run()
        assert f"http://127.0.0.1:{first.environment['PORT']}," in first.printed
        for name, password in DEMO.items():
            assert f"{name} (password: {password})" in first.printed
        login, me, logout_everywhere = first.shell_lines
        user, ended, revoked = shell(login, me, logout_everywhere, 'echo "$TOKEN"')
        assert (json.loads(user), json.loads(ended)) == ({"user": "alice"}, {"revoked": 2})
        (live,) = shell(login, 'echo "$TOKEN"')

        pid = pid_of_valkey(short)
        first.end()
        assert (first.process.returncode, runs(pid)) == (0, False)

        run(PORT=first.environment["PORT"])
        assert json.loads(shell(me, TOKEN=live)[0]) == {"user": "alice"}
        assert json.loads(shell(me, TOKEN=revoked)[0])["reason"] == "revoked"

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
    def test_it_ends_its_valkey_however_it_is_ended(
        self, run: Callable[..., Run], short: Path, how: signal.Signals
    ) -> None:
        one = run()
        pid = pid_of_valkey(short)
        one.end(how)
        assert (one.process.returncode, runs(pid)) == (0, False)

    def test_a_run_that_was_killed_leaves_nothing_in_the_way(
        self, run: Callable[..., Run], short: Path
    ) -> None:
        run().end(signal.SIGKILL)
        leftover = pid_of_valkey(short)
        run()
        assert pid_of_valkey(short) != leftover

    def test_a_second_run_on_the_same_data_is_refused(
        self, run: Callable[..., Run], short: Path
    ) -> None:
        first = run()
        pid = pid_of_valkey(short)
        other_port = {"PORT": str(free_ports(1)[0])}
        assert "Another run" in refusal(first.environment | other_port)
        assert pid_of_valkey(short) == pid

    def test_the_readers_own_redis(
        self, run: Callable[..., Run], short: Path, server: Server
    ) -> None:
        one = run(JWT_REVOKE_REDIS_URL=EXAMPLE.at(server.url))
        assert "JWT_REVOKE_REDIS_URL" in one.printed
        assert not (short / "valkey").exists()
        shell(*one.shell_lines)
        with server.client() as store:
            assert store.exists("jwtrevoke:{alice}:version")
            assert store.keys("LIMITS:*")

    def test_a_port_in_use(self, run: Callable[..., Run], short: Path) -> None:
        port = run().environment["PORT"]
        printed = refusal({"PORT": port, "EXAMPLE_APP_INSTANCE": str(short / "other")})
        assert f"port {port}" in printed

    @pytest.mark.parametrize(
        ("environment", "named"),
        [
            ({"PORT": "http"}, "PORT"),
            ({"PORT": "70000"}, "PORT"),
            ({"PORT": "0", "JWT_REVOKE_REDIS_URL": "http://u:hidden@host"}, "JWT_REVOKE_REDIS_URL"),
            (
                {"PORT": "0", "JWT_REVOKE_REDIS_URL": "redis+cluster://u:hidden@127.0.0.1:1"},
                "Cluster",
            ),
            ({"PORT": "0", "EXAMPLE_APP_INSTANCE": __file__}, __file__),
        ],
    )
    def test_what_it_cannot_use_is_named(
        self, refused: Callable[..., str], environment: dict[str, str], named: str
    ) -> None:
        said = refused(environment)
        assert named in said
        assert "hidden" not in said
