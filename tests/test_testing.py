"""The kit for the tests of apps: by itself, and through the pytest plugin as its page has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer
from flask import Flask, Response
from flask.testing import FlaskClient

from flask_jwt_revoke import JWTRevoke, Outage, current_token
from flask_jwt_revoke.testing import assert_live, assert_revoked, client_of, clock_of, outage

from .servers import Server

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
PLUGIN = "pytest_flask_jwt_revoke"
MakeApp = Callable[..., Flask]

APP = """
from flask import Flask
from flask_jwt_revoke import JWTRevoke, current_token

revoke = JWTRevoke()


def create_app(settings):
    app = Flask(__name__)
    app.config.update({"SECRET_KEY": "x" * 32, **settings})
    revoke.init_app(app)

    @app.get("/me")
    @revoke.required
    def me():
        return {"user": current_token.subject, "role": current_token.claims.get("role")}

    @app.post("/logout-everywhere")
    @revoke.required
    def logout_everywhere():
        return {"revoked": revoke.logout_everywhere(current_token.subject)}

    return app
"""

ANOTHER_NAME = """
import pytest
from app import create_app

@pytest.fixture
def jwt_revoke_app():
    return create_app({"JWT_REVOKE_REDIS_URL": "memory://"})

@pytest.fixture
def app():
    raise AssertionError("not this one")
"""

AS_ALICE = """
def test_me(jwt_revoke_client):
    assert jwt_revoke_client.as_user("alice").get("/me").status_code == 200
"""

NOTHING_EARLY = """
import sys

def test_imports():
    assert "pytest_flask_jwt_revoke" in sys.modules
    assert not {"flask", "redis", "jwt", "flask_jwt_revoke"} & set(sys.modules)
