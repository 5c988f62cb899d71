"""The model's arithmetic, by hand; what it is fed with is measured elsewhere."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.scale.assumptions import Assumptions
from benchmarks.scale.measured import VERBS, Cost, Feed, Kept, Measured
from benchmarks.scale.model import Model

COST = Cost(
    commands=2, round_trips=1, execution_us=5, cpu_us=30,
    bytes_in=200, bytes_out=40, replicated=0,
)  # fmt: skip
MEASURED = Measured(
    kept={
        name: Kept(subject=400, session=300, revoked=130)
        for name in ("blacklist", "allowlist", "version")
    },
    costs={name: dict.fromkeys(VERBS, COST) for name in ("blacklist", "allowlist", "version")},
    feed=Feed(publish_us=30, delivery_us=5, bus_us=10, bus_bytes=2_000),
    crowded_us=10,
)
#: A million users, of whom 10,000 are there and send a request every ten seconds.
A = Assumptions(
    users=1e6, signed_in=0.5, active=0.1, online=0.1, requests=0.1, sessions=2,
    sign_ins=0.864, logouts=0.864, logouts_everywhere=0.0864, peak=1, rotations=1,
    access_lifetime=1_000, refresh_lifetime=864_000, strategy="blacklist", subject_length=8,
    topology="cluster", staleness=10, heartbeat=1, processes=100, spread=None, message=100,
    replicas=1, node_memory=1e9, fragmentation=1, headroom=0.5, core_speed=1,
)  # fmt: skip


def model(*, near: bool = False, **assumed: Any) -> Model:
    return Model(replace(A, **assumed), MEASURED, near=near)


def test_memory_is_subjects_sessions_and_what_was_revoked() -> None:
    # 86,400 log-outs a day live ten days; 8,640 everywhere end two refresh tokens for ten
    # days and two access tokens for 1,000 s.
    entries = 864_000 + 8_640 * 2 * (10 + 1_000 / 86_400)
    assert model().ended() == pytest.approx(entries)
    assert model().memory() == pytest.approx(
        {"subjects": 200e6, "sessions": 300e6, "revoked": entries * 130}
    )


@pytest.mark.parametrize("strategy", ["allowlist", "version"])
def test_only_the_blacklist_keeps_entries_of_log_out_everywhere(strategy: str) -> None:
    assert model(strategy=strategy).ended() == pytest.approx(864_000)


def test_a_longer_subject_is_longer_in_each_key() -> None:
    longer, memory = model(subject_length=36).memory(), model().memory()
    assert longer["subjects"] - memory["subjects"] == pytest.approx(500_000 * 3 * 28)
    assert longer["revoked"] - memory["revoked"] == pytest.approx(model().ended() * 28)
    version = {n: model(strategy="version", subject_length=n).memory() for n in (8, 36)}
    assert version[36]["subjects"] - version[8]["subjects"] == pytest.approx(500_000 * 2 * 28)


def test_rates_at_peak() -> None:
    rates = model().rates()
    # A process sees a user every 1,000 s, so all but few checks look when last seen; each
    # session is written once in 60 s and the 10 until the next request.
    asked = rates["check"], rates["check that looks when last seen"]
    looked = 1_000 / (1 + 0.001 * 60)
    assert asked == pytest.approx((1_000 - looked, looked - 10_000 / 70))
    assert rates["check that writes when last seen"] == pytest.approx(10_000 / 70)
    assert rates["issue"] == pytest.approx(1)
    assert rates["rotate"] == pytest.approx(10)
    assert rates["log out"] == pytest.approx(1)
    assert rates["log out everywhere"] == pytest.approx(0.1)
    assert sum(model().commands().values()) == pytest.approx(2 * sum(rates.values()))


def test_one_process_a_user_looks_no_more_often_than_it_writes() -> None:
    rates = model(spread=1.0).rates()
    assert rates["check that looks when last seen"] == pytest.approx(0)
    assert rates["check that writes when last seen"] == pytest.approx(10_000 / 70)


@pytest.mark.parametrize(
    ("assumed", "share"),
    [
        ({"spread": 1.0}, 1 / 2),  # one request a lifetime of ten seconds
        ({}, 0.01 / 1.01),  # a hundredth of it
        ({"spread": 1.0, "requests": 1.0}, 10 / 11),
        ({"spread": 1.0, "topology": "single"}, 3 / 4),  # the lease is 30 s
        ({"spread": 1.0, "topology": "sentinel"}, 1 / 2),
        ({"spread": 1.0, "topology": "single", "staleness": 0.0}, 0),
        ({"spread": 500.0}, 0.01 / 1.01),  # no more than all processes
    ],
)
def test_share_of_near_cache_hits(assumed: dict[str, Any], share: float) -> None:
    assert model(near=True, **assumed).hit_share() == pytest.approx(share)
    assert model(**assumed).hit_share() == 0


def test_only_what_misses_the_near_cache_reaches_redis() -> None:
    rates = model(near=True, spread=1.0).rates()
    assert sum(rate for verb, rate in rates.items() if "check" in verb) == pytest.approx(500)


def test_a_busy_node_is_woken_up_by_those_that_find_it_idle() -> None:
    # Waking up takes 30 - 10; half of the calls find it awake.
    assert model().busy_us("check") == pytest.approx(20)
    assert model(headroom=0.9).busy_us("check") == pytest.approx(28)
    deep = {verb: replace(COST, round_trips=9) for verb in VERBS}
    deepest = replace(MEASURED, costs={"blacklist": {**deep, "check": COST}})
    assert Model(A, deepest).busy_us("issue") == 5  # never less than its commands take


def test_primaries_are_the_larger_of_memory_and_processor() -> None:
    # 500 MB and 114.6 MB in half of 1 GB.
    assert model().primaries_by_memory() == 2
    # 1,012.1 calls of 20 us.
    assert sum(model().cores().values()) == pytest.approx(0.020242)
    assert (model().primaries_by_cpu(), model().primaries()) == (1, 2)
    assert model().nodes() == 4
    assert model(replicas=2.0).nodes() == 6
    assert model(requests=10.0).primaries_by_cpu() == 5  # 2.0002 cores in halves
    assert model(requests=10.0, core_speed=4.0).primaries_by_cpu() == 2
    assert model(requests=10.0, core_speed=5.0).primaries_by_cpu() == 1


def test_only_a_cluster_has_more_than_one_primary() -> None:
    assert model().fits()
    assert not model(topology="single").fits()
    assert not model(topology="sentinel").fits()
    assert model(topology="single", node_memory=2e9).fits()


def test_bandwidth_is_rates_times_bytes() -> None:
    calls = sum(model().rates().values())
    assert model().bytes_in() == pytest.approx(calls * 200)
    assert model().bytes_out() == pytest.approx(calls * 40)
    writes = {**dict.fromkeys(VERBS, COST), "issue": replace(COST, replicated=600)}
    two = Model(replace(A, replicas=2), replace(MEASURED, costs={"blacklist": writes}))
    assert two.replicated() == pytest.approx(1 * 600 * 2)


def test_each_listener_hears_each_revocation() -> None:
    near = model(near=True)
    assert near.messages() == pytest.approx(1.1)
    assert near.pings() == 100
    heard = 1.1 * 100  # to a hundred processes
    assert near.cores()["feed"] == pytest.approx((1.1 * 30 + heard * 5 + 100 * 20) / 1e6)
    asked = sum(near.rates().values())
    assert near.bytes_out() == pytest.approx(asked * 40 + heard * 100)
    assert near.bus_bytes() == pytest.approx(1.1 * 2_000)
    assert near.on_each() == pytest.approx(1.1 * 10 * 2 / 1e6)  # with its replica


def test_without_a_cluster_or_a_listener_nothing_is_on_the_bus() -> None:
    assert model().messages() == model().pings() == model().bus_bytes() == 0
    alone = model(near=True, topology="single")
    assert alone.bus_bytes() == alone.on_each() == 0
    one_primary = model(near=True, node_memory=2e9)
    assert (one_primary.primaries(), one_primary.bus_bytes()) == (1, 0)


def test_a_feed_that_takes_up_each_node_has_no_cluster_that_is_enough() -> None:
    crowd = {"logouts": 0.864, "peak": 50_000.0, "processes": 1.0}
    assert model(near=True, **crowd).on_each() > 0.5
    assert model(near=True, **crowd).primaries_by_cpu() == math.inf


@pytest.mark.parametrize(
    ("name", "larger"),
    [
        ("users", 1e7), ("signed_in", 1.0), ("sessions", 5.0), ("logouts", 5.0),
        ("refresh_lifetime", 5e6), ("subject_length", 36.0), ("fragmentation", 2.0),
        ("headroom", 0.8),
    ],
)  # fmt: skip
def test_more_of_it_takes_more_primaries_for_memory(name: str, larger: float) -> None:
    small = {"node_memory": 1e6}  # so that each byte counts
    assert (
        model(**small, **{name: larger}).primaries_by_memory()
        > model(**small).primaries_by_memory()
    )


@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize(
    ("name", "larger"),
    [
        ("users", 1e7), ("active", 1.0), ("online", 1.0), ("requests", 1.0), ("sign_ins", 10.0),
        ("logouts", 10.0), ("logouts_everywhere", 10.0), ("peak", 10.0), ("rotations", 5.0),
        ("processes", 1_000.0),
    ],
)  # fmt: skip
def test_more_of_it_keeps_more_cores_busy(name: str, larger: float, near: bool) -> None:
    busier = sum(model(near=near, **{name: larger}).cores().values())
    usual = sum(model(near=near).cores().values())
    # Under strict mode no process listens, and each call takes the same here.
    if name == "processes" and not near:
        assert busier == pytest.approx(usual)
    else:
        assert busier > usual


def test_a_longer_life_of_tokens_takes_fewer_exchanges_and_more_entries() -> None:
    longer = model(access_lifetime=2_000.0)
    assert longer.rates()["rotate"] == pytest.approx(5)
    assert longer.ended() > model().ended()


@pytest.mark.parametrize(
    "wrong",
    [
        {"users": 0.0},
        {"users": -1.0},
        {"active": 1.1},
        {"headroom": 1.0},
        {"spread": 0.0},
        {"users": math.inf},
        {"peak": math.nan},
    ],
)
def test_an_assumption_that_no_deployment_meets_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(A, **wrong)


def test_what_was_measured_survives_its_file() -> None:
    assert Measured.from_dict(MEASURED.to_dict()) == MEASURED
