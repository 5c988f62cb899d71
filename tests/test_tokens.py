"""Promise 8, room by room: what a token must be, before Redis is asked anything."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.warnings import InsecureKeyLengthWarning

from flask_jwt_revoke import (
    BadSignature,
    Config,
    ConfigurationError,
    ExpiredToken,
    MalformedToken,
    MissingClaim,
    NotYetValid,
    TokenRefused,
    WrongAudience,
    WrongIssuer,
)
from flask_jwt_revoke.models import Claims
from flask_jwt_revoke.seen import Seen
from flask_jwt_revoke.tokens import RESERVED, Tokens, new_id
from flask_jwt_revoke.tokens.claims import MAX_TOKEN

from .conftest import SECRET

NOW = 1_795_240_800


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: Any) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


RSA = rsa.generate_private_key(65537, 2048)
PRIVATE = {
    "RS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def tokens(**settings: object) -> Tokens:
    named = {f"JWT_REVOKE_{name.upper()}": value for name, value in settings.items()}
    base = {} if "keys" in settings or "secret_key" in settings else {"SECRET_KEY": SECRET}
    return Tokens(Config.from_mapping(base | named))


def claims(**others: Any) -> Claims:
    return Claims(
        **{
            "subject": "alice", "id": new_id(), "session_id": new_id(), "version": 7,
            "issued_at": NOW, "expires_at": NOW + 900, "claims": {"role": "admin"}, **others,
        }
    )  # fmt: skip


def signed(payload: Any, key: str = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jwt.PyJWS().encode(body, key, algorithm, headers=headers)


PLAIN = {"sub": "alice", "jti": "J1", "exp": NOW + 900}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"])
def test_a_token_comes_back_as_it_went(algorithm: str) -> None:
    key = pem(PRIVATE[algorithm]) if algorithm in PRIVATE else SECRET
    room = tokens(algorithm=algorithm, secret_key=key, issuer="https://us", audience="api")
    made = claims(fresh=True, type="refresh")
    read = room.verify(room.sign(made), NOW)
    assert read == made
    assert read.claims["role"] == "admin"
    assert (read.claims["iss"], read.claims["aud"]) == ("https://us", "api")


def test_the_claims_of_the_standard() -> None:
    made = claims()
    payload = jwt.decode(
        tokens().sign(made), SECRET, ["HS256"], options={"verify_exp": False, "verify_iat": False}
    )
    assert payload == {
        "sub": "alice", "jti": made.id, "sid": made.session_id, "iat": NOW, "exp": NOW + 900,
        "type": "access", "ver": 7, "fresh": False, "role": "admin",
    }  # fmt: skip


def test_ids_are_128_random_bits() -> None:
    assert {len(base64.urlsafe_b64decode(new_id() + "==")) for _ in range(50)} == {16}
    assert len({new_id() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*reserved"):
        tokens().check_signable(claims(claims={name: "mallory"}))


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), "\ud800" * 9000, b"x"])
def test_claims_that_are_no_json_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="claims"):
        tokens().check_signable(claims(claims={"x": value}))


def test_the_largest_claims_that_may_be_signed_can_be_verified() -> None:
    room = tokens(algorithm="RS256", secret_key=pem(RSA))
    made = claims(claims={"x": "y" * 4800})
    room.check_signable(made)
    assert room.verify(room.sign(made), NOW).claims["x"] == "y" * 4800


@pytest.mark.parametrize("algorithm", ["HS256", *PRIVATE])
def test_claims_are_refused_from_the_first_byte_that_makes_the_token_too_long(
    algorithm: str,
) -> None:
    key = pem(PRIVATE[algorithm]) if algorithm in PRIVATE else SECRET * 4
    room = tokens(algorithm=algorithm, keys={"a key with a long name " * 9: key})
    taken, refused = 0, MAX_TOKEN
    while refused - taken > 1:
        size = (taken + refused) // 2
        made = claims(claims={"x": "y" * size}, version=2**63 - 1, type="refresh")
        try:
            room.check_signable(made)
        except ValueError:
            refused = size
        else:
            taken = size
            assert room.verify(room.sign(made), NOW).claims["x"] == "y" * size
    assert len(room.sign(claims(claims={"x": "y" * (taken + 8)}, version=2**63 - 1))) > MAX_TOKEN


class TestKeyRotation:
    OLD, NEW = "o" * 64, "n" * 64

    def test_the_first_signs_and_the_rest_still_verify(self) -> None:
        before = tokens(keys={"2025": self.OLD}).sign(claims())
        room = tokens(keys={"2026": self.NEW, "2025": self.OLD})
        after = room.sign(claims())
        assert jwt.get_unverified_header(after)["kid"] == "2026"
        assert room.verify(before, NOW)
        assert room.verify(after, NOW)

    def test_a_token_from_before_keys_had_names_still_verifies(self) -> None:
        before = tokens(secret_key=self.OLD).sign(claims())
        assert tokens(keys={"2026": self.NEW, "2025": self.OLD}).verify(before, NOW)

    def test_a_retired_key_is_refused(self) -> None:
        before = tokens(keys={"2025": self.OLD}).sign(claims())
        for rest in ({"2026": self.NEW}, {"2026": self.NEW, "2027": "z" * 64}):
            with pytest.raises(BadSignature):
                tokens(keys=rest).verify(before, NOW)

    def test_a_kid_does_not_choose_another_key(self) -> None:
        room = tokens(keys={"2026": self.NEW, "2025": self.OLD})
        with pytest.raises(BadSignature):
            room.verify(signed(PLAIN, self.NEW, kid="2025"), NOW)

    @pytest.mark.parametrize("kid", ["../../etc/passwd", "", "2025\x00", 7, ["2025"], {"a": 1}])
    def test_a_kid_that_is_no_name_is_refused(self, kid: object) -> None:
        header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode())
        forged = header.decode().rstrip("=") + "." + signed(PLAIN, self.NEW).split(".", 1)[1]
        with pytest.raises(TokenRefused):
            tokens(keys={"2026": self.NEW, "2025": self.OLD}).verify(forged, NOW)

    def test_a_public_key_may_verify_but_not_sign(self) -> None:
        other = rsa.generate_private_key(65537, 2048)
        both = {"new": pem(RSA), "old": public_pem(other)}
        room = tokens(algorithm="RS256", keys=both)
        assert room.verify(signed(PLAIN, pem(other), "RS256", kid="old"), NOW)
        room = tokens(algorithm="RS256", keys=dict(reversed(both.items())))
        assert room.verify(signed(PLAIN, pem(RSA), "RS256", kid="new"), NOW)
        with pytest.raises(ConfigurationError, match="public key cannot sign"):
            room.check_signable(claims())
        with pytest.raises(ConfigurationError, match="public key cannot sign"):
            room.derived("csrf", "S1")

    def test_what_anybody_can_derive_from_a_public_key_is_not_accepted(self) -> None:
        both = {"new": pem(RSA), "old": public_pem(rsa.generate_private_key(65537, 2048))}
        room = tokens(algorithm="RS256", keys=both, token_location=["cookies"])
        assert room.is_derived(room.derived("csrf", "S1"), "csrf", "S1")
        mac = hmac.digest(both["old"].encode(), b"csrf:S1", "sha256")
        forged = base64.urlsafe_b64encode(mac[:16]).decode().rstrip("=")
        assert not room.is_derived(forged, "csrf", "S1")

    @pytest.mark.parametrize("kid", ["", "old"])
    def test_cookies_take_a_key_that_is_secret(self, kid: str) -> None:
        public = {"keys": {kid: public_pem(RSA)}} if kid else {"secret_key": public_pem(RSA)}
        of_headers = {"algorithm": "RS256", **public}
        assert tokens(**of_headers).verify(signed(PLAIN, pem(RSA), "RS256"), NOW)
        with pytest.raises(ConfigurationError, match="TOKEN_LOCATION"):
            tokens(**of_headers, token_location=["headers", "cookies"])
        assert tokens(**of_headers, token_location=["cookies"], csrf_protect=False)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("HS256", "x" * 31), ("HS384", "x" * 47), ("HS512", "x" * 63),
        ("RS256", "x" * 64), ("ES256", pem(RSA)), ("EdDSA", pem(PRIVATE["ES256"])),
        ("RS256", pem(PRIVATE["EdDSA"])), ("HS256", public_pem(RSA)),
        ("RS256", pem(rsa.generate_private_key(65537, 1024))),
        ("ES256", pem(ec.generate_private_key(ec.SECP384R1()))),
    ],
    ids=lambda value: value[:8],
)  # fmt: skip
def test_a_key_that_does_not_suit_the_algorithm_is_refused(algorithm: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        tokens(algorithm=algorithm, secret_key=key)
    assert key not in str(refused.value)


class TestPromise8:
    """The algorithm is the configuration's; a signature comes before everything."""

    @pytest.mark.parametrize(
        "alg", ["none", "None", "NONE", "noNE", "", "hs256", "HS384", None, 7, ["HS256"], {}]
    )
    def test_another_algorithm(self, alg: object) -> None:
        header = base64.urlsafe_b64encode(json.dumps({"alg": alg, "typ": "JWT"}).encode())
        body = signed(PLAIN).split(".", 1)[1]
        for tail in (body, body.rpartition(".")[0] + "."):
            with pytest.raises(TokenRefused) as refused:
                tokens().verify(header.decode().rstrip("=") + "." + tail, NOW)
            assert refused.value.reason in ("bad_signature", "malformed")

    def test_a_secret_made_of_the_public_key(self) -> None:
        room = tokens(algorithm="RS256", secret_key=pem(RSA))
        forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        head, body, _ = signed(PLAIN).split(".")
        mac = forged.sign(f"{head}.{body}".encode(), public_pem(RSA).encode())
        with pytest.raises(BadSignature):
            room.verify(f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}", NOW)

    def test_another_key(self) -> None:
        with pytest.raises(BadSignature):
            tokens().verify(signed(PLAIN, "y" * 64), NOW)

    @pytest.mark.parametrize("name", ["exp", "jti", "sub"])
    def test_a_missing_claim(self, name: str) -> None:
        for payload in ({**PLAIN, name: None}, {k: v for k, v in PLAIN.items() if k != name}):
            with pytest.raises(MissingClaim, match=name):
                tokens().verify(signed(payload), NOW)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("jti", ""), ("jti", "j" * 257), ("jti", 7), ("jti", "\ud800"), ("jti", ["J1"]),
            ("sub", ""), ("sub", "🔑" * 65), ("sub", 7), ("sid", ""), ("sid", "s" * 257),
            ("sid", None), ("exp", "1795241700"), ("exp", 10**18), ("exp", -1), ("exp", True),
            ("exp", 10**400), ("exp", [1]), ("iat", "x"), ("nbf", "x"), ("nbf", 10**18),
            ("type", "id"), ("type", None), ("type", []),
        ],
        ids=repr,
    )  # fmt: skip
    def test_a_claim_of_the_wrong_kind(self, name: str, value: object) -> None:
        with pytest.raises(MalformedToken):
            tokens().verify(signed({**PLAIN, name: value}), NOW)

    @pytest.mark.parametrize(
        "payload",
        [
            b'{"sub":"a","jti":"J","exp":1795241700,"sub":"b"}', b'{"sub":"a","jti":"J","exp":NaN}',
            b'{"sub":"a","jti":"J","exp":Infinity}', b'{"sub":"a","jti":"J","exp":1e999}',
            b"[]", b"7", b"null", b"", b"\xff\xfe", b"[" * 5000, b'{"exp":' + b"9" * 5000 + b"}",
        ],
        ids=lambda payload: payload[:40].decode("latin-1"),
    )  # fmt: skip
    def test_a_payload_that_is_no_claims(self, payload: bytes) -> None:
        with pytest.raises(MalformedToken):
            tokens().verify(signed(payload), NOW)

    @pytest.mark.parametrize(
        "token",
        ["", "x", "a.b", "a.b.c", "a.b.c.d", "...", "ünïcödé.a.b", "a b.c.d", "x" * 1_000_000],
        ids=lambda token: token[:12],
    )
    def test_not_a_jwt(self, token: str) -> None:
        with pytest.raises(MalformedToken):
            tokens().verify(token, NOW)

    @pytest.mark.parametrize("change", ["{}=", "{}==", " {}", "{}\n", "{}."])
    def test_another_spelling_of_a_good_token(self, change: str) -> None:
        with pytest.raises(MalformedToken):
            tokens().verify(change.format(signed(PLAIN)), NOW)

    @pytest.mark.parametrize(
        "header",
        [b"[" * 3000, b"{}", b"[]", b'{"alg":"HS256","crit":["exp"]}',
         b'{"alg":"HS256","b64":false,"crit":["b64"]}', b"\xff", b'{"alg":"HS256","kid":7}'],
        ids=lambda header: header[:30].decode("latin-1"),
    )  # fmt: skip
    def test_a_header_that_asks_for_more(self, header: bytes) -> None:
        head = base64.urlsafe_b64encode(header).decode().rstrip("=")
        with pytest.raises(TokenRefused):
            tokens().verify(head + "." + signed(PLAIN).split(".", 1)[1], NOW)

    @pytest.mark.parametrize("version", ["7", 7.0, True, None])
    def test_a_version_that_is_none(self, version: object) -> None:
        ours = {**PLAIN, "sid": "S1", "type": "access", "fresh": False, "ver": version}
        with pytest.raises(MalformedToken):
            tokens().verify(signed(ours), NOW)

    def test_the_version_of_another_issuer_is_not_ours(self) -> None:
        for version in ("2.0", 1):
            assert tokens().verify(signed({**PLAIN, "ver": version}), NOW).version is None

    def test_a_key_in_the_header_is_not_used(self) -> None:
        evil = "e" * 64
        jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(evil.encode()).decode()}
        for header in ({"jwk": jwk}, {"jku": "https://evil"}, {"x5u": "https://evil"}):
            with pytest.raises(BadSignature):
                tokens().verify(signed(PLAIN, evil, **header), NOW)


