from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import redis

from flask_jwt_revoke import Authority
from flask_jwt_revoke.doctor import Finding, examine

from ..redis_page import DOCTOR
from ..servers import BINARIES, Server

Make = Callable[..., Authority]

KEY = secrets.token_hex(32)


class Patient:
    """One server, and what the doctor says of it. Whatever is set is set back."""

    def __init__(self, server: Server, make: Make) -> None:
        self.server = server
        self.make = make
        self.client = server.client()

    def finding(self, name: str, url: str | None = None, **how: Any) -> Finding:
        # What a busy machine takes is not what is judged here.
        how = {"timeout": 5, **how}
        authority = self.make(url or DOCTOR.at(self.server.url), secret_key=KEY, **how)
        (found,) = examine(authority, name)
        return found

    def status(self, name: str, url: str | None = None, **how: Any) -> str:
        return self.finding(name, url, **how).status

    @contextmanager
    def configured(self, **values: object) -> Iterator[None]:
        names = {name: name.replace("_", "-") for name in values}
        before = {name: self.client.config_get(names[name])[names[name]] for name in values}
        try:
            for name, value in values.items():
                self.client.config_set(names[name], value)
            yield
        finally:
            for name, value in before.items():
                self.client.config_set(names[name], value)


@pytest.fixture(scope="module")
def alone() -> Iterator[Server]:
    """A Valkey of the module's own, which keeps nothing."""
    with closing(Server(BINARIES["valkey"])) as server:
        yield server


@pytest.fixture
def patient(alone: Server, make_authority: Make) -> Iterator[Patient]:
    found = Patient(alone, make_authority)
    found.client.flushall()
    found.client.config_resetstat()
    yield found
    found.client.close()


@pytest.fixture
def client_of(alone: Server) -> Callable[..., redis.Redis]:
    """A client as an app might hand it in."""
    return lambda **options: redis.Redis(unix_socket_path=str(alone.socket), **options)
