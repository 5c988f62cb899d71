"""What is dangerous about a client that was handed in: it is used as it is."""

from __future__ import annotations

from ..store.inspection import Manner
from .finding import Judgement, fail, ok, warn

_SLOW = 5.0  # seconds
_FEW = 10  # connections
_OFTEN = 5.0  # seconds
_RESP3 = 3

_OWN = "set JWT_REVOKE_REDIS_URL and hand in no client, or "


def client_timeout(manner: Manner) -> Judgement:
    limits = {"socket_timeout": manner.timeout, "socket_connect_timeout": manner.connect_timeout}
    endless = [name for name, limit in limits.items() if limit is None]
    if endless:
        said = f"{' and '.join(endless)} not set: a request hangs for as long as Redis does"
        return fail(said, f"{_OWN}set both to 0.25")
    if manner.retries < 0:
        said = "tried again without end: a request hangs for as long as Redis does"
        return fail(said, f"{_OWN}set retry=Retry(NoBackoff(), 0)")
    held = max(limit or 0 for limit in limits.values()) * (manner.retries + 1)
    said = f"a request may wait {held:g} s for Redis"
    return warn(said, f"{_OWN}set shorter time-outs") if held >= _SLOW else ok(said)


def client_retries(manner: Manner) -> Judgement:
    if manner.retries:
        count = "without end" if manner.retries < 0 else f"{manner.retries} times"
        said = f"a write is tried again, {count}, though it may have been carried out"
        return warn(said, f"{_OWN}set retry=Retry(NoBackoff(), 0)")
    return ok("none")


def client_protocol(manner: Manner) -> Judgement:
    remedy = f"{_OWN}set protocol=2"
    if manner.is_maintained:
        said = "RESP3 with maintenance notifications: a caller may get the answer to another"
        return fail(said, remedy)
    if manner.protocol >= _RESP3:
        said = "RESP3: an interrupted call may leave its answer to the next caller"
        return warn(said, remedy)
    return ok("RESP2")


def client_pool(manner: Manner) -> Judgement:
    if manner.is_single:
        said = "one connection for all threads: each waits for the others"
        return warn(said, f"{_OWN}leave single_connection_client out")
    said = f"{manner.most_connections} connections for each process"
    if 0 < manner.most_connections < _FEW:
        found = f"{said}: with more threads at work, the others get a 503"
        return warn(found, f"{_OWN}raise max_connections")
    return ok(said if manner.most_connections else "any number of connections")


def client_health(manner: Manner) -> Judgement:
    if not manner.health_check:
        return ok("no health checks; a connection that was closed is opened again")
    said = f"a connection that was idle for {manner.health_check:g} s is asked twice"
    if manner.health_check < _OFTEN:
        return warn(said, f"{_OWN}set health_check_interval=0")
    return ok(said)
