"""Mutated tokens: no exception but a refusal, none accepted that is not genuine, no key added.

Hypothesis draws them, and a tenth of them goes through the whole HTTP stack. For a long run:

    python -m tests.mutations --tokens 1000000
"""

from __future__ import annotations

import argparse
import hmac
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis.strategies as st
from flask import Flask
from hypothesis import HealthCheck, given, seed, settings
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_jwt_revoke import Authority, JWTRevoke, TokenRefused, current_token

from .attacks.forge import decoded, encoded, nothing_written, signed
from .conftest import SECRET, Clock
from .servers import BINARIES, Server

STRATEGIES = ("blacklist", "allowlist", "version")
READS = ("/me", "/auth/sessions", "/auth/sessions/S1")
WRITES = (
    ("POST", "/me"), ("POST", "/auth/refresh"), ("POST", "/auth/logout"),
    ("POST", "/auth/logout-others"), ("POST", "/auth/logout-everywhere"),
    ("DELETE", "/auth/sessions/S1"),
)  # fmt: skip

ODD_CHARACTERS = "=.+/-_ \t\n\r\0,;:\"'{}[]%\\~\x7f\xa0é\u200b\u2028\uff0e\ud800🔑Aa0"
ODD_ALGORITHMS = ("none", "None", "nOnE", "", "hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA")
ODD_HEADERS: dict[str, tuple[Any, ...]] = {
    "alg": (*ODD_ALGORITHMS, None, 0, [], ["HS256"], {"HS256": 1}),
    "typ": ("JWT", "at+jwt", "logout+jwt", "", None, 7),
    "kid": ("", "../../dev/null", "' OR 1=1 --", "x" * 3000, 0, None, [], {}, "\0", "\ud800"),
    "jku": ("http://127.0.0.1:1/keys", 7),
    "x5u": ("http://127.0.0.1:1/certificate",),
    "jwk": ({"kty": "oct", "k": "AAAA"}, "x"),
    "x5c": (["MIIB"], "x"),
    "crit": (["exp"], ["b64"], [], "exp", None),
    "b64": (False, True, "false"),
    "zip": ("DEF",),
    "cty": ("JWT",),
}
ODD_CLAIMS: dict[str, tuple[Any, ...]] = {
    name: (
        None, True, False, 0, -1, 0.5, -0.0, 2**31, 2**63, 10**18, 10**400, 1e308, "", "0", " ",
        "1795240800", "NaN", "alice", "x" * 256, "x" * 257, "x" * 5000, "\0", "a\nb", "\ud800",
        "}:{", "*", "alice}:version", "🔑" * 64, [], {}, ["alice"], {"$gt": ""}, [[[]]],
    )
    for name in (
        "sub", "jti", "sid", "exp", "nbf", "iat", "type", "ver", "fresh", "iss", "aud",
        "claims", "", "__class__", "role",
    )
}  # fmt: skip
#: JSON that json.dumps would not write.
ODD_JSON = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1E+2", b"-0", b"01", b"0x10", b"1.",
    b"1_000", b"'x'", b"\xff", b'"\xed\xa0\x80"', b'"\\ud800"', b'"\\u0000"', b'"\n"', b"nul", b"",
    b"[" * 500 + b"]" * 500, b'{"a":' * 700 + b"1" + b"}" * 700, b"[" * 3000, b"9" * 4301,
    b'{"a":1,"a":2}', b"[1,]", b"/**/1", b"\xef\xbb\xbf1",
)  # fmt: skip


#: Tokens of one example.
BATCH = 100


