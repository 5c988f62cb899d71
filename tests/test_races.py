"""Verbs at the same moment, on real servers. Barriers start the threads; nothing sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jwt
import pytest

from flask_jwt_revoke import Authority, RevokedToken, TokenPair

from .conftest import SECRET

Make = Callable[..., Authority]

THREADS = 8
#: Recorded and issued tokens of one race.
TOKENS = 400


@pytest.fixture(params=["valkey", "redis"])
def processes(request: Any, servers: Callable[[str], Any], make_authority: Make) -> list[Authority]:
    """Authorities on one empty server, each with connections of its own."""
    server = servers(request.param)
    server.empty()
    # A stalled machine must not look like an outage here.
    return [make_authority(server.url, timeout=20) for _ in range(THREADS)]


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run each call in a thread of its own, from one moment on; answer what they return."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def repeated(call: Callable[[], Any], times: int) -> Callable[[], list[Any]]:
    return lambda: [call() for _ in range(times)]


def while_running(
    calls: list[Callable[[], list[Any]]], meanwhile: Callable[[], Any]
) -> tuple[list[Any], list[Any]]:
    """Run the calls together, and ``meanwhile`` again and again until the last is through."""
    running = [True] * len(calls)

    def run(number: int) -> list[Any]:
        try:
            return calls[number]()
        finally:
            running[number] = False

    def again() -> list[Any]:
        answers = []
        while any(running):
            answers.append(meanwhile())
        return answers

    *made, answers = together(*(partial(run, number) for number in range(len(calls))), again)
    return flat(made), answers


def flat(lists: list[list[Any]]) -> list[Any]:
    return [item for each in lists for item in each]


class Recorder:
    """Records outside tokens of alice, which carry no version, each under a jti of its own."""

    def __init__(self, authority: Authority, name: str, **claims: object) -> None:
        self.authority, self.name, self.made = authority, name, 0
        self.claims = {"sub": "alice", "exp": int(time.time()) + 900, **claims}

    def __call__(self) -> str:
        self.made += 1
        claims = {**self.claims, "jti": f"{self.name}-{self.made}"}
        self.authority.record(claims)
        return jwt.encode(claims, SECRET)


def is_live(authority: Authority, token: str) -> bool:
    type = payload(token).get("type", "access")
    try:
        authority.check(token, type=type)
    except RevokedToken:
        return False
    return True


def payload(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def texts(pairs: list[TokenPair]) -> list[str]:
    return [text for pair in pairs for text in (pair.access, pair.refresh)]


def index(authority: Authority) -> set[str]:
    return {id for id, _ in authority.store.listed("alice")}


def assert_none_is_orphaned(authority: Authority, tokens: list[str]) -> None:
    """A token is refused, or listed for the next log-out-everywhere; never neither, or both."""
    listed = index(authority)
    for token in tokens:
        assert is_live(authority, token) is (payload(token)["jti"] in listed)


def test_promise_1_no_token_issued_during_log_out_everywhere_is_orphaned(
    processes: list[Authority],
) -> None:
    authority = processes[0]
    pairs, counts = while_running(
        [repeated(partial(one.issue, "alice"), TOKENS // 2 // THREADS) for one in processes],
        partial(authority.logout_everywhere, "alice"),
    )
    tokens = texts(pairs)
    assert len(tokens) == TOKENS
    assert sum(count > 0 for count in counts) > 1
    assert_none_is_orphaned(authority, tokens)
    # Each was counted by the one log-out that ended it.
    assert sum(counts) + authority.logout_everywhere("alice") == TOKENS
    assert not any(is_live(authority, token) for token in tokens)
    assert index(authority) == set()


@pytest.mark.parametrize(
    ("session", "count"),
    # In one session each waits for the others, in turn.
    [({}, TOKENS), ({"sid": "S1"}, TOKENS // 2)],
)
def test_promise_1_no_token_recorded_during_log_out_everywhere_is_orphaned(
    processes: list[Authority], session: dict[str, str], count: int
) -> None:
    authority = processes[0]
    tokens, counts = while_running(
        [
            repeated(Recorder(one, f"{number}", **session), count // THREADS)
            for number, one in enumerate(processes)
        ],
        partial(authority.logout_everywhere, "alice"),
    )
    assert len(tokens) == count
    assert sum(ended > 0 for ended in counts) > 1
    assert_none_is_orphaned(authority, tokens)
    assert sum(counts) + authority.logout_everywhere("alice") == count
    assert not any(is_live(authority, token) for token in tokens)


def test_promise_1_concurrent_sign_ins_keep_each_others_entries(
    processes: list[Authority],
) -> None:
    authority = processes[0]
    pairs = flat(together(*(repeated(partial(one.issue, "alice"), 25) for one in processes)))
    assert index(authority) == {payload(token)["jti"] for token in texts(pairs)}
    assert set(authority.store.session_records("alice")) == {pair.session_id for pair in pairs}
    assert len({payload(token)["ver"] for token in texts(pairs)}) == 1
    assert all(is_live(authority, token) for token in texts(pairs))


def test_promise_1_concurrent_records_in_one_session_keep_each_others_entries(
    processes: list[Authority],
) -> None:
    authority = processes[0]
    recorders = [Recorder(one, f"{n}", sid="S1") for n, one in enumerate(processes)]
    tokens = flat(together(*(repeated(one, 10) for one in recorders)))
    ids = {payload(token)["jti"] for token in tokens}
    assert index(authority) == ids
    authority.logout_session("alice", "S1")
    assert index(authority) == set()
    assert not any(is_live(authority, token) for token in tokens)


def test_promise_1_a_sign_in_after_log_out_everywhere_is_live_and_listed(
    processes: list[Authority],
) -> None:
    """Many people's browsers log out and in again at once, for one subject each."""

    def out_and_in(authority: Authority, subject: str) -> None:
        for _ in range(20):
            old = authority.issue(subject)
            assert authority.logout_everywhere(subject) == 2
            new = authority.issue(subject)
            assert not is_live(authority, old.access)
            assert is_live(authority, new.access)
            listed = {id for id, _ in authority.store.listed(subject)}
            assert {payload(token)["jti"] for token in texts([new])} == listed
            assert list(authority.store.session_records(subject)) == [new.session_id]
            authority.logout_everywhere(subject)

    together(*(partial(out_and_in, one, f"user {n}") for n, one in enumerate(processes)))


