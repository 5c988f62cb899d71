"""Where PyJWT reads a token, and its errors become ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt import PyJWS
from jwt.exceptions import (
    InvalidAlgorithmError,
    InvalidKeyError,
    InvalidSignatureError,
    PyJWTError,
)

from ..errors import BadSignature, MalformedToken


def header_of(jws: PyJWS, token: str) -> dict[str, Any]:
    """:raises MalformedToken: not a JWS, or one that asks for what is not understood."""
    with _refused():
        return jws.get_unverified_header(token)


def payload_of(jws: PyJWS, token: str, keys: Iterable[Any], algorithm: str) -> bytes:
    """The payload, once one of the keys has verified it.

    :raises BadSignature: none of them does, or the token names another algorithm.
    :raises MalformedToken: not a JWS.
    """
    for key in keys:
        try:
            with _refused():
                payload: bytes = jws.decode_complete(token, key, [algorithm])["payload"]
        except InvalidSignatureError:
            continue
        return payload
    raise BadSignature()


def public(key: Any) -> Any:
    private = (
        rsa.RSAPrivateKey,
        ec.EllipticCurvePrivateKey,
        ed25519.Ed25519PrivateKey,
        ed448.Ed448PrivateKey,
    )
    return key.public_key() if isinstance(key, private) else key


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except InvalidSignatureError:
        raise
    except (InvalidAlgorithmError, InvalidKeyError) as error:
        raise BadSignature() from error
    except (PyJWTError, ValueError, RecursionError):
        # PyJWT's text may repeat what the header says, in a traceback.
        raise MalformedToken() from None