class Mutator:
    def __init__(self, chance: random.Random, originals: list[str]) -> None:
        self._random = chance
        self._originals = originals
        self._kinds: tuple[Callable[[str], str], ...] = (
            self._character, self._bit, self._slice, self._segments, self._spelling, self._splice,
            self._unsigned_header, self._unsigned_payload, self._other_key, self._noise,
            self._signed_header, self._signed_claim, self._signed_claim, self._signed_claim,
            self._signed_claim, self._signed_literal, self._signed_bytes, self._signed_bytes,
            self._signed_name_twice,
        )  # fmt: skip

    def token(self) -> str:
        token = self._any(self._originals)
        for _ in range(self._any((1, 1, 1, 2, 3))):
            mutate = self._any(self._kinds)
            try:
                token = mutate(token)
            except (ValueError, TypeError, RecursionError, AttributeError, IndexError):
                continue  # an earlier change left nothing that this one could be made to
        return token

    def _any(self, choices: Any) -> Any:
        return choices[int(self._random.random() * len(choices))]

    def _place(self, token: str | bytes) -> int:
        return self._random.randrange(len(token) + 1)

    # To the text

    def _character(self, token: str) -> str:
        at = self._place(token)
        width = self._any((0, 1))
        return token[:at] + self._any(ODD_CHARACTERS) + token[at + width :]

    def _bit(self, token: str) -> str:
        at = self._random.randrange(len(token))
        return token[:at] + chr(ord(token[at]) ^ 1 << self._random.randrange(8)) + token[at + 1 :]

    def _slice(self, token: str) -> str:
        start, end = sorted((self._place(token), self._place(token)))
        kept = self._any((token[:start], token[start:], token[start:end], token[:end] * 2))
        return kept + self._any(("", token[end:], token[start:end][::-1]))

    def _segments(self, token: str) -> str:
        parts = token.split(".")
        change = self._any(
            (list.pop, list.reverse, lambda p: p.append(""), lambda p: p.insert(1, p[0]),
             lambda p: p.__setitem__(-1, ""), self._random.shuffle)
        )  # fmt: skip
        change(parts)
        return ".".join(parts)

    def _spelling(self, token: str) -> str:
        head, body, signature = token.split(".")
        last = self._any("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        return self._any(
            (f"{head}.{body}.{signature[:-1]}{last}", token + "=", f"{head}=.{body}.{signature}",
             token.replace("-", "+").replace("_", "/"), token.upper(), f" {token}\n", token + ".")
        )  # fmt: skip

    def _splice(self, token: str) -> str:
        other = self._any(self._originals)
        pairs = zip(token.split("."), other.split("."), strict=True)
        return ".".join(self._any(pair) for pair in pairs)

    def _noise(self, token: str) -> str:
        return ".".join(
            encoded(self._random.randbytes(self._any((0, 1, 32, 200)))) for _ in range(3)
        )

    # To what it says, under the old signature or a wrong one

    def _unsigned_header(self, token: str) -> str:
        _, body, signature = token.split(".")
        signature = self._any((signature, "", signature))
        return f"{encoded(json.dumps(self._header(token)).encode())}.{body}.{signature}"

    def _unsigned_payload(self, token: str) -> str:
        head, _, signature = token.split(".")
        return f"{head}.{encoded(json.dumps(self._claims(token)).encode())}.{signature}"

    def _other_key(self, token: str) -> str:
        mac = self._any(("HS256", "HS384", "HS512"))
        key = self._any(("", "secret", SECRET[:-1], SECRET + "\n", SECRET[::-1]))
        return signed(self._claims(token), {"alg": mac}, key=key, mac=mac)

    # To what it says, and signed

    def _signed_header(self, token: str) -> str:
        return signed(decoded(token.split(".")[1]), self._header(token))

    def _signed_claim(self, token: str) -> str:
        return signed(self._claims(token))

    def _signed_literal(self, token: str) -> str:
        claims = self._loaded(token, 1)
        name = self._any((*claims, "x"))
        claims[name] = "@"
        return signed(json.dumps(claims).encode().replace(b'"@"', self._any(ODD_JSON), 1))

    def _signed_bytes(self, token: str) -> str:
        body = bytearray(decoded(token.split(".")[1]))
        for _ in range(self._any((1, 1, 2, 8))):
            at = self._random.randrange(len(body))
            body[at : at + self._any((0, 1, 1, 4))] = self._any(
                (self._random.randbytes(1), b"", b'"', b"{", b"9", b"\\u", b"e9", b"-")
            )
        return signed(bytes(body))

    def _signed_name_twice(self, token: str) -> str:
        claims = self._loaded(token, 1)
        name = self._any(list(claims))
        more = json.dumps({name: self._any((claims[name], "mallory", 1))}).encode()
        body = json.dumps(claims).encode()
        return signed(self._any((body[:-1] + b"," + more[1:], more[:-1] + b"," + body[1:])))

    def _header(self, token: str) -> dict[str, Any]:
        return self._changed(self._loaded(token, 0), ODD_HEADERS)

    def _claims(self, token: str) -> dict[str, Any]:
        return self._changed(self._loaded(token, 1), ODD_CLAIMS)

    def _changed(self, found: dict[str, Any], odd: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
        name = self._any((*found, *odd))
        if self._random.random() < 0.2:
            found.pop(name, None)
        else:
            found[name] = self._any(odd.get(name, (None, "", 7)))
        return found

    @staticmethod
    def _loaded(token: str, segment: int) -> dict[str, Any]:
        found = json.loads(decoded(token.split(".")[segment]))
        if not isinstance(found, dict):
            raise TypeError
        return found


def is_genuine(token: str, now: float, *, allow_expired: bool = False) -> bool:
    """What RFC 7515, 7519 and promise 8 take for a token of ours, said a second time."""
    if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token, re.ASCII) or len(token) > 8190:
        return False
    signing_input, _, signature = token.rpartition(".")
    right = hmac.digest(SECRET.encode(), signing_input.encode(), "sha256")
    try:
        if decoded(signature) != right:
            return False
        head, body = (_STRICT.decode(decoded(part).decode()) for part in signing_input.split("."))
    except (ValueError, RecursionError):
        return False
    if not isinstance(body, dict) or not isinstance(head, dict) or head.get("alg") != "HS256":
        return False
    named = [body.get(name) for name in ("sub", "jti")] + ([body["sid"]] if "sid" in body else [])
    dates = [body.get("exp"), *(body[name] for name in ("nbf", "iat") if name in body)]
    return (
        all(isinstance(one, str) and 1 <= _size(one) <= 256 for one in named)
        and all(type(one) in (int, float) and 0 <= one < 10**12 for one in dates)
        and (allow_expired or body["exp"] > now)
        and body.get("nbf", 0) <= now
    )


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _never(constant: str) -> None:
    raise ValueError(constant)