def test_promise_1_log_outs_everywhere_at_once(processes: list[Authority]) -> None:
    authority = processes[0]
    tokens = texts([authority.issue("alice") for _ in range(10)])
    together(*(partial(one.logout_everywhere, "alice") for one in processes))
    assert not any(is_live(authority, token) for token in tokens)
    assert index(authority) == set()
    assert is_live(authority, authority.issue("alice").access)


def test_promise_1_a_record_in_flight_does_not_undo_the_log_out_of_its_session(
    processes: list[Authority],
) -> None:
    authority, other, *_ = processes
    for round in range(40):
        sid = f"S{round}"
        recorder = Recorder(other, sid, sid=sid)
        # The first rounds end a session that is known, the others one that is not.
        first = [recorder()] if round < 20 else []
        recorded, _ = together(
            repeated(recorder, 3), partial(authority.logout_session, "alice", sid)
        )
        assert_none_is_orphaned(authority, first + recorded)
        assert not any(is_live(authority, token) for token in first + recorded)
        assert sid not in authority.store.session_records("alice")


def test_promise_1_a_record_in_flight_does_not_undo_a_revoke(
    processes: list[Authority],
) -> None:
    authority, other, *_ = processes
    for round in range(40):
        claims = {"sub": "alice", "jti": f"J{round}", "exp": int(time.time()) + 900}
        together(partial(other.record, claims), partial(authority.revoke, claims))
        assert not is_live(authority, jwt.encode(claims, SECRET))
    assert index(authority) == set()


@pytest.mark.parametrize("verb", ["revoke", "logout", "logout_session", "logout_everywhere"])
def test_promise_1_nobody_accepts_after_a_revoke_has_returned(
    processes: list[Authority], verb: str
) -> None:
    authority = processes[0]
    pair = authority.issue("alice")
    end = {
        "revoke": partial(authority.revoke, pair.access),
        "logout": partial(authority.logout, pair.refresh),
        "logout_session": partial(authority.logout_session, "alice", pair.session_id),
        "logout_everywhere": partial(authority.logout_everywhere, "alice"),
    }[verb]
    acknowledged, all_accept = threading.Event(), threading.Barrier(THREADS)

    def end_it() -> int:
        all_accept.wait()
        end()
        acknowledged.set()
        return 0

    def accepted_late(process: Authority) -> int:
        """How many of the checks that began after the end was acknowledged accepted."""
        assert is_live(process, pair.access)
        all_accept.wait()
        accepted = late = 0
        while late < 20:
            is_late = acknowledged.is_set()
            accepted += is_live(process, pair.access) and is_late
            late += is_late
        return accepted

    watchers = [partial(accepted_late, one) for one in processes[1:]]
    assert together(end_it, *watchers) == [0] * THREADS


def test_promise_1_a_sign_in_and_a_log_out_of_another_session_do_not_meet(
    processes: list[Authority],
) -> None:
    authority = processes[0]

    old = [authority.issue("alice") for _ in range(16)]
    outs = [
        repeated(lambda mine=old[n::4], one=one: one.logout(mine.pop().access), 4)
        for n, one in enumerate(processes[:4])
    ]
    ins = [repeated(partial(one.issue, "alice"), 8) for one in processes[4:]]
    new = flat(together(*outs, *ins)[len(outs) :])
    assert len(new) == 32
    assert not any(is_live(authority, token) for token in texts(old))
    assert all(is_live(authority, token) for token in texts(new))
    assert index(authority) == {payload(token)["jti"] for token in texts(new)}
    assert set(authority.store.session_records("alice")) == {pair.session_id for pair in new}
