"""RFC 8725, JSON Web Token Best Current Practices, one class to each part of section 3."""

from __future__ import annotations

import itertools
import json
import math
import socket
import warnings
import zlib
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from flask_jwt_revoke import (
    Authority,
    Config,
    ConfigurationError,
    MalformedToken,
    TokenPair,
    TokenRefused,
)

from ..conftest import SECRET
from ..servers import Server
from .conftest import Refuse
from .forge import claims, decoded, encoded, nothing_written, payload_of, signed

RSA = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()


def private_pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_spellings(key: Any) -> list[bytes]:
    """A public key as an attacker may come by it, each of which was somewhere an HMAC secret."""
    public = key.public_key()
    spki = PublicFormat.SubjectPublicKeyInfo
    pem, der = public.public_bytes(Encoding.PEM, spki), public.public_bytes(Encoding.DER, spki)
    return [pem, pem.rstrip(), pem.replace(b"\n", b"\r\n"), der, b"".join(pem.split()[3:-3])]


def without_signature(header: dict[str, Any], payload: dict[str, Any]) -> str:
    return signed(payload, header).rpartition(".")[0] + "."


class Test31AlgorithmVerification:
    """Also 2.1: weak signatures, and the algorithm as the attacker would like it."""

    @pytest.mark.parametrize("spelled", sorted({"".join(c) for c in itertools.product(*(
        (letter.lower(), letter.upper()) for letter in "none"
    ))}))  # fmt: skip
    def test_none(self, door: Authority, assert_refused: Refuse, spelled: str) -> None:
        for token in (
            without_signature({"alg": spelled}, claims()),
            signed(claims(), {"alg": spelled}),
            without_signature({"alg": spelled}, claims()) + "AA",
        ):
            assert_refused(door, token, "bad_signature")

    @pytest.mark.parametrize(
        "alg", ["none ", " none", "none\0", "n\u043ene", "", None, False, 0, [], ["none"], {}]
    )
    def test_nearly_none(self, door: Authority, assert_refused: Refuse, alg: object) -> None:
        assert_refused(
            door, without_signature({"alg": alg}, claims()), "bad_signature", "malformed"
        )
        assert_refused(door, signed(claims(), {"alg": alg}), "bad_signature", "malformed")

    def test_a_genuine_token_without_its_signature(
        self, door: Authority, unwritten: TokenPair, assert_refused: Refuse
    ) -> None:
        for token in (unwritten.access, unwritten.refresh):
            assert_refused(door, token.rpartition(".")[0] + ".", "bad_signature")
            assert_refused(door, token.rpartition(".")[0], "malformed")

    @pytest.mark.parametrize("mac", ["HS384", "HS512"])
    def test_a_stronger_algorithm_with_the_right_key_is_another_one(
        self, door: Authority, assert_refused: Refuse, mac: str
    ) -> None:
        assert_refused(door, signed(claims(), {"alg": mac}, mac=mac), "bad_signature")
        assert_refused(door, signed(claims(), mac=mac), "bad_signature")

    @pytest.mark.parametrize(
        ("algorithm", "key"), [("RS256", RSA), ("ES256", CURVE), ("EdDSA", EDWARDS)]
    )
    def test_the_public_key_is_no_secret(
        self, make_authority: Any, server: Server, assert_refused: Refuse, algorithm: str, key: Any
    ) -> None:
        door = make_authority(server.url, algorithm=algorithm, secret_key=private_pem(key))
        assert door.check(door.issue("alice").access).subject == "alice"
        for secret, mac in itertools.product(public_spellings(key), ("HS256", "HS512")):
            assert_refused(
                door, signed(claims(), {"alg": mac}, key=secret, mac=mac), "bad_signature"
            )
            assert_refused(
                door, signed(claims(), {"alg": algorithm}, key=secret, mac=mac), "bad_signature"
            )

    def test_the_algorithm_of_another_key_of_ours(
        self, make_authority: Any, server: Server, assert_refused: Refuse
    ) -> None:
        door = make_authority(server.url, algorithm="RS256", secret_key=private_pem(RSA))
        for algorithm in ("PS256", "RS512"):
            forged = jwt.encode(claims(), private_pem(RSA), algorithm)
            assert_refused(door, forged, "bad_signature")

    def test_alg_twice(self, door: Authority, assert_refused: Refuse) -> None:
        for header in (b'{"alg":"HS256","alg":"none"}', b'{"alg":"none","alg":"HS256"}'):
            unsigned = signed(claims(), header).rpartition(".")[0] + "."
            assert_refused(door, unsigned, "bad_signature")


