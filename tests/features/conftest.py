from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from example_app import create_app, users

from ..redis_page import EXAMPLE

MakeApp = Callable[..., Flask]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo users, with hashes that cost little: the tests sign in often."""
    made = tmp_path_factory.mktemp("instance")
    cheap = partial(generate_password_hash, method="pbkdf2:sha256:1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "generate_password_hash", cheap)
        users.Users(made / "users.sqlite3").seed(users.DEMO)
    return made


@pytest.fixture
def own_folder(folder: Path, tmp_path: Path) -> Path:
    """For a test that registers somebody or changes a password."""
    return Path(shutil.copytree(folder, tmp_path / "instance"))


@pytest.fixture
def example(folder: Path) -> Iterator[MakeApp]:
    made: list[Flask] = []

    def make(url: str, folder: Path = folder, **settings: object) -> Flask:
        made.append(
            create_app({"JWT_REVOKE_REDIS_URL": EXAMPLE.at(url), **settings}, folder=folder)
        )
        return made[-1]

    yield make
    for app in made:
        app.extensions["jwt_revoke"].close()


def after_the_pause(ask: Callable[[], TestResponse]) -> TestResponse:
    """What is answered when the breaker has let somebody ask again."""
    until = time.monotonic() + 5
    while (answer := ask()).status_code == 503 and time.monotonic() < until:
        time.sleep(0.05)
    return answer
