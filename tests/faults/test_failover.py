"""A primary that was paused, and wakes up when another has taken its place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
import redis

from flask_jwt_revoke import Authority, NotReplicated, Outage, RevokedToken

from ..campaign.topologies import Replicated, have_all, wait_until
from ..servers import BINARIES, Server

Make = Callable[..., Authority]


def test_promise_1_what_has_ended_stays_so_when_the_old_primary_wakes_up(
    make_authority: Make,
) -> None:
    """A process that heard nothing of it has a connection to the old one left."""
    with closing(Replicated(BINARIES["valkey"])) as topology:
        awaited, idle = (
            make_authority(topology.url, wait_replicas=count, timeout=1) for count in (1, 0)
        )
        lost, kept = awaited.issue("alice").access, awaited.issue("alice").access
        for token in (lost, kept):
            idle.check(token)
        stale = make_authority(
            None, redis=redis.Redis(port=topology.primary.port, socket_timeout=1), wait_replicas=1
        )
        old = topology.fail_over(Server.pause)
        wait_until(lambda: have_all(topology.primary, 1), "a replica follows")
        old.resume()
        wait_until(lambda: revoked(awaited, kept), "the new primary is asked")
        with pytest.raises(RevokedToken):
            idle.check(kept)
        # The old one has nobody to tell, and says so.
        with pytest.raises(NotReplicated):
            stale.revoke(lost)
        stale.store.client.close()


def revoked(authority: Authority, token: str) -> bool:
    try:
        authority.revoke(token)
    except Outage:
        return False
    return True
