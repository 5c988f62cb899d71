from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from flask_jwt_revoke.testing import Client, client_of

PAGE = Path(__file__).parents[2] / "docs" / "ecosystem.md"


def snippet(heading: str) -> str:
    """The program that the page has under a heading."""
    (code,) = re.findall(rf"## {heading}\n.*?```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(code)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    """An app as it is served: an error that nobody handles is answered 500."""
    app = make_app()
    app.testing = False
    return app


@pytest.fixture
def client(app: Flask) -> Client:
    return client_of(app)