class Test32AppropriateAlgorithms:
    @pytest.mark.parametrize(
        "algorithm", ["none", "None", "RS1", "dir", "RSA1_5", "", None, "hs256"]
    )
    def test_a_setting_that_is_no_signature(self, algorithm: object) -> None:
        with pytest.raises(ConfigurationError, match="JWT_REVOKE_ALGORITHM"):
            Config.from_mapping({"SECRET_KEY": SECRET, "JWT_REVOKE_ALGORITHM": algorithm})


class Test33AllCryptographicOperations:
    @pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 64, 4000])
    def test_a_signature_of_any_length(
        self, door: Authority, assert_refused: Refuse, length: int
    ) -> None:
        body = signed(claims()).rpartition(".")[0]
        for byte in (b"\0", b"\xff"):
            assert_refused(door, f"{body}.{encoded(byte * length)}", "bad_signature")

    def test_each_bit_of_a_signature_counts(self, door: Authority, unwritten: TokenPair) -> None:
        body, _, signature = unwritten.access.rpartition(".")
        raw = decoded(signature)
        for at in range(len(raw) * 8):
            other = bytearray(raw)
            other[at // 8] ^= 1 << at % 8
            with pytest.raises(TokenRefused) as refused:
                door.check(f"{body}.{encoded(bytes(other))}")
            assert refused.value.reason == "bad_signature"

    def test_the_parts_of_two_tokens(self, door: Authority, assert_refused: Refuse) -> None:
        one, other = door.issue("alice"), door.issue("bob")
        named = {name: token.split(".") for name, token in
                 (("a", one.access), ("r", one.refresh), ("b", other.access))}  # fmt: skip
        for first, second in itertools.permutations(named, 2):
            head, body, _ = named[first]
            assert_refused(door, ".".join((head, body, named[second][2])), "bad_signature")

    def test_a_nested_token_is_not_unpacked(self, door: Authority, assert_refused: Refuse) -> None:
        inner = signed(claims())
        assert_refused(door, signed(inner.encode(), {"alg": "HS256", "cty": "JWT"}), "malformed")

    def test_an_encrypted_token_is_none_of_ours(
        self, door: Authority, assert_refused: Refuse
    ) -> None:
        header = encoded(b'{"alg":"dir","enc":"A256GCM"}')
        assert_refused(door, f"{header}..AAAA.AAAA.AAAA", "malformed")

    @pytest.mark.parametrize(
        "header",
        [{"b64": False, "crit": ["b64"]}, {"crit": ["exp"]}, {"crit": []}, {"crit": "exp"},
         {"crit": ["http://evil/must-understand"]}],
        ids=str,
    )  # fmt: skip
    def test_what_the_header_calls_critical_is_refused(
        self, door: Authority, assert_refused: Refuse, header: dict[str, Any]
    ) -> None:
        assert_refused(door, signed(claims(), {"alg": "HS256", **header}), "malformed")

    def test_a_detached_payload(self, door: Authority, assert_refused: Refuse) -> None:
        head, _, signature = signed(claims()).split(".")
        assert_refused(door, f"{head}..{signature}", "malformed")


class Test34CryptographicInputs:
    @pytest.mark.parametrize("r", [0, 1, 2**256 - 1])
    @pytest.mark.parametrize("s", [0, 1, 2**256 - 1])
    def test_the_psychic_signature(
        self, make_authority: Any, server: Server, assert_refused: Refuse, r: int, s: int
    ) -> None:
        """CVE-2022-21449: r = s = 0 verified anything."""
        door = make_authority(server.url, algorithm="ES256", secret_key=private_pem(CURVE))
        body = signed(claims(), {"alg": "ES256"}).rpartition(".")[0]
        raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        for signature in (raw, encode_dss_signature(r, s), raw + b"\0", raw[1:]):
            assert_refused(door, f"{body}.{encoded(signature)}", "bad_signature")

    @pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA), ("EdDSA", EDWARDS)])
    def test_a_signature_of_zeros_or_ones(
        self, make_authority: Any, server: Server, assert_refused: Refuse, algorithm: str, key: Any
    ) -> None:
        door = make_authority(server.url, algorithm=algorithm, secret_key=private_pem(key))
        body = signed(claims(), {"alg": algorithm}).rpartition(".")[0]
        for size in (1, 64, 256):
            for raw in (b"\0" * size, b"\0" * (size - 1) + b"\1", b"\xff" * size):
                assert_refused(door, f"{body}.{encoded(raw)}", "bad_signature")


