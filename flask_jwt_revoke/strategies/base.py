"""The protocol: what a strategy writes on issue, reads for a check, writes on a revoke.

What all strategies share is read in every check, in one MGET: the entries of the token and
of its session, the subject's version and whether the subject is blocked. A token of an
outside issuer has no version; there it is the subject's not-before. (MGET takes a key of
another type for none: who writes one could delete it as well.)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from ..models import LIVE, Claims, Session, Verdict
from ..not_before import is_barred
from ..store import Command, Keys, Pairs, Transaction, is_raised, is_same, is_version, text

log = logging.getLogger("flask_jwt_revoke")


class Strategy(Protocol):
    """Every write is queued on a transaction of the token's subject.

    ``has_index``: each token is in the index, where they can be counted.
    """

    has_index: bool

    def on_issue(self, transaction: Transaction, tokens: Sequence[Claims]) -> None:
        """Keep what a later check of these tokens needs."""
        ...

    def question(self, keys: Keys, claims: Claims) -> tuple[Command, ...]:
        """What a check asks Redis beyond what all strategies share."""
        ...

    def is_live(self, claims: Claims, answers: Sequence[Any]) -> bool:
        """Judge by the answers to ``question``, in its order, as redis-py gives them."""
        ...

    def on_revoke(self, transaction: Transaction, claims: Claims, mark: str) -> None:
        """One token ends. ``mark`` is ``<reason>@<unix time>``, here and below."""
        ...

    def on_logout(self, transaction: Transaction, session: Session, mark: str) -> None:
        """One session ends, with all its tokens."""
        ...

    def on_logout_everywhere(self, transaction: Transaction, tokens: Pairs, mark: str) -> None:
        """All ends; ``tokens`` are the jtis in the index, with their exps. The version is
        raised in the same transaction.
        """
        ...


def shared_question(keys: Keys, claims: Claims) -> Command:
    subject = claims.subject
    names = [keys.blocked(subject), keys.revoked(subject, claims.id)]
    if claims.session_id is not None:
        names.append(keys.revoked(subject, claims.session_id))
    if claims.version is not None:
        names.append(keys.version(subject))
    elif claims.issuer is not None:
        names.append(keys.not_before(subject))
    return ("MGET", *names)


def entry_verdict(keys: Sequence[str], marks: Sequence[Any]) -> Verdict:
    """Refused by the first entry that is there; a further key is no entry's."""
    for key, mark in zip(keys, marks, strict=False):
        if mark is not None:
            return Verdict(False, text(mark), key)
    return LIVE


def shared_verdict(claims: Claims, question: Command, answer: Sequence[Any]) -> Verdict:
    keys, marks, version = question[1:], answer, None
    if claims.version is not None or claims.issuer is not None:
        *marks, version = answer
    ended = entry_verdict(keys, marks)
    if not ended.live:
        return ended
    if claims.issuer is not None:
        return _not_before_verdict(claims, keys[-1], version)
    if claims.version is None:
        return LIVE
    return _version_verdict(claims.version, keys[-1], version)


def _version_verdict(carried: int, key: str, version: Any) -> Verdict:
    if version is None:
        return Verdict(False, "no version", key, lost_data=True)
    found = whole(version, key)
    if found is None:
        return Verdict(False, "no such version can be", key)
    if found == carried or is_same(found, carried):
        return LIVE
    return _of_another_version(carried, found, key)


def _of_another_version(carried: int, version: int, key: str) -> Verdict:
    if is_raised(version):
        return Verdict(False, f"version {version}, not {carried}", key)
    # Nothing has ended a token since this version was begun, and none had another one.
    return Verdict(False, "version begun anew", key, lost_data=True)


def _not_before_verdict(claims: Claims, key: str, answer: Any) -> Verdict:
    found = None if answer is None else text(answer)
    return Verdict(False, found or "", key) if is_barred(claims, found) else LIVE


def whole(version: Any, key: str) -> int | None:
    """None where somebody has written something else, which no token carries."""
    try:
        found = int(version)
    except ValueError:
        found = 0
    if is_version(found):
        return found
    log.warning("%s is no version: all tokens of the subject are refused", key)
    return None
