"""What a check asks Redis about one token, and the verdict that it reads from the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .issuers import nobody_of
from .models import Claims, Verdict
from .sessions import load
from .store import Command, Keys, Question, text
from .strategies import Strategy, entry_verdict, shared_question, shared_verdict


class Inquiry:
    """Asked in one round trip. It is the same at each check of a token, so it can be kept.

    Not ``whole``: the token has expired, and what was kept for it may have gone.
    """

    __slots__ = ("_claims", "_own", "_refresh", "_strategy", "question")

    def __init__(self, claims: Claims, keys: Keys, strategy: Strategy, whole: bool = True) -> None:
        own = strategy.question(keys, claims) if whole else ()
        refresh = _refresh_question(keys, claims)
        of_issuer = _issuer_question(keys, claims)
        self._claims = claims
        self._strategy = strategy
        self._own = len(own)
        self._refresh = bool(refresh)
        self.question = Question(shared_question(keys, claims), *own, *refresh, *of_issuer)

    def verdict(self, answers: Sequence[Any]) -> Verdict:
        commands = self.question.commands
        verdict = shared_verdict(self._claims, commands[0], answers[0])
        if not (verdict.live or verdict.lost_data):
            return verdict
        own = self._own
        if verdict.live and own and not self._strategy.is_live(self._claims, answers[1 : 1 + own]):
            return Verdict(False, "not in the index", commands[1][1])
        if self._refresh:
            exchange = _refresh_verdict(self._claims, commands[1 + own][1], answers[1 + own])
            # A token that was spent since the loss is known to be.
            if verdict.live or not (exchange.live or exchange.lost_data):
                return exchange
        if self._claims.issuer is not None:
            return entry_verdict(commands[1 + own][1:], answers[1 + own])
        return verdict


def _refresh_question(keys: Keys, claims: Claims) -> tuple[Command, ...]:
    """A refresh token is live while it is the one that its session may exchange."""
    if claims.type != "refresh" or claims.version is None or claims.session_id is None:
        return ()
    return (("HGET", keys.sessions(claims.subject), claims.session_id),)


def _issuer_question(keys: Keys, claims: Claims) -> tuple[Command, ...]:
    """What an issuer has ended without a word of whose it was."""
    if claims.issuer is None:
        return ()
    ids = (claims.id,) if claims.session_id is None else (claims.id, claims.session_id)
    return (("MGET", *(keys.revoked(nobody_of(claims.issuer), id) for id in ids)),)


def _refresh_verdict(claims: Claims, key: str, record: Any) -> Verdict:
    if record is None:
        return Verdict(False, "no session", key, lost_data=True)
    session = load(claims.session_id or "", text(record))
    if session.is_broken:
        return Verdict(False, "a broken record", key)
    if not session.refresh:
        return Verdict(False, "no refresh token", key, lost_data=True)
    live = session.refresh == claims.id
    return Verdict(live, "" if live else "spent", "" if live else key)
