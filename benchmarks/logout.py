"""Logging out everywhere: beside a bare pipeline, and whether more tokens make it slower."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing

from tests.servers import Server

from .crowd import Crowd
from .fairness import Unfair
from .figures import Figures, Row
from .rounds import turns

BLACKLIST = "log out everywhere, blacklist"
VERSION = "log out everywhere, version"
TOKENS = 10_000
SIZES = (10, 1_000, 100_000)
WARM_UP = 2

Timed = dict[str, Callable[[], float]]


def beside_bare_pipeline(server: Server, *, rounds: int, advance: Callable[[], None]) -> Figures:
    """``advance`` is called after each round."""
    rows = [Row("bare", "bare pipeline", ours=False), Row("ours", "logout_everywhere")]
    how = f"{TOKENS:,} live tokens of one subject, {rounds} rounds"
    figures = Figures(BLACKLIST, how, "ms", rows, against="bare")
    with closing(Crowd(server, "blacklist", TOKENS // 2)) as crowd:
        check(crowd)
        interleaved(figures, {"bare": crowd.bare, "ours": crowd.ours}, 1e3, rounds, advance)
    return figures


def by_size(
    server: Server, crowded: Server | None, *, rounds: int, advance: Callable[[], None]
) -> Figures:
    """``crowded``, where there is one, frees memory on the core that everything else runs on."""
    places = {str(tokens): (server, tokens, f"{tokens:,} tokens") for tokens in SIZES}
    if crowded is not None:
        label = f"{SIZES[-1]:,} tokens, freed on the same core"
        places["crowded"] = (crowded, SIZES[-1], label)
    rows = [Row(key, label) for key, (_, _, label) in places.items()]
    how = f"one subject, two tokens a session, {rounds} rounds"
    if crowded is not None:
        how += ";\nRedis frees the sessions in the background, on another core"
    figures = Figures(VERSION, how, "µs", rows, against=str(SIZES[0]))
    with ExitStack() as stack:
        crowds = {
            key: stack.enter_context(closing(Crowd(where, "version", tokens // 2)))
            for key, (where, tokens, _) in places.items()
        }
        interleaved(figures, {key: one.ours for key, one in crowds.items()}, 1e6, rounds, advance)
    return figures


def interleaved(
    figures: Figures, timed: Timed, per_second: float, rounds: int, advance: Callable[[], None]
) -> None:
    for number, keys in enumerate(turns(list(timed), WARM_UP + rounds)):
        for key in keys:
            took = timed[key]()
            if number >= WARM_UP:
                figures.add(key, took * per_second)
        advance()


def check(crowd: Crowd) -> None:
    """:raises Unfair: the bare pipeline leaves something else behind."""
    crowd.ours()
    ours = crowd.left()
    crowd.bare()
    bare = crowd.left()
    same = ours.keys() == bare.keys() and all(
        value == bare[key][0] and abs(ttl - bare[key][1]) < 5_000
        for key, (value, ttl) in ours.items()
    )
    if not same:
        raise Unfair("the bare pipeline writes something else than logging out everywhere")
