"""The check of one token, walked through step by step, for people who ask why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import BadSignature, MalformedToken, RevokedToken, TokenRefused
from .inquiry import Inquiry
from .ledger import Ledger
from .models import LIVE, Claims
from .rotation import Ended, Rotation
from .sessions import load
from .store import text
from .tokens import Tokens, unverified

Outcome = Literal["passed", "refused", "forgiven", "not reached"]


@dataclass(frozen=True, slots=True)
class Step:
    """``found`` is what stands in the token, or in Redis at ``key``; None: nothing does."""

    name: str
    outcome: Outcome
    found: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a check answers, and why.

    ``reason`` is the word of the error answer, ``key`` what decided where it was a key, and
    ``because`` its value or a sentence. ``claims`` are there once the signature has verified;
    ``says`` is what the token says of itself, true or not. ``exchange`` is what
    presenting a refresh token to be exchanged would come to: ``new pair``,
    ``same pair again``, or the word of the refusal.
    """

    live: bool
    steps: tuple[Step, ...]
    reason: str | None = None
    because: str = ""
    key: str | None = None
    claims: Claims | None = None
    says: Mapping[str, str]
    exchange: str | None = None


def explained(token: str, now: float, tokens: Tokens, ledger: Ledger) -> Explanation:
    """:raises Outage: Redis could not be asked, or an issuer for its keys."""
    says = unverified(token)
    try:
        claims = tokens.verify(token, math.inf, allow_expired=True)
    except TokenRefused as refused:
        return _refused(refused, steps=_token_steps(says, None, refused), says=says)
    late = _lateness(token, now, tokens)
    steps = _token_steps(says, claims, late)
    if claims.type in ledger.config.checked_types:
        lookup = _Lookup(claims, now, ledger)
        return lookup.explanation(late, steps, says)
    steps += (Step("looked up", "passed", f"no {claims.type} token is, by the settings"),)
    if late is not None:
        return _refused(late, steps=steps, claims=claims, says=says)
    return Explanation(live=True, steps=steps, claims=claims, says=says)


def _lateness(token: str, now: float, tokens: Tokens) -> TokenRefused | None:
    try:
        tokens.verify(token, now)
    except TokenRefused as refused:
        return refused
    return None


class _Lookup:
    """What the check reads in Redis, and its verdict."""

    def __init__(self, claims: Claims, now: float, ledger: Ledger) -> None:
        whole = claims.expires_at + ledger.config.leeway > now
        inquiry = Inquiry(claims, ledger.store.keys, ledger.strategy, whole)
        self._claims, self._now, self._ledger = claims, now, ledger
        self._sessions = ledger.store.keys.sessions(claims.subject)
        self._commands = inquiry.question.commands
        self._answers = ledger.store.read(inquiry.question)
        verdict = inquiry.verdict(self._answers)
        # What was kept for an expired token has gone in order.
        self._verdict = LIVE if verdict.lost_data and not whole else verdict
        self._forgiven = ledger.forgives(self._verdict)

    def explanation(
        self, late: TokenRefused | None, steps: tuple[Step, ...], says: Mapping[str, str]
    ) -> Explanation:
        steps += tuple(self._steps())
        key = self._verdict.key or None
        if late is not None:
            return _refused(late, steps=steps, key=key, claims=self._claims, says=says)
        live = self._verdict.live or self._forgiven
        return Explanation(
            live=live,
            steps=steps,
            reason=None if live else RevokedToken.reason,
            because=self._verdict.because,
            key=key,
            claims=self._claims,
            says=says,
            exchange=self._exchange(),
        )

    def _steps(self) -> Iterator[Step]:
        outcome: Outcome = "passed"
        for key, value in self._found():
            if key == self._verdict.key and outcome == "passed":
                decided: Outcome = "forgiven" if self._forgiven else "refused"
                yield Step(self._name(key), decided, value, key)
                outcome = "not reached"
            else:
                yield Step(self._name(key), outcome, value, key)

    def _found(self) -> Iterator[tuple[str, str | None]]:
        """Each key that the check reads, and what it holds."""
        for command, answer in zip(self._commands, self._answers, strict=True):
            if command[0] == "MGET":
                for key, value in zip(command[1:], answer, strict=True):
                    yield key, None if value is None else text(value)
            elif command[0] == "EXISTS":
                continue
            elif command[1] == self._sessions and answer is not None:
                yield command[1], load(command[2], text(answer)).refresh or None
            else:
                yield command[1], None if answer is None else text(answer)

    def _name(self, key: str) -> str:
        subject, kind, id = self._ledger.store.keys.parts(key) or ("", key, "")
        if kind == "revoked":
            name = "token" if id == self._claims.id else "session"
            return name if subject == self._claims.subject else f"{name}, by its issuer"
        return {"tokens": "index", "sessions": "refresh token"}.get(kind, kind)

    def _exchange(self) -> str | None:
        """What presenting a refresh token to be exchanged would come to."""
        last = self._commands[-1]
        is_refresh = self._claims.type == "refresh" and last[1] == self._sessions
        is_decided = self._verdict.live or self._forgiven
        if not is_refresh or not (is_decided or self._verdict.key == last[1]):
            return None
        record = self._answers[-1]
        session = None if record is None else load(last[2], text(record))
        try:
            decision = Rotation.of(self._claims, self._now, self._ledger.config).decide(session)
        except TokenRefused as refused:
            return refused.reason
        if isinstance(decision, Ended):
            return decision.error.reason
        return "same pair again" if decision.repeated else "new pair"


def _refused(refused: TokenRefused, **more: Any) -> Explanation:
    return Explanation(live=False, reason=refused.reason, because=refused.description, **more)


def _token_steps(
    says: Mapping[str, str], claims: Claims | None, refused: TokenRefused | None
) -> tuple[Step, ...]:
    """What a token shows by itself, up to where it is refused."""
    stands = {"form": says.get("alg"), "signature": says.get("kid"), "claims": says.get("jti")}
    if claims is not None:
        stands["dates"] = f"exp {claims.expires_at:.0f}"
    if refused is None:
        return tuple(Step(name, "passed", found) for name, found in stands.items())
    last = _stage(refused)
    before = list(stands)[: list(stands).index(last)]
    passed = [Step(name, "passed", stands[name]) for name in before]
    return (*passed, Step(last, "refused", refused.description))


def _stage(refused: TokenRefused) -> str:
    if isinstance(refused, BadSignature):
        return "signature"
    if isinstance(refused, MalformedToken):
        # A sentence of its own names the claim.
        is_whole = refused.description == MalformedToken.default_description
        return "form" if is_whole else "claims"
    return "dates" if refused.reason in ("expired", "not_yet_valid") else "claims"