class TestWithoutAJti:
    PLAIN = {"sub": "alice", "exp": NOW + 900}  # noqa: RUF012

    def test_it_is_an_option(self) -> None:
        with pytest.raises(MissingClaim, match="jti"):
            tokens().verify(signed(self.PLAIN), NOW)

    def test_the_signed_part_identifies_it(self) -> None:
        room = tokens(algorithm="ES256", secret_key=pem(PRIVATE["ES256"]),
                      outside_tokens_without_jti=True)  # fmt: skip
        one, two = (signed(self.PLAIN, pem(PRIVATE["ES256"]), "ES256") for _ in range(2))
        assert one != two  # ECDSA signs differently each time
        assert room.verify(one, NOW).id == room.verify(two, NOW).id
        other = signed({**self.PLAIN, "sub": "bob"}, pem(PRIVATE["ES256"]), "ES256")
        assert room.verify(other, NOW).id != room.verify(one, NOW).id
        assert room.verify(one, NOW).id.startswith("sha256-")

    def test_a_jti_that_is_there_is_used(self) -> None:
        room = tokens(outside_tokens_without_jti=True)
        assert room.verify(signed(PLAIN), NOW).id == "J1"
        for jti in (None, "", 7):
            with pytest.raises((MissingClaim, MalformedToken)):
                room.verify(signed({**PLAIN, "jti": jti}), NOW)


