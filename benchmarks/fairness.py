"""Before anything is timed: the same answer from all, and a revoked token is really refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Flask

from .apps import CONTENDERS, Contender
from .view import BODY, PATH

Answer = tuple[int, bytes]


@dataclass(frozen=True)
class Tokens:
    """Of one contender, made for this run."""

    live: str
    revoked: str


class Unfair(Exception):
    """The contenders do not do the same work, so that timing them would tell nothing."""


def headers(token: str) -> dict[str, str]:
    return {
        "Host": "127.0.0.1",
        "User-Agent": "flask-jwt-revoke-benchmarks",
        "Accept": "application/json",
        "Authorization": f"Bearer {token}",
    }


def sign_in(apps: Mapping[str, Flask]) -> dict[str, Tokens]:
    """Tokens for each contender, its own where it makes any."""
    tokens = {
        one.key: Tokens(live=_login(apps[one.key]), revoked=_logged_out(apps[one.key]))
        for one in CONTENDERS
        if one.revocable
    }
    ignored = tokens["strict"]
    return {one.key: tokens.get(one.key, ignored) for one in CONTENDERS}


def check_all(tokens: Mapping[str, Tokens], get: Callable[[Contender, str], Answer]) -> None:
    """``get`` asks a contender for the view with a token.

    :raises Unfair: a contender answers what it should not.
    """
    for contender in CONTENDERS:
        check(contender, *get(contender, tokens[contender.key].live))
        status, _ = get(contender, tokens[contender.key].revoked)
        if status != (401 if contender.revocable else 200):
            raise Unfair(f"{contender.label}: {status} for a revoked token")


def check(contender: Contender, status: int, body: bytes) -> None:
    """:raises Unfair: not the answer of the view."""
    if status != 200 or body != BODY:
        raise Unfair(f"{contender.label}: {status} {body[:200]!r}")


def in_process_get(apps: Mapping[str, Flask]) -> Callable[[Contender, str], Answer]:
    def get(contender: Contender, token: str) -> Answer:
        response = apps[contender.key].test_client().get(PATH, headers=headers(token))
        return response.status_code, response.data

    return get


def _login(app: Flask) -> str:
    return app.test_client().post("/login").get_json()["access_token"]


def _logged_out(app: Flask) -> str:
    token = _login(app)
    response = app.test_client().delete("/logout", headers=headers(token))
    if response.status_code != 200:
        raise Unfair(f"/logout answered {response.status_code}")
    return token
