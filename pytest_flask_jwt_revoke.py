"""The pytest plugin: fixtures that hand out ``flask_jwt_revoke.testing``.

A module beside the package, since pytest imports a plugin before coverage begins to measure:
what it imports along with it would not be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from flask_jwt_revoke.testing import Client, Clock


@pytest.fixture
def jwt_revoke_app(request: pytest.FixtureRequest) -> Flask:
    """The app under test: your fixture ``app``. Override this one where it has another name."""
    app: Flask = request.getfixturevalue("app")
    return app


@pytest.fixture
def jwt_revoke_client(jwt_revoke_app: Flask) -> Client:
    """A test client; ``jwt_revoke_client.as_user("alice")`` is one that is signed in."""
    from flask_jwt_revoke.testing import client_of  # noqa: PLC0415 - see above

    return client_of(jwt_revoke_app)


@pytest.fixture
def jwt_revoke_clock(jwt_revoke_app: Flask) -> Iterator[Clock]:
    """The app's clock; ``jwt_revoke_clock.advance(minutes=16)``."""
    from flask_jwt_revoke.testing import clock_of  # noqa: PLC0415 - see above

    with clock_of(jwt_revoke_app) as clock:
        yield clock


@pytest.fixture
def jwt_revoke_outage(jwt_revoke_app: Flask) -> Callable[[], AbstractContextManager[None]]:
    """``with jwt_revoke_outage():`` Redis answers nothing."""
    from flask_jwt_revoke.testing import outage  # noqa: PLC0415 - see above

    return lambda: outage(jwt_revoke_app)
