"""Tokens that no decent library would write, and what a store holds before and after them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..conftest import SECRET
from ..servers import Server

HEADER = {"alg": "HS256", "typ": "JWT"}
_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def claims(**others: Any) -> dict[str, Any]:
    """What an outside signer says of alice for the next quarter of an hour."""
    return {"sub": "alice", "jti": "J1", "exp": int(time.time()) + 900, **others}


def signed(
    payload: Any, header: Any = HEADER, *, key: str | bytes = SECRET, mac: str = "HS256"
) -> str:
    """A token with a right HMAC over any header and any payload, as bytes or to be JSON."""
    signing_input = f"{encoded(as_json(header))}.{encoded(as_json(payload))}"
    secret = key.encode() if isinstance(key, str) else key
    digest = hmac.digest(secret, signing_input.encode(), _DIGESTS[mac])
    return f"{signing_input}.{encoded(digest)}"


def payload_of(token: str) -> dict[str, Any]:
    return json.loads(decoded(token.split(".")[1]))


Stored = dict[bytes, tuple[bytes, bool]]


def stored(server: Server) -> Stored:
    """Every key with its value as Redis would dump it, and whether it goes by itself.

    Without the canary, which comes with the first write and has no claim in it.
    """
    with server.client() as client, client.pipeline(transaction=False) as pipe:
        keys = client.keys("*")
        for key in keys:
            pipe.dump(key).pttl(key)
        answers = pipe.execute()
        found = {
            key: (dump, ttl > 0)
            for key, dump, ttl in zip(keys, answers[::2], answers[1::2], strict=True)
        }
        assert len(found) == client.dbsize()
        found.pop(b"jwtrevoke:canary", None)
    return found


@contextmanager
def nothing_written(server: Server) -> Iterator[None]:
    before = stored(server)
    yield
    assert stored(server) == before
