from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flask_jwt_revoke import Authority, TokenPair, TokenRefused

from ..servers import Server
from .forge import nothing_written

Refuse = Callable[..., None]


@pytest.fixture
def door(make_authority: Callable[..., Authority], server: Server) -> Authority:
    return make_authority(server.url, timeout=5)


@pytest.fixture
def pair(door: Authority) -> TokenPair:
    """A session of alice's that every attack leaves as it is."""
    return door.issue("alice", device="Pixel 8", device_id="d1")


@pytest.fixture
def assert_refused(server: Server) -> Refuse:
    """Every verb refuses this token, for one of the reasons, and writes nothing."""

    def refuse(door: Authority, token: str, *reasons: str) -> None:
        with nothing_written(server):
            for verb in (door.check, door.rotate, door.revoke, door.logout, door.record):
                with pytest.raises(TokenRefused) as refused:
                    verb(token)
                assert refused.value.reason in reasons, verb.__name__

    return refuse


@pytest.fixture
def unwritten(server: Server, pair: TokenPair) -> Iterator[TokenPair]:
    """As ``pair``, and nothing may be written in the course of the test."""
    with nothing_written(server):
        yield pair
