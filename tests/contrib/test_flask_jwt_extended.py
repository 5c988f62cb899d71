"""The tokens of flask-jwt-extended, made revocable. Run with its oldest release by test_oldest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, request
from flask.testing import FlaskClient
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    verify_jwt_in_request,
)
from jwt import encode

from flask_jwt_revoke import ConfigurationError, Outage, current_token
from flask_jwt_revoke.audit import newest
from flask_jwt_revoke.cli import jwt
from flask_jwt_revoke.contrib.flask_jwt_extended import RevocableTokens, make_revocable
from flask_jwt_revoke.doctor import examine
from flask_jwt_revoke.testing import assert_revoked, client_of, outage

from ..conftest import PATIENT, SECRET
from ..metered.test_metrics import checks
from ..servers import Proxy, Server

EVERYWHERE = ["headers", "cookies", "query_string", "json"]
Make = Callable[..., Flask]


def settings_of(url: str | None, **settings: object) -> dict[str, object]:
    named = {name.upper(): value for name, value in settings.items()}
    usual = {"TESTING": True, "JWT_SECRET_KEY": SECRET, "JWT_REVOKE_REDIS_URL": url} | PATIENT
    return usual | named


def add_views(app: Flask, revoke: RevocableTokens | None) -> None:
    @app.post("/login")
    def login() -> dict[str, str]:
        user = request.json["user"]
        return {
            "access": create_access_token(user, fresh=True),
            "refresh": create_refresh_token(user),
        }

    @app.post("/refresh")
    @jwt_required(refresh=True)
    def refresh() -> dict[str, str]:
        if request.args.get("meanwhile"):
            revoke.logout_everywhere(str(get_jwt_identity()))
        return {"access": create_access_token(get_jwt_identity())}

    @app.route("/me", methods=["GET", "POST"])
    @jwt_required()
    def me() -> dict[str, Any]:
        return {"user": get_jwt_identity(), "subject": current_token.subject}

    @app.get("/optional")
    @jwt_required(optional=True)
    def optional() -> dict[str, Any]:
        return {"user": get_jwt_identity()}

    @app.get("/fresh")
    @jwt_required(fresh=True)
    def fresh() -> dict[str, Any]:
        return {"user": get_jwt_identity()}

    @app.post("/logout")
    @jwt_required()
    def logout() -> dict[str, Any]:
        revoke.logout()
        return {}


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Flask] = []

    def make(url: str | None = "memory://", **settings: object) -> Flask:
        app = Flask("theirs")
        app.config.update(settings_of(url, **settings))
        app.revoke = make_revocable(JWTManager(app), app)
        add_views(app, app.revoke)
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["jwt_revoke"].close()


def sign_in(app: Flask, user: object = "alice") -> dict[str, str]:
    answer = app.test_client().post("/login", json={"user": user})
    assert answer.status_code == 200, answer.json
    return dict(answer.json)


def get(app: Flask, token: str, path: str = "/me") -> Any:
    return app.test_client().get(path, headers=bearer(token))


def post(app: Flask, token: str, path: str) -> Any:
    return app.test_client().post(path, headers=bearer(token))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def is_live(app: Flask, token: str, path: str = "/me") -> bool:
    answer = get(app, token, path)
    assert answer.status_code == 200 or answer.json == {"msg": "Token has been revoked"}
    return bool(answer.status_code == 200)


def test_this_is_the_release_that_was_asked_for() -> None:
    asked_for = os.environ.get("FLASK_JWT_EXTENDED")
    assert asked_for is None or version("flask-jwt-extended") == asked_for


def by_header(client: FlaskClient, token: str) -> Any:
    return client.get("/me", headers=bearer(token))


def by_cookie(client: FlaskClient, token: str) -> Any:
    answer = Response()
    with client.application.test_request_context():
        set_access_cookies(answer, token)
    for cookie in answer.headers.getlist("Set-Cookie"):
        name, _, value = cookie.split(";")[0].partition("=")
        client.set_cookie(name, value)
    csrf = client.get_cookie("csrf_access_token").value
    assert client.post("/me").status_code == 401
    return client.post("/me", headers={"X-CSRF-TOKEN": csrf})


def by_query(client: FlaskClient, token: str) -> Any:
    return client.get(f"/me?jwt={token}")


def by_json(client: FlaskClient, token: str) -> Any:
    return client.post("/me", json={"access_token": token})


@pytest.mark.parametrize("send", [by_header, by_cookie, by_query, by_json])
def test_a_revoked_token_is_refused_wherever_it_is_found(
    make: Make, send: Callable[[FlaskClient, str], Any]
) -> None:
    app = make(jwt_token_location=EVERYWHERE)
    token = sign_in(app)["access"]
    assert send(app.test_client(), token).json == {"user": "alice", "subject": "alice"}
    with app.app_context():
        app.revoke.revoke(token)
    answer = send(app.test_client(), token)
    assert (answer.status_code, answer.json) == (401, {"msg": "Token has been revoked"})


@pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
def test_each_kind_of_view_refuses_what_was_revoked(make: Make, strategy: str) -> None:
    app = make(jwt_revoke_strategy=strategy)
    tokens, other = sign_in(app), sign_in(app)
    views = [("access", "/me"), ("access", "/optional"), ("access", "/fresh")]
    assert all(is_live(app, tokens[kind], path) for kind, path in views)
    assert app.test_client().get("/optional").json == {"user": None}
    later = post(app, tokens["refresh"], "/refresh").json["access"]
    assert get(app, later, "/fresh").json == {"msg": "Fresh token required"}
    assert post(app, later, "/logout").status_code == 200
    assert not any(is_live(app, tokens[kind], path) for kind, path in views)
    assert not is_live(app, later)
    assert post(app, tokens["refresh"], "/refresh").json == {"msg": "Token has been revoked"}
    assert is_live(app, other["access"])
    assert post(app, other["refresh"], "/refresh").status_code == 200


def test_what_is_created_is_counted_listed_and_ended_everywhere(make: Make, server: Server) -> None:
    app = make(server.url)
    phone, laptop = sign_in(app), sign_in(app)
    post(app, phone["refresh"], "/refresh")
    with app.app_context():
        assert len(app.revoke.sessions("alice")) == 2
        assert app.revoke.logout_everywhere("alice") == 5
        assert app.revoke.sessions("alice") == []
    assert not is_live(app, phone["access"])
    assert not is_live(app, laptop["access"])
    assert is_live(app, sign_in(app)["access"])


def test_an_entry_lives_as_long_as_its_token_with_their_leeway(make: Make, server: Server) -> None:
    app = make(server.url, jwt_decode_leeway=30, jwt_access_token_expires=timedelta(minutes=5))
    with app.app_context(), server.client() as client:
        app.revoke.revoke(create_access_token("alice"))
        app.revoke.revoke(create_access_token("bob", expires_delta=timedelta(hours=2)))
        (short,) = client.keys("jwtrevoke:{alice}:revoked:*")
        (long,) = client.keys("jwtrevoke:{bob}:revoked:*")
        assert 305_000 < client.pttl(short) <= 330_000
        assert 7_205_000 < client.pttl(long) <= 7_230_000


def test_the_identity_may_be_a_number_in_a_claim_of_its_own(make: Make) -> None:
    app = make(jwt_identity_claim="uid")
    token = sign_in(app, 42)["access"]
    assert get(app, token).json == {"user": 42, "subject": "42"}
    with app.app_context():
        app.revoke.logout_everywhere("42")
    assert not is_live(app, token)


@pytest.mark.parametrize("ver", [3, "2.0"])
def test_a_claim_ver_of_the_authors_is_no_version_of_ours(make: Make, ver: object) -> None:
    for strategy in ("blacklist", "allowlist", "version"):
        app = make(jwt_revoke_strategy=strategy)
        with app.app_context():
            token = create_access_token("alice", additional_claims={"ver": ver})
        assert is_live(app, token)
        with app.app_context():
            assert len(app.revoke.sessions("alice")) == 1
            app.revoke.logout_everywhere("alice")
        assert not is_live(app, token)


def test_a_claim_ver_that_cannot_be_told_from_ours_is_said_at_once(make: Make) -> None:
    with make(jwt_encode_nbf=False).app_context(), pytest.raises(ValueError, match="NBF"):
        create_access_token("alice", additional_claims={"ver": 3})


def test_an_identity_that_is_neither_is_said_at_once(make: Make) -> None:
    app = make()
    with app.app_context(), pytest.raises(TypeError, match="user_identity_loader"):
        create_access_token({"name": "alice"})


def test_a_refresh_under_way_brings_nothing_back(make: Make) -> None:
    for strategy in ("blacklist", "allowlist", "version"):
        app = make(jwt_revoke_strategy=strategy)
        answer = post(app, sign_in(app)["refresh"], "/refresh?meanwhile=1")
        assert answer.status_code == 200
        assert not is_live(app, answer.json["access"])


def test_a_cookie_that_is_renewed_on_the_answer_to_a_logout_is_worth_nothing(make: Make) -> None:
    app = make()
    renewed = []

    @app.after_request
    def renew(response: Response) -> Response:
        if request.path in ("/logout", "/me"):
            renewed.append(create_access_token(get_jwt_identity()))
        return response

    token = sign_in(app)["access"]
    get(app, token)
    post(app, token, "/logout")
    assert len(renewed) == 2
    app.after_request_funcs.clear()
    assert not any(is_live(app, one) for one in renewed)


@pytest.mark.parametrize("is_before", [False, True])
def test_a_view_may_rotate_refresh_tokens(make: Make, is_before: bool) -> None:
    before, app = Flask("before"), make()
    before.config.update(settings_of(None))
    JWTManager(before)
    add_views(before, None)

    @app.post("/rotate")
    @jwt_required(refresh=True)
    def rotate() -> dict[str, str]:
        if "sid" not in get_jwt():
            app.revoke.begin_session()
        new = create_refresh_token(get_jwt_identity())
        app.revoke.revoke(get_jwt())
        return {"refresh": new}

    spent = sign_in(before if is_before else app)["refresh"]
    new = post(app, spent, "/rotate").json["refresh"]
    assert post(app, spent, "/rotate").status_code == 401
    assert post(app, new, "/rotate").status_code == 200


def test_a_session_is_begun_by_name(make: Make) -> None:
    app = make()

    @app.post("/password")
    @jwt_required(fresh=True)
    def change_password() -> dict[str, str]:
        app.revoke.logout_everywhere(get_jwt_identity())
        app.revoke.begin_session(device="Pixel 8")
        return {"access": create_access_token(get_jwt_identity())}

    @app.get("/devices")
    @jwt_required()
    def devices() -> list[Any]:
        return [(one.device, one.address, one.current) for one in app.revoke.sessions("alice")]

    old = sign_in(app)
    new = post(app, old["access"], "/password").json["access"]
    assert get(app, new, "/devices").json == [["Pixel 8", "127.0.0.0/24", True]]
    assert not is_live(app, old["access"])


def test_tokens_from_before_are_recorded_when_they_are_used_to_refresh(make: Make) -> None:
    before, app = Flask("before"), make()
    before.config.update(settings_of(None))
    JWTManager(before)
    add_views(before, None)
    old = sign_in(before)
    assert is_live(app, old["access"])
    new = post(app, old["refresh"], "/refresh").json["access"]
    with app.app_context():
        (session,) = app.revoke.sessions("alice")
        assert session.ends > time.time() + 29 * 24 * 3600
    assert post(app, new, "/logout").status_code == 200
    assert not is_live(app, new)
    assert post(app, old["refresh"], "/refresh").status_code == 401
    with app.app_context():
        app.revoke.logout(old["access"])
    assert not is_live(app, old["access"])


@pytest.mark.parametrize("order", ["theirs first", "ours first", "ours alone"])
def test_one_manager_serves_many_apps_in_any_order(order: str) -> None:
    manager = JWTManager()
    revoke = make_revocable(manager)
    tokens = []
    apps = [Flask("one"), Flask("two")]
    for app in apps:
        app.config.update(settings_of("memory://"))
        if order == "theirs first":
            manager.init_app(app)
        revoke.init_app(app)
        if order == "ours first":
            manager.init_app(app)
        add_views(app, revoke)
        tokens.append(sign_in(app)["access"])
        with app.app_context():
            assert len(revoke.sessions("alice")) == 1
    with apps[0].app_context():
        assert revoke.logout_everywhere("alice") == 2
    assert not is_live(apps[0], tokens[0])
    assert is_live(apps[1], tokens[1])


def test_the_call_may_be_made_for_each_app() -> None:
    manager = JWTManager()
    for name in ("one", "two"):
        app = Flask(name)
        app.config.update(settings_of("memory://"))
        manager.init_app(app)
        revoke = make_revocable(manager, app)
        with app.app_context():
            create_access_token("alice")
            assert revoke.logout_everywhere("alice") == 1
        with pytest.raises(RuntimeError, match="already"):
            make_revocable(manager, app)
    other = Flask("three")
    other.config.update(settings_of("memory://"))
    JWTManager(other)
    with pytest.raises(RuntimeError, match="another JWTManager"):
        revoke.init_app(other)


def test_a_blocklist_that_was_there_is_asked_first() -> None:
    app, refused = Flask("both"), []
    app.config.update(settings_of("memory://"))
    manager = JWTManager(app)
    manager.token_in_blocklist_loader(lambda header, payload: payload["jti"] in refused)
    make_revocable(manager, app)
    add_views(app, None)
    token, other = sign_in(app)["access"], sign_in(app)["access"]
    with app.app_context():
        refused.append(manager._decode_jwt_from_config(token)["jti"])
    assert not is_live(app, token)
    assert is_live(app, other)


def test_a_loader_that_takes_our_place_is_noticed(make: Make) -> None:
    app = make()
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, payload: False)
    with app.app_context(), pytest.raises(RuntimeError, match="after make_revocable"):
        create_access_token("alice")


def test_an_outage_is_answered_in_the_shape_of_their_errors(make: Make, server: Server) -> None:
    app = make(server.url, jwt_error_message_key="message", jwt_revoke_timeout=0.3)
    lenient = make(server.url, jwt_revoke_on_outage="allow", jwt_revoke_timeout=0.3)
    token = sign_in(app)["access"]
    server.pause()
    try:
        for path in ("/me", "/optional", "/fresh"):
            answer = get(app, token, path)
            assert answer.status_code == 503
            assert answer.json == {"message": "Tokens cannot be checked at the moment."}
            assert answer.headers["Retry-After"] == "1"
        assert is_live(lenient, token)
        with app.app_context(), pytest.raises(Outage):
            create_access_token("alice")
    finally:
        server.resume()


@pytest.mark.parametrize("strategy", ["blacklist", "allowlist", "version"])
def test_promise_2_a_check_is_one_round_trip(make: Make, server: Server, strategy: str) -> None:
    wire = Proxy(server)
    app = make(wire.url, jwt_revoke_strategy=strategy)
    token = sign_in(app)["access"]
    get(app, token)
    wire.forget()
    get(app, token)
    assert wire.round_trips == 1
    app.test_client().get("/optional")
    assert wire.round_trips == 1
    wire.close()


def test_promise_10_a_near_cache_reuses_verdicts_and_hears_of_revocations(
    make: Make, server: Server
) -> None:
    wire = Proxy(server)
    app = make(wire.url, jwt_revoke_near_cache_staleness=20)
    elsewhere = make(server.url)
    token = sign_in(app)["access"]
    wait_for_listener(app, token, server)
    get(app, token)
    asked = wire.said.count(b"MGET")
    assert is_live(app, token)
    assert wire.said.count(b"MGET") == asked
    with elsewhere.app_context():
        elsewhere.revoke.logout_everywhere("alice")
    until = time.monotonic() + 15
    while is_live(app, token):
        assert time.monotonic() < until
    wire.close()


def wait_for_listener(app: Flask, token: str, server: Server) -> None:
    """A verdict from before it listens is reused for as long as it may be stale."""
    until = time.monotonic() + 10
    with server.client() as client:
        while client.pubsub_numsub("jwtrevoke:feed")[0][1] == 0:
            assert time.monotonic() < until
            get(app, token)
            time.sleep(0.01)


def test_only_the_types_that_the_settings_name_are_looked_up(make: Make) -> None:
    app = make(jwt_revoke_checked_types=["refresh"])
    tokens = sign_in(app)
    with app.app_context():
        app.revoke.logout(tokens["access"])
    assert is_live(app, tokens["access"])
    assert post(app, tokens["refresh"], "/refresh").status_code == 401


def test_a_blocked_subject_cannot_sign_in(make: Make) -> None:
    app = make()
    token = sign_in(app)["access"]
    with app.app_context():
        app.revoke.block("alice")
    answer = app.test_client().post("/login", json={"user": "alice"})
    assert (answer.status_code, answer.json) == (403, {"msg": "This account is blocked."})
    assert not is_live(app, token)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, {}),
        (
            {"jwt_token_location": "cookies"},
            {"cookie_secure": "FAIL", "cookie_samesite": "WARN", "csrf": "OK"},
        ),
        (
            {
                "jwt_token_location": EVERYWHERE, "jwt_cookie_secure": True,
                "jwt_cookie_samesite": "Lax", "jwt_cookie_csrf_protect": False,
            },
            {"cookie_secure": "OK", "cookie_samesite": "OK", "csrf": "FAIL"},
        ),
    ],
)  # fmt: skip
def test_the_doctor_looks_at_their_cookies(
    make: Make, settings: dict[str, object], said: dict[str, str]
) -> None:
    door = make(**settings).extensions["jwt_revoke"]
    found = examine(door, "cookie_secure", "cookie_samesite", "csrf")
    assert {one.name: one.status for one in found} == said
    assert all("JWT_COOKIE_" in one.remedy for one in found if one.status != "OK")


def test_a_token_that_never_expires_is_refused_when_it_is_made(make: Make) -> None:
    app = make()
    with app.app_context():
        with pytest.raises(ValueError, match="exp"):
            create_access_token("alice", expires_delta=False)
        expired = create_access_token("alice", expires_delta=timedelta(seconds=-1))
        assert app.revoke.sessions("alice") == []
    assert get(app, expired).json == {"msg": "Token has expired"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"jwt_revoke_leeway": 10}, "JWT_REVOKE_LEEWAY has no effect"),
        ({"jwt_revoke_token_location": ["cookies"]}, "JWT_REVOKE_TOKEN_LOCATION has no effect"),
        ({"jwt_refresh_token_expires": False}, "JWT_REFRESH_TOKEN_EXPIRES takes a lifetime"),
        ({"jwt_secret_key": "short"}, "too short"),
        ({"jwt_revoke_redis_url": "nowhere"}, "JWT_REVOKE_REDIS_URL"),
    ],
)
def test_settings_that_cannot_work_are_said_at_start(
    make: Make, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make(**settings)


def test_keys_issuer_and_audience_are_read_from_their_settings(make: Make) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    app = make(
        jwt_algorithm="RS256", jwt_private_key=private.decode(), jwt_public_key=public.decode(),
        jwt_encode_issuer="us", jwt_decode_issuer="us",
        jwt_encode_audience="you", jwt_decode_audience=["you"],
    )  # fmt: skip
    token = sign_in(app)["access"]
    assert is_live(app, token)
    runner = app.test_cli_runner()
    done = runner.invoke(jwt, ["why", "-"], input=token)
    assert done.exit_code == 0, done.output
    runner.invoke(jwt, ["revoke", "-"], input=token)
    assert not is_live(app, token)


IDENTITY_CLAIMS = pytest.mark.parametrize("claim", ["sub", "identity"])


@IDENTITY_CLAIMS
def test_their_views_accept_pairs_of_ours(make: Make, claim: str) -> None:
    app = make(jwt_identity_claim=claim)
    with app.app_context():
        pair = app.revoke.issue("alice")
        assert get(app, pair.access).json == {"user": "alice", "subject": "alice"}
        pair = app.revoke.rotate(pair.refresh)
        app.revoke.logout(pair.access)
    assert not is_live(app, pair.access)


@IDENTITY_CLAIMS
def test_a_session_that_is_kept_goes_on_with_other_claims(make: Make, claim: str) -> None:
    app = make(jwt_identity_claim=claim)
    token = sign_in(app)["access"]
    with app.test_request_context(headers=bearer(token)):
        verify_jwt_in_request()
        sid = current_token.session_id
        pair = app.revoke.logout_everywhere("alice", keep=sid, claims={"role": "admin"})
    assert not is_live(app, token)
    assert get(app, pair.access).json == {"user": "alice", "subject": "alice"}
    assert post(app, pair.refresh, "/refresh").status_code == 200


@IDENTITY_CLAIMS
def test_the_kit_for_tests_signs_in_to_their_views(make: Make, claim: str) -> None:
    app = make(jwt_identity_claim=claim)
    alice = client_of(app).as_user("alice")
    assert alice.get("/fresh").json == {"user": "alice"}
    assert alice.post("/logout").status_code == 200
    assert_revoked(alice)
    with outage(app):
        assert alice.get("/me").status_code == 503


@pytest.mark.parametrize(
    ("settings", "user"),
    [({"jwt_identity_claim": "identity"}, "alice"), ({"jwt_verify_sub": False}, 42)],
)
def test_the_endpoints_by_the_standards_know_whose_token_it_is(
    make: Make, settings: dict[str, object], user: object
) -> None:
    app = make(**settings)
    clients = {"shop": "secret"}
    app.register_blueprint(app.revoke.oauth_blueprint(clients=clients, introspectors=clients))
    client, token = app.test_client(), sign_in(app, user)["access"]
    about = {"data": {"token": token}, "auth": ("shop", "secret")}
    if get(app, token).status_code == 422:
        pytest.skip("this release takes no numbers")
    assert client.post("/oauth/introspect", **about).json["sub"] == str(user)
    assert client.post("/oauth/revoke", **about).status_code == 200
    assert not is_live(app, token)
    assert_revoked(token, app)


def test_the_trail_says_who_asked_and_from_where(make: Make) -> None:
    app = make(jwt_revoke_audit_length=10)
    post(app, sign_in(app)["access"], "/logout")
    entry = next(newest(app.extensions["jwt_revoke"].store))
    assert (entry.sid is not None, entry.actor, entry.address) == (True, "alice", "127.0.0.0/24")


@pytest.mark.parametrize("ask", ["by_header", "by_cookie"])
def test_a_view_may_be_strict_wherever_they_look_for_its_token(make: Make, ask: str) -> None:
    app = make(jwt_revoke_near_cache_staleness=30, jwt_token_location=["cookies", "headers"])
    app.add_url_rule("/strict", view_func=jwt_required()(app.revoke.required(strict=True)(dict)))
    alice, bob = sign_in(app, "alice")["access"], sign_in(app, "bob")["access"]

    def status(path: str, token: str) -> int:
        # By a cookie beside another one's header: theirs comes first.
        client = app.test_client()
        if ask == "by_cookie":
            client.set_cookie("access_token_cookie", token)
        return client.get(path, headers=bearer(bob if ask == "by_cookie" else token)).status_code

    assert [status(path, alice) for path in ("/me", "/strict", "/me")] == [200, 200, 200]
    # Nobody was told, as of a hand in Redis.
    app.extensions["jwt_revoke"].store.client.set("jwtrevoke:{alice}:blocked", "by-hand@0")
    assert status("/me", alice) == 200
    assert [status(path, alice) for path in ("/strict", "/me")] == [401, 401]
    assert status("/strict", bob) == 200


def test_checks_are_counted(make: Make) -> None:
    app = make(jwt_revoke_metrics=True)
    live, revoked = checks("live", "strict"), checks("revoked", "strict")
    token = sign_in(app)["access"]
    assert is_live(app, token)
    post(app, token, "/logout")
    assert not is_live(app, token)
    assert (live(), revoked()) == (2, 1)


def test_a_token_of_an_outside_issuer_is_its_own(make: Make) -> None:
    issuer = {"keys": {"": SECRET}, "algorithms": ["HS256"], "audience": "shop"}
    app = make(
        jwt_revoke_issuers={"https://id.example/": issuer},
        jwt_encode_audience="shop",
        jwt_decode_audience="shop",
    )
    now = int(time.time())
    token = encode(
        {
            "iss": "https://id.example/", "sub": "alice", "aud": "shop", "jti": "J1",
            "iat": now - 5, "exp": now + 60,
        },
        SECRET,
    )  # fmt: skip
    subject = "https://id.example/#alice"
    assert get(app, token).json == {"user": "alice", "subject": subject}
    with app.app_context():
        assert app.revoke.logout_everywhere(subject) == 1
    assert not is_live(app, token)
