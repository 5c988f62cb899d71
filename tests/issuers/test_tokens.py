"""What is accepted of an outside issuer, and what is not."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from flask_jwt_revoke import (
    Authority,
    BadSignature,
    ConfigurationError,
    Event,
    ExpiredToken,
    IssuerOutage,
    MalformedToken,
    MissingClaim,
    NotFresh,
    NotYetValid,
    TokenRefused,
    WrongAudience,
    WrongIssuer,
    WrongType,
    signals,
)

from ..conftest import SECRET
from .conftest import SHOP
from .provider import Provider, compact, jwk_of, key_of, saying, slow, well

MakeDoor = Callable[..., Authority]
MakeProvider = Callable[..., Provider]
BANK = "https://bank.example"


@pytest.fixture
def door(make_door: MakeDoor, provider: Provider) -> Authority:
    return make_door("memory://", provider)


def test_an_outside_token_is_accepted(door: Authority, provider: Provider) -> None:
    claims = door.check(provider.sign(sid="a session", scope="read"))
    assert (claims.subject, claims.issuer, claims.id) == (f"{SHOP}#alice", SHOP, "1")
    assert (claims.session_id, claims.type, claims.version) == ("a session", "access", None)
    assert (claims.claims["sub"], claims.claims["scope"]) == ("alice", "read")


def test_the_apps_own_tokens_work_beside(door: Authority, provider: Provider) -> None:
    pair = door.issue("alice")
    assert (door.check(pair.access).subject, door.check(pair.access).issuer) == ("alice", None)
    assert door.check(door.rotate(pair.refresh).access).subject == "alice"
    assert provider.fetches == 0


@pytest.mark.parametrize("algorithm", ["RS384", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_each_algorithm(make_door: MakeDoor, make_provider: MakeProvider, algorithm: str) -> None:
    provider = make_provider(SHOP, algorithm)
    door = make_door("memory://", provider, algorithms=[algorithm])
    assert door.check(provider.sign()).issuer == SHOP
    with pytest.raises(BadSignature):
        make_door("memory://", provider, algorithms=["RS256"]).check(provider.sign())


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"aud": "bank"}, WrongAudience), ({"aud": None}, WrongAudience),
        ({"aud": ["bank", "shop"]}, None), ({"aud": 7}, WrongAudience),
        ({"aud": []}, WrongAudience), ({"exp": 1}, ExpiredToken), ({"exp": None}, MissingClaim),
        ({"exp": "soon"}, MalformedToken), ({"exp": 2**70}, MalformedToken),
        ({"nbf": 2**33}, NotYetValid), ({"nbf": "now"}, MalformedToken),
        ({"iat": int(time.time()) + 3600}, NotYetValid), ({"iat": "now"}, MalformedToken),
        ({"iat": None}, None), ({"jti": None}, None), ({"jti": ""}, MalformedToken),
        ({"jti": 7}, MalformedToken), ({"jti": "x" * 257}, MalformedToken),
        ({"sub": None}, MissingClaim), ({"sub": ""}, MalformedToken), ({"sub": 7}, MalformedToken),
        ({"sub": "x" * 255}, MalformedToken), ({"sub": "x" * 200}, None),
        ({"sid": None}, None), ({"sid": 7}, MalformedToken), ({"sid": ""}, MalformedToken),
        ({"iat": int(time.time()) - 31 * 86400}, MalformedToken),
        ({"iat": None, "exp": int(time.time()) + 31 * 86400}, NotYetValid),
        ({"iss": "https://evil.example"}, BadSignature), ({"iss": 7}, BadSignature),
        ({"iss": SHOP + "/"}, BadSignature), ({"iss": None}, BadSignature),
        ({"events": {}}, WrongType),
        ({"ver": 1, "sid": "s", "type": "refresh", "fresh": True}, None),
    ],
)  # fmt: skip
def test_each_claim(
    door: Authority, provider: Provider, claims: dict[str, Any], error: type[TokenRefused] | None
) -> None:
    token = provider.sign(**claims)
    if error is not None:
        with pytest.raises(error):
            door.check(token)
        return
    found = door.check(token)
    assert (found.type, found.version, found.fresh) == ("access", None, False)
    with pytest.raises(NotFresh):
        door.check(token, fresh=True)


def test_leeway_covers_an_issuer_whose_clock_is_ahead(
    make_door: MakeDoor, provider: Provider
) -> None:
    token = provider.sign(iat=int(time.time()) + 20)
    with pytest.raises(NotYetValid):
        make_door("memory://", provider).check(token)
    assert make_door("memory://", provider, leeway=30).check(token)


@pytest.mark.parametrize(
    ("typ", "accepted"),
    [
        ("JWT", True), ("at+jwt", True), ("application/AT+JWT", True), ("logout+jwt", False),
        ("secevent+jwt", False), ("dpop+jwt", False), (7, False),
        (None, True), ([], False),
    ],
)  # fmt: skip
def test_the_type_in_the_header(
    door: Authority, provider: Provider, typ: Any, accepted: bool
) -> None:
    token = provider.sign(header={"typ": typ})
    if accepted:
        assert door.check(token)
    else:
        with pytest.raises(WrongType):
            door.check(token)


def test_types_that_the_settings_ask_for(make_door: MakeDoor, provider: Provider) -> None:
    door = make_door("memory://", provider, typ="at+jwt")
    assert door.check(provider.sign(header={"typ": "at+jwt"}))
    with pytest.raises(WrongType):
        door.check(provider.sign())


# What issuers send


def test_keycloak(make_door: MakeDoor, provider: Provider) -> None:
    door = make_door("memory://", provider, require={"typ": "Bearer"})
    token = provider.sign(
        jti="onrtac:7c4f", typ="Bearer", azp="web", sid="5e1c", aud=["account", "shop"],
        acr="1", scope="openid profile", realm_access={"roles": ["user"]},
    )  # fmt: skip
    claims = door.check(token)
    assert (claims.id, claims.session_id) == ("onrtac:7c4f", "5e1c")
    with pytest.raises(WrongType):
        door.check(provider.sign(typ="ID"))


def test_auth0(make_door: MakeDoor, make_provider: MakeProvider) -> None:
    provider = make_provider("https://tenant.eu.auth0.com/")
    door = make_door("memory://", provider, audience="https://api.example")
    token = provider.sign(
        sub="auth0|64b2", jti=None, azp="web", scope="openid",
        aud=["https://api.example", "https://tenant.eu.auth0.com/userinfo"],
    )  # fmt: skip
    claims = door.check(token)
    assert claims.subject == "https://tenant.eu.auth0.com/#auth0|64b2"
    signed = hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()
    assert claims.id == f"sha256-{signed}"


def test_cognito(make_door: MakeDoor, make_provider: MakeProvider) -> None:
    provider = make_provider("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_ABC")
    door = make_door(
        "memory://", provider, audience="1example23456789",
        claims={"aud": "client_id", "sid": "origin_jti"}, require={"token_use": "access"},
    )  # fmt: skip
    access = {
        "aud": None, "client_id": "1example23456789", "token_use": "access",
        "origin_jti": "aaaa", "jti": "bbbb", "username": "alice", "scope": "aws.cognito.signin",
    }  # fmt: skip
    claims = door.check(provider.sign(**access))
    assert (claims.id, claims.session_id) == ("bbbb", "aaaa")
    with pytest.raises(WrongAudience):
        door.check(provider.sign(**access | {"client_id": "another"}))
    with pytest.raises(WrongType):
        door.check(provider.sign(**access | {"token_use": "id"}))


# Several issuers


def test_two_issuers_each_have_their_own_audience_and_algorithms(
    make_authority: Callable[..., Authority], make_provider: MakeProvider
) -> None:
    shop, bank = make_provider(SHOP), make_provider(BANK, "ES256")
    door = make_authority(
        "memory://",
        issuers={
            SHOP: shop.settings(),
            BANK: bank.settings(audience="bank", algorithms="ES256"),
        },
    )
    assert door.check(shop.sign()).subject == f"{SHOP}#alice"
    assert door.check(bank.sign(aud="bank")).subject == f"{BANK}#alice"
    with pytest.raises(WrongAudience):
        door.check(bank.sign(aud="shop"))
    assert door.check(door.issue("alice").access).subject == "alice"


def test_a_key_is_good_for_its_own_issuer(make_door: MakeDoor, make_provider: MakeProvider) -> None:
    shop, bank = make_provider(SHOP, "RS256", 0), make_provider(BANK, "RS256", 1)
    door = make_door("memory://", shop, bank)
    for kid in ("RS256-1", "RS256-0"):
        with pytest.raises(BadSignature):
            door.check(bank.sign(iss=SHOP, header={"kid": kid}))
    assert door.check(shop.sign(header={"kid": "RS256-0"}))


def test_a_token_without_a_key_id_is_tried_with_all(door: Authority, provider: Provider) -> None:
    provider.rotate("new", "RS256", 1)
    for kid in ("RS256-0", "new"):
        algorithm, key = provider.keys[kid]
        payload = jwt.decode(provider.sign(jti=kid), options={"verify_signature": False})
        assert door.check(jwt.encode(payload, key, algorithm)).id == kid


def test_an_own_subject_cannot_be_an_outside_one(door: Authority, provider: Provider) -> None:
    name = f"{SHOP}#alice"
    with pytest.raises(ValueError, match="outside issuer"):
        door.issue(name)
    with pytest.raises(ValueError, match="outside issuer"):
        door.logout_everywhere(name, keep="a session")
    forged = {"sub": name, "jti": "1", "exp": time.time() + 60}
    with pytest.raises(MalformedToken):
        door.check(jwt.encode(forged, SECRET, "HS256"))
    with pytest.raises(ValueError, match="outside issuer"):
        door.record(forged)
    assert door.issue(SHOP).access
    assert door.issue("https://another.example#alice").access


# Attacks


def public_pem(number: int = 0) -> bytes:
    key = key_of("RS256", number).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def forged(header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    payload = {"iss": SHOP, "sub": "alice", "aud": "shop", "jti": "1", "exp": time.time() + 60}
    return compact({"kid": "RS256-0"} | header, payload, sign)


def is_known(header: dict[str, Any], door: Authority) -> None:
    """The forger can make a good token, had he the key."""
    signer = get_default_algorithms()["RS256"]
    assert door.check(forged(header, lambda signed: signer.sign(signed, key_of("RS256"))))


def test_algorithm_confusion(door: Authority, provider: Provider) -> None:
    modulus = jwk_of("RS256", key_of("RS256"))["n"].encode()
    published = json.dumps(provider.published()).encode()
    secrets = [public_pem(), public_pem().strip(), modulus, published, SECRET.encode(), b""]
    for secret in secrets:
        for name in ("HS256", "HS384", "HS512"):
            sign = partial(_hmac, secret, "sha" + name[2:])
            token = forged({"alg": name}, sign)
            with pytest.raises(BadSignature):
                door.check(token)
    for name in ("none", "None", "nOnE", "", "rs256", "RS512", "ES256", 7, ["RS256"], {}):
        with pytest.raises(TokenRefused):
            door.check(forged({"alg": name}, lambda signed: b""))
    is_known({"alg": "RS256"}, door)


def _hmac(secret: bytes, name: str, signed: bytes) -> bytes:
    return hmac.digest(secret, signed, name)


def test_keys_that_a_token_brings_along_are_not_looked_at(
    door: Authority, provider: Provider, make_provider: MakeProvider
) -> None:
    evil = make_provider("https://evil.example", "RS256", 7)
    for header in (
        {"jku": evil.url}, {"x5u": evil.url}, {"jwk": jwk_of("RS256", key_of("RS256", 7))},
        {"kid": "../../RS256-7"}, {"kid": evil.url}, {"kid": "RS256-7", "jku": evil.url},
        {"kid": 7}, {"kid": None}, {"kid": [7]}, {"crit": ["jku"], "jku": evil.url}, {"b64": False},
    ):  # fmt: skip
        with pytest.raises(TokenRefused):
            door.check(evil.sign(iss=SHOP, header=header))
    assert evil.fetches == 0


INDEX = b"jwtrevoke:{https%3A//id.example/realms/shop#alice}:tokens"


def test_a_forged_token_is_not_kept(door: Authority, provider: Provider) -> None:
    door.check(provider.sign(jti="good"))
    before = len(door.tokens._seen._known)
    for number in range(20):
        token = provider.sign(jti=str(number), header={"kid": str(number)})
        with pytest.raises(BadSignature):
            door.check(token[:-8] + "AAAAAAAA")
    assert len(door.tokens._seen._known) == before
    assert set(door.store.client.keys()) == {b"jwtrevoke:canary", INDEX}
    assert provider.fetches == 2


# Keys that change


def test_a_withdrawn_key_ends_verdicts_that_were_kept(
    make_door: MakeDoor, provider: Provider
) -> None:
    door = make_door("memory://", provider, refresh=1, cooldown=0.1)
    token = provider.sign()
    door.check(token)
    provider.rotate("new", "RS256", 1)
    del provider.keys["RS256-0"]
    time.sleep(1.05)
    with pytest.raises(BadSignature):  # noqa: PT012 - a fetch in the background ends it
        for _ in range(200):
            door.check(token)
            time.sleep(0.02)
    assert door.check(provider.sign(jti="2")).id == "2"


def test_without_its_keys_an_issuers_tokens_are_neither_accepted_nor_refused(
    make_door: MakeDoor, provider: Provider
) -> None:
    door = make_door("memory://", provider, cooldown=0.1, timeout=0.2)
    provider.answer = slow(0.4)
    heard: list[str] = []

    def hear(sender: object, event: Event) -> None:
        heard.append(event.reason)

    with signals.outage.connected_to(hear), pytest.raises(IssuerOutage) as caught:
        door.check(provider.sign(), on_outage="allow")
    assert heard == ["issuer"]
    assert (caught.value.status, caught.value.reason) == (503, "issuer_outage")
    assert door.check(door.issue("alice").access)
    provider.answer = well
    assert sooner_or_later(lambda: door.check(provider.sign()))


def sooner_or_later(check: Callable[[], object]) -> object:
    """What a busy machine may not have fetched within the time-out."""
    until = time.monotonic() + 10
    while True:
        try:
            return check()
        except IssuerOutage:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_whatever_meets_an_issuers_outage_tells_of_it(
    make_door: MakeDoor, provider: Provider
) -> None:
    door = make_door("memory://", provider)
    provider.answer = saying(b"", 500)
    token, heard = provider.sign(), []

    def hear(sender: object, event: Event) -> None:
        heard.append(event.reason)

    verbs: dict[str, Callable[[], object]] = {
        "verify": lambda: door.verify(token),
        "verify_other": lambda: door.verify_other(token, types=("jwt",)),
        "record": lambda: door.record(token),
        "rotate": lambda: door.rotate(token),
        "revoke": lambda: door.revoke(token),
        "logout": lambda: door.logout(token),
    }
    for name, verb in verbs.items():
        heard.clear()
        with signals.outage.connected_to(hear), pytest.raises(IssuerOutage):
            verb()
        assert heard == ["issuer"], name


def test_the_answer_of_an_issuers_outage(make_app: Callable[..., Any], provider: Provider) -> None:
    provider.answer = saying(b"", 500)
    app = make_app(issuers={SHOP: provider.settings()})
    app.add_url_rule("/", view_func=app.revoke.required(dict))
    answer = app.test_client().get("/", headers={"Authorization": f"Bearer {provider.sign()}"})
    assert (answer.status_code, answer.json["reason"]) == (503, "issuer_outage")
    assert int(answer.headers["Retry-After"]) > 0


# Keys in the settings


def test_keys_may_stand_in_the_settings(
    make_authority: Callable[..., Authority], provider: Provider
) -> None:
    keys = {"RS256-0": public_pem().decode()}
    door = make_authority("memory://", issuers={SHOP: {"keys": keys, "audience": "shop"}})
    assert door.check(provider.sign()).issuer == SHOP
    provider.rotate("new", "RS256", 1)
    with pytest.raises(BadSignature):
        door.check(provider.sign())
    assert provider.fetches == 0
    secret = "a secret that is shared with the issuer, of 32 bytes and more"
    shared = {"keys": {"s": secret}, "audience": "shop", "algorithms": "HS256"}
    door = make_authority("memory://", issuers={SHOP: shared})
    payload = jwt.decode(provider.sign(), options={"verify_signature": False})
    shared_token = jwt.encode(payload, secret, "HS256", headers={"kid": "s"})
    assert door.check(shared_token)
    key = door.tokens.known(shared_token, time.time())._key
    assert secret not in repr(door.config) + repr(key)
    with pytest.raises(BadSignature):
        door.check(provider.sign())


@pytest.mark.parametrize(
    ("keys", "algorithms"),
    [
        ({"a": "not a key"}, "RS256"), ({"a": public_pem().decode()}, "ES256"),
        ({"a": "short"}, "HS256"), ({"a": public_pem().decode()}, "HS256"),
    ],
)  # fmt: skip
def test_a_key_that_does_not_suit_is_refused_at_start(
    make_authority: Callable[..., Authority], keys: Any, algorithms: str
) -> None:
    settings = {"keys": keys, "algorithms": algorithms, "audience": "shop"}
    with pytest.raises(ConfigurationError, match=r"ISSUERS\['https://id.*'keys'\]\['a'\]"):
        make_authority("memory://", issuers={SHOP: settings})


# Other JWTs of an issuer

LOGOUT = {"http://schemas.openid.net/event/backchannel-logout": {}}


def test_another_kind_of_jwt_is_verified(door: Authority, provider: Provider) -> None:
    token = provider.sign(
        header={"typ": "logout+jwt"}, aud="web", events=LOGOUT, sub=None, exp=None, sid="s"
    )
    found = door.verify_other(token, types=("logout+jwt",), audience=("web",))
    assert (found["events"], found["sid"]) == (LOGOUT, "s")
    for types, audience in (("secevent+jwt",), ("web",)), (("logout+jwt",), None):
        with pytest.raises((WrongType, WrongAudience)):
            door.verify_other(token, types=types, audience=audience)
    assert door.verify_other(provider.sign(header={"typ": None}), types=("",))


@pytest.mark.parametrize("given", [{"types": "logout+jwt"}, {"types": ("jwt",), "audience": "web"}])
def test_a_part_of_a_word_is_none_of_the_words(
    door: Authority, provider: Provider, given: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="collection of strings"):
        door.verify_other(provider.sign(aud="w"), **given)


def test_another_kind_of_jwt_is_refused(door: Authority, provider: Provider) -> None:
    good = provider.sign(header={"typ": "logout+jwt"})
    kinds = ("logout+jwt",)
    for token, error in (
        (provider.sign(header={"typ": "logout+jwt"}, iss=BANK), WrongIssuer),
        (good[:-8] + "AAAAAAAA", BadSignature),
        (forged({"alg": "none", "typ": "logout+jwt"}, lambda _: b""), TokenRefused),
        ("nonsense", MalformedToken), ("a.b.c", MalformedToken), ("x" * 9000, MalformedToken),
        (None, MalformedToken), (door.issue("alice").access, WrongIssuer),
    ):  # fmt: skip
        with pytest.raises(error):
            door.verify_other(token, types=kinds)
    assert door.verify_other(good, types=kinds)["sub"] == "alice"


def test_without_issuers_there_is_nobody_to_verify(
    make_authority: Callable[..., Authority], provider: Provider
) -> None:
    with pytest.raises(WrongIssuer):
        make_authority("memory://").verify_other(provider.sign(), types=("jwt",))