class TestSeenTokens:
    def test_time_is_looked_at_on_every_use(self) -> None:
        room = tokens(leeway=5)
        token = signed({**PLAIN, "nbf": NOW})
        for _ in range(2):
            assert room.verify(token, NOW)
            with pytest.raises(NotYetValid):
                room.verify(token, NOW - 6)
            with pytest.raises(ExpiredToken):
                room.verify(token, NOW + 906)

    def test_a_refusal_is_not_remembered_as_anything_else(self) -> None:
        room = tokens()
        for _ in range(2):
            with pytest.raises(BadSignature):
                room.verify(signed(PLAIN, "y" * 64), NOW)

    def test_what_a_view_changes_is_its_own(self) -> None:
        room = tokens()
        token = signed({**PLAIN, "roles": ["user"], "at": {"org": 1}})
        for _ in range(2):
            found = room.verify(token, NOW).claims
            assert (found["roles"], found["at"]) == (["user"], {"org": 1})
            found["roles"].append("admin")
            found["at"]["org"] = 2

    def test_they_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Seen, "MOST", 8)
        room = tokens()
        made = [signed({**PLAIN, "jti": f"J{number}"}) for number in range(20)]
        for token in made * 2:
            room.verify(token, NOW)
        assert len(room._seen._known) == 8

    def test_other_settings_judge_anew(self) -> None:
        token = signed(PLAIN)
        assert tokens().verify(token, NOW)
        with pytest.raises(WrongIssuer):
            tokens(issuer="https://us").verify(token, NOW)


