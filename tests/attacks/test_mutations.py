"""A hundred thousand mutated tokens: a refusal each, no exception, no key added."""

from __future__ import annotations

import pytest

from ..mutations import STRATEGIES, campaign, is_genuine
from ..servers import Server
from .forge import claims, signed

PARTS = 6
SHARE = 100_000 // len(STRATEGIES) // PARTS + 1


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("first", range(PARTS))
def test_promise_11_mutated_tokens_are_refused_and_add_no_key(
    server: Server, strategy: str, first: int
) -> None:
    with campaign(server, strategy) as one:
        one.run(SHARE, first=first)
    assert one.reasons.total() >= SHARE
    assert one.answers.total() >= SHARE // 10
    # Each wall was reached, and some came through because nothing of theirs had changed.
    reached = {"live", "malformed", "bad_signature", "missing_claim", "expired", "wrong_type"}
    assert reached | {"revoked"} <= set(one.reasons)
    assert {200, 401} <= set(one.answers)


def test_promise_11_whatever_hypothesis_makes_of_a_token(server: Server) -> None:
    with campaign(server, "blacklist") as one:
        one.run(2_000, first=0, whole=True)
    assert {"live", "malformed", "bad_signature"} <= set(one.reasons)


def test_the_second_opinion() -> None:
    good = claims()
    assert is_genuine(signed(good), good["exp"] - 1)
    assert not is_genuine(signed(good), good["exp"])
    for other in (signed(good, key="k" * 64), signed(good, {"alg": "none"}), signed(good) + "="):
        assert not is_genuine(other, good["exp"] - 1)
