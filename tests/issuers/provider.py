"""An issuer: its keys, the tokens that it signs, and a real HTTP server for its key set."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms


def key_of(algorithm: str, number: int = 0) -> Any:
    """A private key, made once."""
    return _made(algorithm, number)


@lru_cache
def _made(algorithm: str, number: int) -> Any:
    if algorithm[:2] in ("RS", "PS"):
        return rsa.generate_private_key(65537, 2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    return ec.generate_private_key(curves[algorithm]())


def compact(header: object, payload: object, sign: Callable[[bytes], bytes]) -> str:
    """A JWS of anything: PyJWT signs nothing that is not a proper token."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwk_of(algorithm: str, key: Any, **more: Any) -> dict[str, Any]:
    return json.loads(get_default_algorithms()[algorithm].to_jwk(key.public_key())) | more


class Provider:
    """``keys`` maps kid to algorithm and private key; the newest signs.

    ``answer`` is what the server does with a request for the key set; ``fetches`` counts them.
    """

    def __init__(self, name: str, algorithm: str = "RS256", number: int = 0) -> None:
        self.name = name
        self.keys: dict[str, tuple[str, Any]] = {}
        self.fetches = 0
        self.answer: Callable[[Provider, BaseHTTPRequestHandler], None] = well
        self.port = 0
        self.start()
        self.rotate(f"{algorithm}-{number}", algorithm, number)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks"

    def settings(self, **more: Any) -> dict[str, Any]:
        """What an app says of it in ``ISSUERS``."""
        return {"jwks_url": self.url, "audience": "shop"} | more

    def rotate(self, kid: str, algorithm: str = "RS256", number: int = 0) -> None:
        self.keys[kid] = (algorithm, key_of(algorithm, number))

    def sign(self, *, kid: str | None = None, header: dict[str, Any] | None = None, **claims: Any):
        """A token of alice for the shop; what is None is left out."""
        kid = kid or list(self.keys)[-1]
        algorithm, key = self.keys[kid]
        now = int(time.time())
        payload = {
            "iss": self.name, "sub": "alice", "aud": "shop", "jti": "1", "iat": now,
            "exp": now + 600,
        } | claims  # fmt: skip
        stands = {"alg": algorithm, "typ": "JWT", "kid": kid} | (header or {})
        signer = get_default_algorithms()[algorithm]
        return compact(_given(stands), _given(payload), lambda signed: signer.sign(signed, key))

    def published(self) -> list[dict[str, Any]]:
        return [jwk_of(name, key, kid=kid, use="sig") for kid, (name, key) in self.keys.items()]

    def start(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                provider.answer(provider, self)

            def log_message(self, *_: object) -> None:
                """It is counted instead."""

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        serve = {"poll_interval": 0.01}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _given(named: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value is not None}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """A client that has gone, most often."""


def well(provider: Provider, request: BaseHTTPRequestHandler) -> None:
    say(request, json.dumps({"keys": provider.published()}).encode())


def say(request: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/jwk-set+json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def saying(body: bytes, status: int = 200) -> Callable[..., None]:
    return lambda provider, request: say(request, body, status)


def slow(seconds: float) -> Callable[..., None]:
    def answer(provider: Provider, request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        well(provider, request)

    return answer


def held(gate: threading.Event) -> Callable[..., None]:
    def answer(provider: Provider, request: BaseHTTPRequestHandler) -> None:
        gate.wait(20)
        well(provider, request)

    return answer
