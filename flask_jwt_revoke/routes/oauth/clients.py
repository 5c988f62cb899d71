"""Which client asks (RFC 6749 sections 2.3.1 and 3.2.1)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote_plus

from flask import Request

from .errors import InvalidClient, InvalidRequest
from .form import parameters

Clients = Mapping[str, "str | None"] | Callable[[Request], "str | None"]
Credentials = tuple[str, "str | None"]
Decode = Callable[[str], str]


def check_clients(clients: Clients, *, public: bool = True) -> Clients:
    """``public``: some may have no secret.

    :raises ValueError: a secret is empty, which anybody knows, or missing, or no string.
    """
    if not isinstance(clients, Mapping) and not callable(clients):
        raise ValueError("clients take a mapping of id to secret, or a function")
    secrets = clients.values() if isinstance(clients, Mapping) else ()
    if not all(isinstance(one, str | None) for one in secrets):
        raise ValueError("a client's secret must be a string")
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
    found = _known(clients, here) if isinstance(clients, Mapping) else clients(here)
    if not found:
        raise InvalidClient()
    return found


def _known(clients: Mapping[str, str | None], here: Request) -> str | None:
    # Many clients, curl and Authlib among them, leave out the encoding for HTTP Basic.
    for id, secret in _credentials(here, unquote_plus, str):
        if id in clients and _is_same(secret, clients[id]):
            return id
    return None


def client_credentials(here: Request) -> Credentials:
    """The id and secret that a client sent, by HTTP Basic or in the body; None for no secret.

    :raises InvalidClient: there is no id.
    :raises InvalidRequest: both are there.
    """
    ((id, secret),) = _credentials(here, unquote_plus)
    return id, secret


def _credentials(here: Request, *decodings: Decode) -> list[Credentials]:
    """As a body has them, or as a header may be read."""
    form = parameters(here)
    header = here.headers.get("Authorization")
    if header is None:
        found = [(form.get("client_id", ""), form.get("client_secret"))]
    else:
        found = _said_once(_basic(header, decodings), form)
    if not any(id for id, _ in found):
        raise InvalidClient()
    return found


def _said_once(found: list[Credentials], form: Mapping[str, str]) -> list[Credentials]:
    """Those of a header that a body does not contradict."""
    same = [one for one in found if form.get("client_id", one[0]) == one[0]]
    if "client_secret" in form or not same:
        raise InvalidRequest("The client says in two ways who it is.")
    return same


def _basic(header: str, decodings: Iterable[Decode]) -> list[Credentials]:
    """Both are form-encoded before they are put together."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient()
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        raise InvalidClient() from None
    id, _, secret = decoded.partition(":")
    both = ((decode(id), decode(secret) or None) for decode in decodings)
    return list(dict.fromkeys(both))


def _is_same(given: str | None, expected: str | None) -> bool:
    if given is None or expected is None:
        return given is expected
    return hmac.compare_digest(given.encode(), expected.encode())