class TestDates:
    def test_expiry_and_leeway(self) -> None:
        token = signed({**PLAIN, "exp": NOW})
        with pytest.raises(ExpiredToken):
            tokens().verify(token, NOW)
        assert tokens().verify(token, NOW - 0.001)
        assert tokens(leeway=10).verify(token, NOW + 9.999)
        with pytest.raises(ExpiredToken):
            tokens(leeway=10).verify(token, NOW + 10)

    def test_an_expired_token_can_be_allowed(self) -> None:
        assert tokens().verify(signed({**PLAIN, "exp": 1}), NOW, allow_expired=True)

    def test_not_before(self) -> None:
        token = signed({**PLAIN, "nbf": NOW + 10})
        with pytest.raises(NotYetValid):
            tokens().verify(token, NOW)
        assert tokens(leeway=10).verify(token, NOW)

    def test_a_fraction_is_a_date(self) -> None:
        assert tokens().verify(signed({**PLAIN, "exp": NOW + 0.5}), NOW).expires_at == NOW + 0.5

    def test_an_issuer_whose_clock_is_ahead_is_no_reason(self) -> None:
        assert tokens().verify(signed({**PLAIN, "iat": NOW + 2}), NOW)


class TestIssuerAndAudience:
    def test_issuer(self) -> None:
        room = tokens(issuer="https://us")
        assert room.verify(signed({**PLAIN, "iss": "https://us"}), NOW)
        for issuer in ("https://them", None, ["https://us"]):
            with pytest.raises(WrongIssuer):
                room.verify(signed({**PLAIN, "iss": issuer}), NOW)

    @pytest.mark.parametrize("audience", ["api", ["other", "api"]])
    def test_one_of_the_audiences_is_enough(self, audience: object) -> None:
        assert tokens(audience=["web", "api"]).verify(signed({**PLAIN, "aud": audience}), NOW)

    @pytest.mark.parametrize("audience", [None, "other", ["other"], [], 7, {"api": 1}, [["api"]]])
    def test_another_audience(self, audience: object) -> None:
        with pytest.raises(WrongAudience):
            tokens(audience="api").verify(signed({**PLAIN, "aud": audience}), NOW)

    def test_an_audience_where_we_have_none(self) -> None:
        with pytest.raises(WrongAudience):
            tokens().verify(signed({**PLAIN, "aud": "api"}), NOW)


def test_promise_12_nothing_shows_a_token() -> None:
    room = tokens()
    token = room.sign(claims())
    assert token not in repr(room.verify(token, NOW))
    with pytest.raises(TokenRefused) as refused:
        room.verify(token + "A", NOW)
    assert token not in repr(refused.value)


def test_keys_that_were_checked_at_the_start_warn_no_more(recwarn: Any) -> None:
    room = tokens()
    room.verify(room.sign(claims(expires_at=int(time.time()) + 60)), time.time())
    assert not [one for one in recwarn if issubclass(one.category, InsecureKeyLengthWarning)]
