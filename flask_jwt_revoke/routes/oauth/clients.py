"""Which client asks (RFC 6749 sections 2.3.1 and 3.2.1)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from flask import Request

from .errors import InvalidClient, InvalidRequest
from .form import parameters

Clients = Mapping[str, "str | None"] | Callable[[Request], "str | None"]


def check_clients(clients: Clients, *, public: bool = True) -> Clients:
    """``public``: some may have no secret.

    :raises ValueError: a secret is empty, which anybody knows, or missing.
    """
    secrets = clients.values() if isinstance(clients, Mapping) else ()
    if "" in secrets:
        raise ValueError("a client's secret must not be empty; that of a public client is None")
    if None in secrets and not public:
        raise ValueError("whoever introspects tokens must have a secret")
    return clients


def authenticated(clients: Clients, here: Request) -> str:
    """The client's id.

    :raises InvalidClient: it is not known, or its secret is wrong.
    :raises InvalidRequest: it says in two ways who it is.
    """
    if isinstance(clients, Mapping):
        # Many clients, curl and Authlib among them, leave out the encoding for HTTP Basic.
        for decode in (unquote_plus, str):
            id, secret = _credentials(here, decode)
            if id in clients and _is_same(secret, clients[id]):
                return id
        raise InvalidClient()
    found = clients(here)
    if not found:
        raise InvalidClient()
    return found


def client_credentials(here: Request) -> tuple[str, str | None]:
    """The id and secret that a client sent, by HTTP Basic or in the body; None for no secret.

    :raises InvalidClient: there is no id.
    :raises InvalidRequest: both are there.
    """
    return _credentials(here, unquote_plus)


def _credentials(here: Request, decode: Callable[[str], str]) -> tuple[str, str | None]:
    form = parameters(here)
    header = here.headers.get("Authorization")
    if header is None:
        id, secret = form.get("client_id"), form.get("client_secret")
    else:
        id, secret = _basic(header, decode)
        if "client_secret" in form or form.get("client_id", id) != id:
            raise InvalidRequest("The client says in two ways who it is.")
    if not id:
        raise InvalidClient()
    return id, secret


def _basic(header: str, decode: Callable[[str], str]) -> tuple[str, str | None]:
    """Both are form-encoded before they are put together."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient()
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        raise InvalidClient() from None
    id, _, secret = decoded.partition(":")
    return decode(id), decode(secret) or None


def _is_same(given: str | None, expected: str | None) -> bool:
    if given is None or expected is None:
        return given is expected
    return hmac.compare_digest(given.encode(), expected.encode())
