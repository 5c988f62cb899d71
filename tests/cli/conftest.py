from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_jwt_revoke import Authority
from flask_jwt_revoke.cli import jwt

from ..conftest import Clock
from ..redis_page import OPERATOR


class Console:
    """``flask jwt`` of one app, as the user that docs/redis.md names for operators."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.authority: Authority = app.extensions["jwt_revoke"]
        self.clock = self.authority.clock = Clock(self.authority.clock())

    def __call__(self, *words: str, input: str | None = None) -> Result:
        return self.app.test_cli_runner().invoke(jwt, words, input=input)

    def json(self, *words: str, exit_code: int = 0) -> Any:
        result = self(*words, "--json")
        assert result.exit_code == exit_code, result.output
        assert result.stdout.isascii()
        return json.loads(result.stdout)


@pytest.fixture
def make_console(make_app: Callable[..., Flask]) -> Callable[..., Console]:
    return lambda url="memory://", **settings: Console(make_app(OPERATOR.at(url), **settings))
