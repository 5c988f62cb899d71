"""``flask jwt watch``; as a process it is in test_process."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from flask_jwt_revoke import Authority, Outage
from flask_jwt_revoke.store import Announcement
from flask_jwt_revoke.store.announcements import announcements

from ..servers import BINARIES, Server

Make = Callable[..., Authority]
CHANNEL = "jwtrevoke:feed"


def test_it_hears_what_is_published_and_nothing_else(make_authority: Make, url: str) -> None:
    store = make_authority(url).store
    told = [
        "junk", "[]", "{}", "1", "[1, 2]", '["alice"]', '["alice", "no mark"]', '["a", "x@1", 2]',
        '["a", "x@1", -1, ""]', '["a", "x@1", "2", ""]', '["a", "x@1", true, ""]',
        '["a", "x@1", 2, "\\ud800"]', json.dumps(["bob", "blocked@1"]),
        json.dumps(["alice", "logout@1795240800", 1795241700, "seal", "J1", "S1"]),
    ]  # fmt: skip

    def ready() -> None:
        for message in told:
            store.client.publish(CHANNEL, message)

    heard = announcements(store, CHANNEL, ready)
    assert next(heard) == Announcement("bob", "blocked", 1)
    ids = ("J1", "S1")
    assert next(heard) == Announcement("alice", "logout", 1795240800, ids, 1795241700, "seal")
    heard.close()


def test_it_hears_what_a_verb_ends(make_authority: Make, url: str) -> None:
    authority = make_authority(url)
    pair = authority.issue("alice")

    def ready() -> None:
        authority.logout(pair.access, reason="stolen")
        authority.logout_everywhere("alice")

    heard = announcements(authority.store, authority.keys.feed, ready)
    first = next(heard)
    assert (first.subject, first.reason, first.ids) == ("alice", "stolen", (pair.session_id,))
    assert next(heard).ids == ()
    heard.close()


@pytest.mark.parametrize("end", ["kill", "pause"])
def test_a_server_that_goes_is_an_outage(make_authority: Make, end: str) -> None:
    server = Server(BINARIES["valkey"])
    try:
        heard = announcements(make_authority(server.url).store, CHANNEL, getattr(server, end))
        with pytest.raises(Outage):
            next(heard)
    finally:
        server.close()
