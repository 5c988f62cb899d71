"""Promise 12: log lines, errors and reprs never show a token or a key."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from flask_jwt_revoke import Authority, JWTRevokeError

from .conftest import SECRET
from .servers import BINARIES, Server


def test_promise_12_a_whole_story_logs_no_secret(
    make_authority: Callable[..., Authority], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = Server(BINARIES["valkey"] or "", "--requirepass", "hidden-password", "--save", "")
    try:
        url = f"unix://:hidden-password@{server.socket}"
        authority = make_authority(url, on_outage="allow")
        pair = authority.issue("alice")
        errors = []
        authority.logout(pair.access)
        for token in (pair.access, pair.refresh, pair.access + "A", "junk"):
            with pytest.raises(JWTRevokeError) as refused:
                authority.check(token)
            errors.append(repr(refused.value))
        other = authority.issue("alice")
        server.kill()
        assert authority.check(other.access)
        with pytest.raises(JWTRevokeError) as refused:
            authority.revoke(other.access)
        errors.append(repr(refused.value))
    finally:
        server.close()
    said = caplog.text + "".join(errors) + repr(authority.config) + repr(pair)
    assert "unchecked" in said
    for secret in (SECRET, "hidden-password", pair.access, pair.refresh, other.access):
        assert secret not in said