class Test35Entropy:
    """Also 2.2: weak secrets."""

    @pytest.mark.parametrize(("algorithm", "bytes"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
    def test_a_short_secret_is_refused(self, algorithm: str, bytes: int) -> None:
        settings = {"JWT_REVOKE_ALGORITHM": algorithm, "JWT_REVOKE_REDIS_URL": "memory://"}
        for key in ("k" * (bytes - 1), "secret"):
            with pytest.raises(ConfigurationError, match="too short"):
                Authority(Config.from_mapping({"SECRET_KEY": key, **settings}))
        Authority(Config.from_mapping({"SECRET_KEY": "k" * bytes, **settings}))

    def test_a_short_rsa_key_is_refused(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cryptography's own warning
            short = rsa.generate_private_key(65537, 1024)
        settings = {"JWT_REVOKE_ALGORITHM": "RS256", "JWT_REVOKE_REDIS_URL": "memory://"}
        with pytest.raises(ConfigurationError, match="2048"):
            Authority(Config.from_mapping({"SECRET_KEY": private_pem(short), **settings}))


class Test36Compression:
    def test_a_compressed_payload_is_not_inflated(
        self, door: Authority, assert_refused: Refuse
    ) -> None:
        bomb = zlib.compress(json.dumps(claims(x="a" * 1_000_000)).encode(), 9)
        for payload in (bomb, bomb[2:-4]):
            assert_refused(door, signed(payload, {"alg": "HS256", "zip": "DEF"}), "malformed")


class Test37Utf8:
    @pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
    def test_another_charset(self, door: Authority, assert_refused: Refuse, charset: str) -> None:
        payload = json.dumps(claims(x="é"), ensure_ascii=False)
        assert_refused(door, signed(payload.encode(charset)), "malformed")

    @pytest.mark.parametrize(
        "raw",
        [b"\xff", b"\xc0\xaf", b"\xc1\xa1", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xb0\x80",
         b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xe2\x82"],
        ids=bytes.hex,
    )  # fmt: skip
    def test_bytes_that_are_no_utf8(
        self, door: Authority, assert_refused: Refuse, raw: bytes
    ) -> None:
        for name in (b'"alice"', b'"J1"', b'"sub"'):
            payload = json.dumps(claims()).encode().replace(name, b'"' + raw + b'"')
            assert_refused(door, signed(payload), "malformed")

    @pytest.mark.parametrize("name", ["sub", "jti", "sid"])
    def test_half_of_a_surrogate_pair(
        self, door: Authority, assert_refused: Refuse, name: str
    ) -> None:
        for half in ("\ud800", "alice\udfff"):
            assert_refused(door, signed(claims(**{name: half})), "malformed")

    def test_nothing_is_normalised(self, door: Authority) -> None:
        for spelled in ("é", "e\u0301", "É", "\ufb01", "fi", "alice\u200b", "\u0430lice"):
            assert door.check(signed(claims(sub=spelled))).subject == spelled


class Test38IssuerAndSubject:
    @pytest.mark.parametrize(
        "iss", [None, "", "https://us/", "HTTPS://US", "https://us\0", ["https://us"], {}, 0, True]
    )
    def test_another_issuer(
        self, make_authority: Any, server: Server, assert_refused: Refuse, iss: object
    ) -> None:
        door = make_authority(server.url, issuer="https://us")
        assert door.check(signed(claims(iss="https://us"))).subject == "alice"
        for token in (signed(claims(iss=iss)), signed(claims())):
            assert_refused(door, token, "wrong_issuer")

    @pytest.mark.parametrize("sub", [None, "", 0, 7, True, [], ["alice"], {}, "x" * 257, "é" * 129])
    def test_a_subject_that_is_no_name(
        self, door: Authority, assert_refused: Refuse, sub: object
    ) -> None:
        assert_refused(door, signed(claims(sub=sub)), "malformed", "missing_claim")


class Test39Audience:
    @pytest.mark.parametrize(
        "aud", [None, "", "api2", "ap", "API", ["web"], [], [[]], ["api", 7], {"api": 1}, True, 7]
    )
    def test_another_audience(
        self, make_authority: Any, server: Server, assert_refused: Refuse, aud: object
    ) -> None:
        door = make_authority(server.url, audience="api")
        assert door.check(signed(claims(aud=["web", "api"]))).subject == "alice"
        for token in (signed(claims(aud=aud)), signed(claims())):
            assert_refused(door, token, "wrong_audience")

    def test_a_token_for_somebody_else_where_no_audience_is_set(
        self, door: Authority, assert_refused: Refuse
    ) -> None:
        """Section 2.7: substitution; an ID token names its client here."""
        assert_refused(door, signed(claims(aud="client-7")), "wrong_audience")


class Test310ReceivedClaims:
    """Keys, and places of keys, that the token brings along (also 2.9 and 2.10)."""

    EVIL = "e" * 64

    @pytest.mark.parametrize(
        "kid",
        ["", "../../../dev/null", "/dev/null", "' UNION SELECT 'x", "| sleep 9", "\0", "a" * 4000,
         "redis://127.0.0.1", "{new}", "new\0", "NEW", 0, None, True, [], ["new"], {"new": 1}],
        ids=lambda kid: repr(kid)[:20],
    )  # fmt: skip
    def test_a_kid_is_a_name_among_ours_or_refused(
        self, make_authority: Any, server: Server, assert_refused: Refuse, kid: object
    ) -> None:
        door = make_authority(server.url, keys={"new": SECRET, "old": "o" * 64})
        for key in (self.EVIL, "", "\0", "x"):
            forged = signed(claims(), {"alg": "HS256", "kid": kid}, key=key)
            assert_refused(door, forged, "bad_signature", "malformed")

    def test_a_kid_does_not_make_another_key_right(
        self, make_authority: Any, server: Server, assert_refused: Refuse
    ) -> None:
        door = make_authority(server.url, keys={"new": SECRET, "old": "o" * 64})
        assert door.check(signed(claims(), {"alg": "HS256", "kid": "old"}, key="o" * 64))
        crossed = signed(claims(), {"alg": "HS256", "kid": "new"}, key="o" * 64)
        assert_refused(door, crossed, "bad_signature")

    def test_an_embedded_key_is_not_used_and_no_url_is_fetched(
        self, door: Authority, assert_refused: Refuse
    ) -> None:
        key = {"kty": "oct", "alg": "HS256", "k": encoded(self.EVIL.encode()), "kid": "a"}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys.json"
            for header in (
                {"jwk": key}, {"jwk": key, "kid": "a"}, {"jku": url}, {"jku": url, "kid": "a"},
                {"x5u": url}, {"x5c": [encoded(self.EVIL.encode())]}, {"x5t": "a"},
                {"keys": [key]}, {"jwks": {"keys": [key]}}, {"k": key["k"]},
            ):  # fmt: skip
                forged = signed(claims(), {"alg": "HS256", **header}, key=self.EVIL)
                assert_refused(door, forged, "bad_signature")
                # Beside the right key they mean nothing.
                assert door.check(signed(claims(), {"alg": "HS256", **header}))
            with pytest.raises(BlockingIOError):
                listener.accept()

    def test_an_embedded_public_key_is_not_used(
        self, make_authority: Any, server: Server, assert_refused: Refuse
    ) -> None:
        """CVE-2018-0114."""
        door = make_authority(server.url, algorithm="RS256", secret_key=private_pem(RSA))
        evil = rsa.generate_private_key(65537, 2048)
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(evil.public_key(), as_dict=True)
        forged = jwt.encode(claims(), private_pem(evil), "RS256", headers={"jwk": jwk})
        assert_refused(door, forged, "bad_signature")

    def test_claims_in_the_header_are_not_claims(
        self, door: Authority, assert_refused: Refuse
    ) -> None:
        header = {"alg": "HS256", **claims()}
        assert_refused(door, signed({"x": 1}, header), "missing_claim")

    @pytest.mark.parametrize("name", ["sub", "jti", "sid", "exp", "type", "x"])
    @pytest.mark.parametrize("first", [True, False])
    def test_a_claim_twice(
        self, door: Authority, assert_refused: Refuse, name: str, first: bool
    ) -> None:
        good = claims(sid="S1", type="access", x=1)
        one, other = json.dumps({name: good[name]}), json.dumps({name: "mallory"})
        rest = json.dumps({key: value for key, value in good.items() if key != name})
        members = [one[1:-1], other[1:-1]] if first else [other[1:-1], one[1:-1]]
        payload = "{" + ",".join([*members, rest[1:-1]]) + "}"
        assert_refused(door, signed(payload.encode()), "malformed")
        escaped = payload.replace(f'"{name}"', f'"\\u{ord(name[0]):04x}{name[1:]}"', 1)
        assert_refused(door, signed(escaped.encode()), "malformed")

    def test_a_name_twice_further_in(self, door: Authority, assert_refused: Refuse) -> None:
        payload = json.dumps(claims()).encode()[:-1] + b',"x":[{"role":"user","role":"admin"}]}'
        assert_refused(door, signed(payload), "malformed")


class Test311ExplicitTyping:
    @pytest.mark.parametrize(
        "type",
        ["id", "Access", "ACCESS", "access ", "", "session", None, 0, True, [], ["access"], {}],
    )
    def test_a_type_that_is_none(
        self, door: Authority, assert_refused: Refuse, type: object
    ) -> None:
        assert_refused(door, signed(claims(type=type)), "malformed")


class Test312MutuallyExclusiveRules:
    def test_a_refresh_token_is_no_access_token(
        self, door: Authority, unwritten: TokenPair
    ) -> None:
        with pytest.raises(TokenRefused) as refused:
            door.check(unwritten.refresh)
        assert refused.value.reason == "wrong_type"

    def test_an_access_token_is_not_exchanged(self, door: Authority, unwritten: TokenPair) -> None:
        for verb in (door.rotate, lambda token: door.check(token, type="refresh")):
            with pytest.raises(TokenRefused) as refused:
                verb(unwritten.access)
            assert refused.value.reason == "wrong_type"

    def test_a_refresh_token_of_somebody_else_is_not_exchanged(
        self, door: Authority, unwritten: TokenPair
    ) -> None:
        for payload in (claims(type="refresh"), claims(type="refresh", sid="S1")):
            with pytest.raises(TokenRefused) as refused:
                door.rotate(signed(payload))
            assert refused.value.reason == "malformed"

    def test_the_csrf_value_is_no_signature_over_what_a_client_chooses(
        self, door: Authority
    ) -> None:
        body = signed(claims()).rpartition(".")[0]
        raw = decoded(door.tokens.derived("csrf", body))
        assert decoded(signed(claims()).rpartition(".")[2])[:16] != raw


class TestDates:
    """exp, nbf and iat: RFC 7519 section 2, NumericDate."""

    NEVER = (
        "1795240800", "", "tomorrow", "1e10", -1, -1e-9, -1e308, 10**12, 10**18, 2**63, 2**64,
        10**400, 1e300, True, False, [], [9999999999], {}, {"$gt": 0},
    )  # fmt: skip

    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize("value", NEVER, ids=lambda value: repr(value)[:20])
    def test_a_value_that_is_no_date(
        self, door: Authority, assert_refused: Refuse, name: str, value: object
    ) -> None:
        assert_refused(door, signed(claims(**{name: value})), "malformed")

    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize(
        "literal",
        ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x7fffffff", "01", "1_0", "+1", "1.",
         ".5", "1795240800L", "٣", "9" * 4301, "9" * 400 + ".0", "null", "undefined"],
        ids=lambda literal: literal[:12],
    )  # fmt: skip
    def test_a_literal_that_is_no_number(
        self, door: Authority, assert_refused: Refuse, name: str, literal: str
    ) -> None:
        payload = json.dumps(claims(**{name: "@"})).replace('"@"', literal)
        assert_refused(door, signed(payload.encode()), "malformed", "missing_claim")

    @pytest.mark.parametrize("exp", [0, -0.0, 1e-300, 1, 1795.5, 10**9])
    def test_long_ago(self, door: Authority, unwritten: TokenPair, exp: float) -> None:
        with pytest.raises(TokenRefused) as refused:
            door.check(signed(claims(exp=exp)))
        assert refused.value.reason == "expired"
        # It may still log out, which is done: nothing is kept for what cannot be used.
        door.logout(signed(claims(exp=exp)))
        door.revoke(signed(claims(exp=exp)))

    def test_the_latest_date(self, door: Authority, server: Server) -> None:
        last = math.nextafter(253402300800, 0)
        token = signed(claims(exp=last))
        door.record(token)
        door.revoke(token)
        with server.client() as client:
            assert all(client.pttl(key) > 0 for key in client.keys("jwtrevoke:{*"))
        with pytest.raises(TokenRefused) as refused:
            door.check(token)
        assert refused.value.reason == "revoked"

    @pytest.mark.parametrize("iat", [0, 0.5, 4102444800, 253402300799])
    def test_an_iat_of_any_time_is_only_informative(self, door: Authority, iat: float) -> None:
        assert door.check(signed(claims(iat=iat))).issued_at == iat


class TestSizes:
    @pytest.mark.parametrize("inside", [b"[]", b'{"a":}'])
    @pytest.mark.parametrize("depth", [33, 100, 500, 990, 1200])
    def test_deep_json(
        self, door: Authority, assert_refused: Refuse, inside: bytes, depth: int
    ) -> None:
        deep = inside[:-1] * depth + b"1" + inside[-1:] * depth
        assert_refused(door, signed(json.dumps(claims())[:-1].encode() + b',"x":' + deep + b"}"),
                       "malformed")  # fmt: skip

    def test_what_is_as_deep_as_it_may_be_goes_through_every_verb(
        self, door: Authority, server: Server
    ) -> None:
        value: Any = 1
        for _ in range(31):
            value = [value]
        pair = door.issue("alice", claims={"x": value})
        assert door.check(pair.access).claims["x"] == value
        assert door.check(door.rotate(pair.refresh).access).claims["x"] == value
        with nothing_written(server), pytest.raises(ValueError, match="nested"):
            door.issue("alice", claims={"x": [value]})

    def test_a_claim_that_could_be_signed_but_not_read_is_not_issued(
        self, door: Authority, server: Server
    ) -> None:
        with nothing_written(server), pytest.raises(ValueError, match="twice"):
            door.issue("alice", claims={"x": {1: "a", "1": "b"}})

    @pytest.mark.parametrize("literal", ["1e999", "-1e999", "9" * 309 + ".0", "[" * 50 + "]" * 50])
    def test_what_cannot_be_signed_again_is_not_exchanged(
        self, door: Authority, server: Server, literal: str
    ) -> None:
        """Otherwise the old token would be spent, and no new one there."""
        pair = door.issue("alice")
        payload = json.dumps(payload_of(pair.refresh))[:-1] + f',"x":{literal}}}'
        with nothing_written(server), pytest.raises(MalformedToken):
            door.rotate(signed(payload.encode()))
        assert door.rotate(pair.refresh)

    @pytest.mark.parametrize("literal", ['"\\ud800"', "9" * 4300, "-0.0", "1e308", '{"":[]}'])
    def test_what_is_strange_but_can_be_signed_again_is_exchanged(
        self, door: Authority, literal: str
    ) -> None:
        payload = json.dumps(payload_of(door.issue("alice").refresh))[:-1] + f',"x":{literal}}}'
        made = door.rotate(signed(payload.encode()))
        assert door.check(made.access).claims["x"] == json.loads(literal)

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_a_huge_part(self, door: Authority, assert_refused: Refuse, part: int) -> None:
        parts = signed(claims()).split(".")
        for length in (8190, 1_000_000):
            parts[part] = "A" * length
            assert_refused(door, ".".join(parts), "malformed")

    def test_many_names(self, door: Authority) -> None:
        many = {f"c{number}": 0 for number in range(400)}
        assert door.check(signed(claims(**many))).claims["c399"] == 0

    @pytest.mark.parametrize("name", ["sub", "jti", "sid"])
    def test_the_bound_of_an_id(self, door: Authority, assert_refused: Refuse, name: str) -> None:
        assert door.check(signed(claims(**{name: "x" * 256})))
        assert_refused(door, signed(claims(**{name: "x" * 257})), "malformed")


class TestBase64:
    @pytest.mark.parametrize("part", [0, 1, 2])
    @pytest.mark.parametrize(
        "spell",
        [lambda p: p + "=", lambda p: p + "==", lambda p: p[:5] + "=" + p[5:], lambda p: p + "\n",
         lambda p: p[:5] + " " + p[5:], lambda p: p + "%3D", lambda p: "+" + p[1:],
         lambda p: "/" + p[1:], lambda p: p + "\0", lambda p: "\ufeff" + p, lambda p: p[:4] + "*",
         lambda p: p.translate({ord("A"): "\uff21"}) + "\uff21"],
    )  # fmt: skip
    def test_another_alphabet_or_padding(
        self, door: Authority, unwritten: TokenPair, assert_refused: Refuse, part: int, spell: Any
    ) -> None:
        parts = unwritten.access.split(".")
        parts[part] = spell(parts[part])
        assert_refused(door, ".".join(parts), "malformed")

    def test_a_part_of_a_length_that_base64_has_not(
        self, door: Authority, assert_refused: Refuse
    ) -> None:
        head, _, _ = signed(claims()).split(".")
        assert_refused(door, f"{head}.AAAAA.AAAAA", "malformed", "bad_signature")

    def test_the_other_spellings_of_a_signature_are_revoked_with_it(
        self, door: Authority, pair: TokenPair
    ) -> None:
        """32 bytes leave two bits of the last character that nobody reads."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        body, _, signature = pair.access.rpartition(".")
        others = [signature[:-1] + last for last in alphabet]
        same = [f"{body}.{one}" for one in others if decoded(one) == decoded(signature)]
        assert len(same) == 4
        door.revoke(pair.access)
        reasons = []
        for token in same:
            with pytest.raises(TokenRefused) as refused:
                door.check(token)
            reasons.append(refused.value.reason)
        # Newer versions of PyJWT read the canonical one alone.
        assert "revoked" in reasons
        assert set(reasons) <= {"revoked", "malformed"}
