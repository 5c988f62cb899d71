from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from example_app import create_app, users

from ..conftest import PATIENT
from ..redis_page import EXAMPLE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

MakeApp = Callable[..., Flask]
Visit = Callable[..., "Page"]


#: Milliseconds. A busy machine's browser takes its time.
PATIENCE = 30_000
#: What hashes cost is felt where `make run` is tried: elsewhere the tests sign in too often.
_cheap = partial(generate_password_hash, method="pbkdf2:sha256:1")


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "generate_password_hash", _cheap)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo users."""
    made = tmp_path_factory.mktemp("instance")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "generate_password_hash", _cheap)
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
            create_app(
                {"JWT_REVOKE_REDIS_URL": EXAMPLE.at(url), **PATIENT, **settings}, folder=folder
            )
        )
        return made[-1]

    yield make
    for app in made:
        app.extensions["jwt_revoke"].close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # No wider: Playwright's event loop would be in the way of other modules' tests.
    from .chromium import chromium

    with chromium(PATIENCE) as found:
        yield found


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """The URL at which the app is served."""
    served = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=served.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{served.port}"
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Visit]:
    """Open a page on a device of its own."""
    opened: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(path: str = "/", **device: Any) -> Page:
        context = browser.new_context(base_url=site, **device)
        context.set_default_timeout(PATIENCE)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.goto(path)
        return page

    yield open_
    for context in opened:
        context.close()
    assert not [said for said in complaints if "Content Security Policy" in said]


def after_the_pause(ask: Callable[[], TestResponse]) -> TestResponse:
    """What is answered when the breaker has let somebody ask again."""
    until = time.monotonic() + 20
    while (answer := ask()).status_code == 503 and time.monotonic() < until:
        time.sleep(0.05)
    return answer