_STRICT = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_never)


class Campaign:
    """An app on an empty store, with a few sessions, and a clock that stands still.

    ``reasons`` counts the answers: ``live``, or the reason of the refusal.
    """

    def __init__(self, server: Server, strategy: str) -> None:
        self.server = server
        self.reasons: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self._app = _app(server, strategy)
        self._door: Authority = self._app.extensions["jwt_revoke"]
        # Nothing is due to be written by the passage of time.
        self._clock = self._door.clock = Clock(time.time())
        self._originals = self._issued()
        self._reads = [_environ("GET", path) for path in READS]
        self._writes = [_environ(method, path) for method, path in WRITES]

    def run(self, tokens: int, *, first: int, whole: bool = False) -> None:
        """The same tokens for the same ``first`` seed.

        ``whole``: Hypothesis draws each choice, so that it can make a failure small. That
        takes ten times as long; otherwise it draws a seed for each batch.
        """
        size = BATCH // 10 if whole else BATCH

        @seed(first)
        @settings(
            max_examples=-(-tokens // size),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.randoms(use_true_random=not whole))
        def examples(chance: random.Random) -> None:
            self._batch(chance, size)

        with nothing_written(self.server):
            examples()

    def _batch(self, chance: random.Random, size: int) -> None:
        mutator = Mutator(chance, self._originals)
        for number in range(size):
            token = mutator.token()
            self._check(token, chance)
            if number % 10 == 0:
                self._request(token, chance)

    def close(self) -> None:
        self._door.close()

    def _issued(self) -> list[str]:
        door = self._door
        live, ended, bob = door.issue("alice"), door.issue("alice"), door.issue("bob", device="x")
        outside = {"sub": "carol", "jti": "J1", "exp": int(self._clock.now) + 900}
        door.logout(ended.access)
        named = signed({**outside, "sid": "S1", "iat": 1, "nbf": 1}, {"alg": "HS256", "kid": "a"})
        return [
            live.access, live.access, live.refresh, ended.access, ended.refresh, bob.access,
            signed(outside), named,
        ]  # fmt: skip

    def _check(self, token: str, chance: random.Random) -> None:
        type = "refresh" if chance.random() < 0.2 else "access"
        try:
            claims = self._door.check(token, type=type)
        except TokenRefused as refused:
            self.reasons[refused.reason] += 1
            return
        self.reasons["live"] += 1
        assert is_genuine(token, self._clock.now), token
        assert claims.subject == json.loads(decoded(token.split(".")[1]))["sub"]
        assert claims.type == type

    def _request(self, token: str, chance: random.Random) -> None:
        text = token.encode("utf-8", "replace").decode("latin-1")
        by_cookie = chance.random() < 0.3
        genuine = is_genuine(text.strip(), self._clock.now)
        # A genuine token may write, and an expired one may log out; a cookie may be cut to one.
        may_write = by_cookie or is_genuine(text.strip(), self._clock.now, allow_expired=True)
        environ = dict(chance.choice(self._reads if may_write else self._writes))
        if by_cookie:
            environ["HTTP_COOKIE"] = f"access_token={text}; refresh_token={text}; csrf_token={text}"
            environ["HTTP_X_CSRF_TOKEN"] = text
        else:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {text}"
        body, status, _ = run_wsgi_app(self._app, environ)
        code = int(status.partition(" ")[0])
        self.answers[code] += 1
        assert code in (200, 400, 401, 404), (code, token)
        assert code != 200 or by_cookie or genuine, token
        if code != 200:
            assert set(json.loads(b"".join(body))) == {"error", "error_description", "reason"}


def _app(server: Server, strategy: str) -> Flask:
    app = Flask("mutations")
    app.config.update(
        SECRET_KEY=SECRET,
        TESTING=True,
        JWT_REVOKE_REDIS_URL=server.url,
        JWT_REVOKE_STRATEGY=strategy,
        JWT_REVOKE_TOKEN_LOCATION=["headers", "cookies"],
        JWT_REVOKE_TIMEOUT=10,
    )
    revoke = JWTRevoke(app)
    app.register_blueprint(revoke.blueprint())

    @app.route("/me", methods=["GET", "POST"])
    @revoke.required
    def me() -> dict[str, str]:
        return {"user": current_token.subject}

    return app


def _environ(method: str, path: str) -> dict[str, Any]:
    return EnvironBuilder(path, method=method).get_environ()


@contextmanager
def campaign(server: Server, strategy: str) -> Iterator[Campaign]:
    server.empty()
    made = Campaign(server, strategy)
    try:
        yield made
    finally:
        made.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    server = Server(BINARIES["valkey"] or "")
    try:
        for strategy in STRATEGIES:
            started = time.monotonic()
            with campaign(server, strategy) as one:
                one.run(-(-wanted.tokens // len(STRATEGIES)), first=wanted.seed)
            took, tokens = time.monotonic() - started, one.reasons.total()
            sys.stdout.write(f"{strategy}: {tokens} tokens in {took:.0f} s, seed {wanted.seed}\n")
            sys.stdout.write(f"  checks {dict(one.reasons.most_common())}\n")
            sys.stdout.write(f"  answers {dict(one.answers.most_common())}\n")
    finally:
        server.close()


if __name__ == "__main__":
    main()
