"""What the benchmarks put back into Redis before each round."""

from __future__ import annotations

from contextlib import closing

import pytest

from benchmarks.crowd import Crowd

from .servers import BINARIES, Server, free_ports


@pytest.mark.parametrize("strategy", ["blacklist", "version"])
def test_a_round_tells_of_no_lost_data(strategy: str, caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    with (
        closing(Server(BINARIES["valkey"], "--save", "", port=port)) as server,
        closing(Crowd(server, strategy, 6)) as crowd,
    ):
        for _ in range(3):
            # As late as in a run, where a look at the canary is due.
            crowd._authority.store._canaries._single.due = float("-inf")
            assert crowd.ours() >= 0
    assert not [one for one in caplog.messages if "lost data" in one]