"""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return with_views(make_app())


def with_views(app: Flask) -> Flask:
    revoke: JWTRevoke = app.revoke

    @app.route("/me", methods=["GET", "POST"])
    @revoke.required
    def me() -> dict[str, Any]:
        return {"user": current_token.subject}

    @app.post("/logout")
    @revoke.required
    def logout() -> dict[str, Any]:
        revoke.logout()
        return {}

    return app


def test_a_client_is_signed_in_beside_one_that_is_not(app: Flask) -> None:
    client = client_of(app)
    alice, bob = client.as_user("alice", device="Pixel 8"), client.as_user("bob")
    assert client.get("/me").status_code == 401
    assert alice.get("/me").json == {"user": "alice"}
    assert bob.get("/me").json == {"user": "bob"}
    assert alice.get("/me", headers={"Authorization": f"Bearer {bob.pair.access}"}).json == {
        "user": "bob"
    }
    with app.app_context():
        assert [one.device for one in app.revoke.sessions("alice")] == ["Pixel 8"]


def test_a_client_has_cookies_and_sends_the_csrf_value_where_there_are_no_headers(
    make_app: MakeApp,
) -> None:
    app = with_views(make_app(token_location=["cookies"], csrf_header="X-Proof"))
    app.register_blueprint(app.revoke.blueprint(url_prefix="/auth"))
    alice = client_of(app).as_user("alice")
    assert alice.post("/me").json == {"user": "alice"}
    assert alice.post("/auth/refresh").status_code == 200
    assert alice.post("/me").json == {"user": "alice"}
    assert alice.post("/auth/logout").status_code == 204
    assert_revoked(alice.pair.access, app)


def test_a_client_has_cookies_where_the_app_has_a_name(make_app: MakeApp) -> None:
    app = make_app(token_location=["cookies"])
    app.config["SERVER_NAME"] = "shop.example:8000"
    assert client_of(with_views(app)).as_user("alice").post("/me").json == {"user": "alice"}


@pytest.mark.parametrize("domain", ["shop.example", ".shop.example", "www.shop.example"])
def test_a_client_has_cookies_of_a_domain(make_app: MakeApp, domain: str) -> None:
    app = with_views(make_app(token_location=["cookies"], cookie_domain=domain))
    app.config["SERVER_NAME"] = "www.shop.example"
    app.register_blueprint(app.revoke.blueprint())
    alice = client_of(app).as_user("alice")
    assert alice.post("/me").json == {"user": "alice"}
    assert alice.post("/auth/refresh").status_code == 200
    assert alice.post("/auth/logout").status_code == 204
    assert alice.post("/me").status_code == 401


def test_an_apps_own_client_class_is_kept(app: Flask) -> None:
    class Own(FlaskClient):
        def me(self) -> Response:
            return self.get("/me")

    app.test_client_class = Own
    alice: Any = client_of(app).as_user("alice")
    assert alice.me().json == {"user": "alice"}


def test_what_is_revoked_and_what_is_live_are_told_apart(app: Flask) -> None:
    alice, other = client_of(app).as_user("alice"), client_of(app).as_user("alice")
    assert_live(alice)
    with pytest.raises(AssertionError, match="the access token of 'alice' is live"):
        assert_revoked(alice)
    alice.post("/logout")
    assert_revoked(alice)
    assert_revoked(alice.pair.refresh, app)
    assert_live(other)
    with pytest.raises(
        AssertionError, match=r"access token of 'alice' is refused as revoked \(log"
    ):
        assert_live(alice)
    with pytest.raises(AssertionError, match="malformed"):
        assert_revoked("no token", app)
    with pytest.raises(TypeError, match="not signed in"):
        assert_revoked(client_of(app))
    with pytest.raises(TypeError, match="of an app"):
        assert_revoked(alice.pair.access)


def test_one_token_of_two_being_revoked_is_not_enough(app: Flask) -> None:
    alice = client_of(app).as_user("alice")
    with app.app_context():
        app.revoke.revoke(alice.pair.access)
    with pytest.raises(AssertionError, match="refresh token of 'alice' is live"):
        assert_revoked(alice)


def test_the_clock_is_moved_and_put_back(app: Flask) -> None:
    alice = client_of(app).as_user("alice")
    with clock_of(app) as clock:
        clock.advance(minutes=14, seconds=50)
        assert alice.get("/me").status_code == 200
        clock.advance(seconds=15)
        assert alice.get("/me").json["reason"] == "expired"
        with pytest.raises(AssertionError, match="refused as expired"):
            assert_revoked(alice.pair.access, app)
    assert alice.get("/me").status_code == 200


def test_an_outage_ends_when_it_is_told_to(app: Flask) -> None:
    alice = client_of(app).as_user("alice")
    with outage(app):
        assert [alice.get("/me").status_code for _ in range(5)] == [503] * 5
        with pytest.raises(Outage):
            client_of(app).as_user("bob")
    assert alice.get("/me").status_code == 200


def test_an_outage_takes_memory(make_app: MakeApp, server: Server) -> None:
    with pytest.raises(RuntimeError, match="memory://"), outage(make_app(server.url)):
        pass


def test_an_outage_takes_a_fakeredis_whose_server_is_known(make_app: MakeApp) -> None:
    app = with_views(make_app(None, redis=FakeRedis(server=FakeServer())))
    alice = client_of(app).as_user("alice")
    with outage(app):
        assert alice.get("/me").status_code == 503
    other = make_app(None, redis=FakeRedis())
    with pytest.raises(RuntimeError, match="FakeServer"), outage(other):
        pass


def test_an_app_without_the_extension_is_said_to_be_one() -> None:
    with pytest.raises(RuntimeError, match="init_app"):
        client_of(Flask("bare")).as_user("alice")


# The plugin


@pytest.fixture
def author(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An author's project, in which this plugin is found and no other."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(app=APP)
    return pytester


def run(author: pytest.Pytester) -> pytest.RunResult:
    return author.runpytest_subprocess("-p", PLUGIN)


def test_the_page_and_the_readme_run_as_they_stand(author: pytest.Pytester) -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    for name, code in re.findall(r"```python\n# (\w+)\.py\n(.*?)```", page, re.DOTALL):
        author.makepyfile(**{name: code})
    _, shown = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    author.makepyfile(test_readme=shown)
    author.mkpydir("other")
    author.makepyfile(**{"other/conftest": ANOTHER_NAME, "other/test_it": AS_ALICE})
    run(author).assert_outcomes(passed=6)


def test_the_plugin_imports_nothing_of_the_package_until_it_is_asked(
    author: pytest.Pytester,
) -> None:
    author.makepyfile(test_it=NOTHING_EARLY)
    run(author).assert_outcomes(passed=1)


def test_the_plugin_is_installed_under_its_own_name() -> None:
    named = (ROOT / "pyproject.toml").read_text()
    assert f'[project.entry-points.pytest11]\n{PLUGIN} = "{PLUGIN}"' in named
    assert f'py-modules = ["{PLUGIN}"]' in named
