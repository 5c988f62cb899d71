"""The same apps as HTTP servers: one gunicorn each, one worker on one core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec

from . import fairness
from .apps import CONTENDERS
from .generators import Load
from .gunicorn_process import Gunicorn
from .measures import Comparison
from .rounds import turns

WORKER_CLASSES = ("sync", "gthread", "gevent")


def setting_of(worker_class: str) -> str:
    return f"gunicorn {worker_class}"


def worker_classes() -> tuple[list[str], dict[str, str]]:
    """Those that can be run here, and why others cannot."""
    skipped = {} if find_spec("gevent") else {"gevent": "gevent is not installed"}
    return [name for name in WORKER_CLASSES if name not in skipped], skipped


def compare(
    worker_class: str,
    redis_port: int,
    tokens: Mapping[str, fairness.Tokens],
    *,
    rounds: int,
    load: Load,
    advance: Callable[[], None],
) -> Comparison:
    """``advance`` is called after each round."""
    comparison = Comparison(setting_of(worker_class), f"{rounds} rounds of {load.described}")
    with _gunicorns(worker_class, redis_port) as servers:
        for key, server in servers.items():
            server.wait(tokens[key].live)
        fairness.check_all(tokens, lambda one, token: servers[one.key].get(token))
        for contenders in turns(CONTENDERS, rounds):
            for one in contenders:
                comparison.add(one.key, load.on(servers[one.key].port, tokens[one.key].live))
            advance()
        fairness.check_all(tokens, lambda one, token: servers[one.key].get(token))
    return comparison


@contextmanager
def _gunicorns(worker_class: str, redis_port: int) -> Iterator[dict[str, Gunicorn]]:
    with ExitStack() as stack:
        yield {
            one.key: stack.enter_context(closing(Gunicorn(one.key, redis_port, worker_class)))
            for one in CONTENDERS
        }
