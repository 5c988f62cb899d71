"""Counts and times for Prometheus. Imported where ``JWT_REVOKE_METRICS`` is set, and only there.

What is told by a signal is heard there. A check is wrapped, so that without metrics it asks
nobody whether there are any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import wraps
from time import perf_counter
from typing import Any

from . import signals
from .errors import ConfigurationError, IssuerOutage, Outage, TokenRefused
from .models import Claims, Event

try:
    from prometheus_client import Counter, Gauge, Histogram
except ImportError:
    raise ConfigurationError(
        "JWT_REVOKE_METRICS needs prometheus-client: pip install 'flask-jwt-revoke[metrics]'"
    ) from None

CHECKS = Counter(
    "jwt_revoke_checks",
    "Checks by verdict (live, the reason of the refusal, outage) and by who answered: near,"
    " strict (Redis was asked), none (it was refused for what it says, or is not looked up).",
    ("verdict", "source"),
)
CHECK_SECONDS = Histogram(
    "jwt_revoke_check_seconds",
    "What a check took.",
    ("source",),
    buckets=(5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
LEASE_AGE = Histogram(
    "jwt_revoke_lease_age_seconds",
    "How long a revocation may have gone unheard when the near cache answered.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
OUTAGES = Counter(
    "jwt_revoke_outages",
    "Redis could not be asked: what a check answered (allow, deny), or write.",
    ("answer",),
)
BREAKER_OPEN = Gauge(
    "jwt_revoke_breaker_open",
    "Processes that leave Redis, or a primary of it, alone for a while, as it did not answer.",
    multiprocess_mode="livesum",
)
REVOCATIONS = Counter(
    "jwt_revoke_revocations", "Tokens, sessions and subjects that were ended.", ("reason",)
)
REUSE_DETECTED = Counter(
    "jwt_revoke_reuse_detected", "Refresh tokens that were used a second time, as if stolen."
)
DATA_LOST = Counter("jwt_revoke_data_lost", "Losses of Redis's data, as each process noticed them.")

#: Reasons that are labels; any other is ``other``, since an author may give as many as there are.
REASONS = frozenset(
    (
        "revoked", "logout", "logout_others", "logout_everywhere", "displaced", "expired",
        "reused", "repaired", "blocked", "operator", "password_changed", "backchannel_logout",
        "session_revoked",
    )
)  # fmt: skip

_ANSWERS = ("deny", "allow", "write", "issuer")

Check = Callable[..., Any]


class _Answer(threading.local):
    """Of the near cache to this thread's check: the age of its lease, where it answered."""

    age: float | None = None

    def forget(self) -> None:
        self.age = None


class _Watched:
    """A verdict of the near cache."""

    __slots__ = ("_answer", "_verdict")

    def __init__(self, verdict: Any, answer: _Answer) -> None:
        self._verdict = verdict
        self._answer = answer

    def holds(self) -> bool:
        if not self._verdict.holds():
            return False
        self._answer.age = self._verdict.age()
        return True


def measure(door: Any, near: Any, sender: object) -> None:
    """Count and time what an Authority does from now on.

    ``near`` is its near cache or None, ``sender`` what its signals are sent by.
    """
    answer = _Answer()
    looked_up = door.config.checked_types
    door.check = _timed(door.check, _asked_type, looked_up, answer)
    door.check_verified = _timed(door.check_verified, _type_of_claims, looked_up, answer)
    if near is not None:
        begin = near.begin
        near.begin = lambda subject: _Watched(begin(subject), answer)
    door.store.breakers.changed = BREAKER_OPEN.set
    _begin_at_nothing()
    for signal, heard in _HEARD:
        signal.connect(heard, sender=sender)


def _begin_at_nothing() -> None:
    """Without a zero before it, the first of a kind is no increase to Prometheus."""
    for one in _ANSWERS:
        OUTAGES.labels(one)
    for one in (*sorted(REASONS), "other"):
        REVOCATIONS.labels(one)


def _asked_type(_token: str, options: Mapping[str, Any]) -> str:
    return str(options.get("type", "access"))


def _type_of_claims(claims: Claims, _options: Mapping[str, Any]) -> str:
    return claims.type


def _timed(
    check: Check,
    type_of: Callable[[Any, Mapping[str, Any]], str],
    looked_up: tuple[str, ...],
    answer: _Answer,
) -> Check:
    live = {source: CHECKS.labels("live", source) for source in ("near", "strict", "none")}
    seconds = {source: CHECK_SECONDS.labels(source) for source in live}

    @wraps(check)
    def timed(presented: Any, **options: Any) -> Any:
        answer.forget()
        began = perf_counter()
        try:
            answered = check(presented, **options)
        except TokenRefused as refused:
            source = "strict" if refused.reason == "revoked" else "none"
            CHECKS.labels(refused.reason, source).inc()
            seconds[source].observe(perf_counter() - began)
            raise
        except Outage as outage:
            # Redis is asked about a token once its issuer's key has verified it.
            source = "none" if isinstance(outage, IssuerOutage) else "strict"
            CHECKS.labels("outage", source).inc()
            seconds[source].observe(perf_counter() - began)
            raise
        took, age = perf_counter() - began, answer.age
        is_asked = type_of(presented, options) in looked_up
        source = "near" if age is not None else "strict" if is_asked else "none"
        live[source].inc()
        seconds[source].observe(took)
        if age is not None:
            LEASE_AGE.observe(age)
        return answered

    return timed


def _revoked(_sender: object, event: Event) -> None:
    REVOCATIONS.labels(event.reason if event.reason in REASONS else "other").inc()


def _reused(sender: object, event: Event) -> None:
    REUSE_DETECTED.inc()
    _revoked(sender, event)


def _outage(_sender: object, event: Event) -> None:
    OUTAGES.labels(event.reason).inc()


def _lost(_sender: object, event: Event) -> None:  # noqa: ARG001 - blinker names it
    DATA_LOST.inc()


_HEARD = (
    (signals.token_revoked, _revoked),
    (signals.logged_out, _revoked),
    (signals.logged_out_everywhere, _revoked),
    (signals.subject_blocked, _revoked),
    (signals.reuse_detected, _reused),
    (signals.outage, _outage),
    (signals.data_lost, _lost),
)
