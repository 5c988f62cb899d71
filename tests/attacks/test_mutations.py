"""A hundred thousand mutated tokens: a refusal each, no exception, no key added."""

from __future__ import annotations

import pytest

from ..mutations import STRATEGIES, campaign, is_genuine
from ..servers import Server
from .forge import claims, signed

BATCH = 5_000


@pytest.mark.parametrize("seed", range(20))
def test_promise_11_mutated_tokens_are_refused_and_add_no_key(server: Server, seed: int) -> None:
    with campaign(server, seed) as one:
        one.run(BATCH)
    assert one.reasons.total() == BATCH
    assert one.answers.total() == BATCH // 10
    # Each wall was reached, and some came through because nothing of theirs had changed.
    reached = {"live", "malformed", "bad_signature", "missing_claim", "expired", "wrong_type"}
    assert reached | {"revoked"} <= set(one.reasons)
    assert {200, 401} <= set(one.answers)


def test_every_strategy_has_its_share() -> None:
    assert {seed % len(STRATEGIES) for seed in range(20)} == {0, 1, 2}


def test_the_second_opinion() -> None:
    good = claims()
    assert is_genuine(signed(good), good["exp"] - 1)
    assert not is_genuine(signed(good), good["exp"])
    for other in (signed(good, key="k" * 64), signed(good, {"alg": "none"}), signed(good) + "="):
        assert not is_genuine(other, good["exp"] - 1)
