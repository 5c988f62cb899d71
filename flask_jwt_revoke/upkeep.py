"""What an operator sets right: leftovers, and an index that disagrees with its sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from .audit import NOBODY, Cause
from .ledger import Ledger
from .models import Claims, Origin, Session
from .sessions import SessionRules, dump, load
from .store import Transaction, pairs

#: The reason of a session that a repair ends.
REPAIRED = "repaired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found of one subject, and set right unless it was a dry run.

    ``expired`` are tokens in the index that have expired, ``over`` listed sessions that had
    ended by themselves. ``unindexed`` are live tokens that the index lacked, jti to exp.
    ``ended`` are sessions that cannot go on, ``pared`` those that lost an access token.
    """

    subject: str
    expired: frozenset[str] = frozenset()
    over: tuple[Session, ...] = ()
    unindexed: Mapping[str, float] = field(default_factory=dict)
    ended: tuple[Session, ...] = ()
    pared: tuple[Session, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.expired or self.over or self.unindexed or self.ended or self.pared)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Each verb is one transaction of its subject; ``now`` is a Unix time in seconds."""

    ledger: Ledger

    def purge(self, subject: str, now: float, dry_run: bool) -> Findings:
        rules = SessionRules(self.ledger.config)

        def find(transaction: Transaction) -> Findings:
            listed = _listed(transaction)
            return Findings(
                subject=subject,
                expired=frozenset(listed.keys() - rules.unexpired(listed, now).keys()),
                over=tuple(one for one in _sessions(transaction) if rules.is_over(one, now)),
            )

        return self._transact(subject, now, find, dry_run)

    def repair(self, subject: str, now: float, dry_run: bool, origin: Origin) -> Findings:
        return self._transact(subject, now, self._disagreements, dry_run, origin)

    def _transact(
        self,
        subject: str,
        now: float,
        find: Callable[[Transaction], Findings],
        dry_run: bool,
        origin: Origin = NOBODY,
    ) -> Findings:
        keys, why = self.ledger.store.keys, Cause.of(REPAIRED, now, origin)

        def write(transaction: Transaction) -> Findings:
            found = find(transaction)
            transaction.begin()
            if not dry_run:
                self._set_right(transaction, found, why)
            return found

        watched = [keys.sessions(subject), keys.tokens(subject)]
        return self.ledger.transact(subject, now, write, watch=watched)

    def _set_right(self, transaction: Transaction, found: Findings, why: Cause) -> None:
        transaction.unindex(found.expired)
        self.ledger.sweep(transaction, found.over)
        for session in found.ended:
            self.ledger.end(transaction, session, why)
        if found.ended:
            transaction.await_replicas()
        for session in found.pared:
            transaction.put_session(session.id, dump(session), session.ends)
        if found.unindexed:
            transaction.index(found.unindexed)

    def _disagreements(self, transaction: Transaction) -> Findings:
        rules, now = SessionRules(self.ledger.config), transaction.now
        found = _sessions(transaction)
        live = [one for one in found if not rules.is_over(one, now)]
        lacking = self._lacking(transaction, live)
        revoked = _revoked(transaction, [*(one.id for one in live), *lacking])
        unindexed: dict[str, float] = {}
        ended, pared = [one for one in found if one.is_broken], []
        for session in live:
            doubtful = [id for id in session.token_ids if id in lacking and id not in revoked]
            refused = [id for id in doubtful if self._is_refused(transaction, session, id)]
            left = _without(session, refused)
            if session.id in revoked or left is None:
                ended.append(session)
                continue
            unindexed |= {id: lacking[id] for id in doubtful if id not in refused}
            if left != session:
                pared.append(left)
        return Findings(
            subject=transaction.subject,
            unindexed=unindexed,
            ended=tuple(ended),
            pared=tuple(pared),
        )

    def _lacking(self, transaction: Transaction, live: Iterable[Session]) -> dict[str, float]:
        """Tokens of live sessions that are not in the index, though the strategy keeps one."""
        if not self.ledger.strategy.has_index:
            return {}
        rules, listed = SessionRules(self.ledger.config), _listed(transaction)
        return {
            id: exp
            for session in live
            for id, exp in rules.unexpired(_tokens(session), transaction.now).items()
            if id not in listed
        }

    def _is_refused(self, transaction: Transaction, session: Session, id: str) -> bool:
        """Whether a check would refuse a token because the index lacks it."""
        strategy = self.ledger.strategy
        issuer = self.ledger.config.issuer_of(transaction.subject)
        claims = Claims(
            subject=transaction.subject,
            issuer=issuer.name if issuer else None,
            id=id,
            session_id=session.id,
            type="refresh" if id == session.refresh else "access",
            expires_at=session.ends,
        )
        question = strategy.question(transaction.keys, claims)
        answers = [transaction.read(command) for command in question]
        return bool(question) and not strategy.is_live(claims, answers)


def _tokens(session: Session) -> dict[str, float]:
    # The record does not keep when the refresh token expires, but never ends before it.
    refresh = {session.refresh: session.ends} if session.refresh else {}
    return {**session.others, **refresh}


def _without(session: Session, refused: list[str]) -> Session | None:
    """A session without its refused access tokens; None where it cannot go on."""
    others = {id: exp for id, exp in session.others.items() if id not in refused}
    if session.refresh in refused or (refused and not session.refresh and not others):
        return None
    return replace(session, others=others)


def _sessions(transaction: Transaction) -> list[Session]:
    return [load(sid, record) for sid, record in transaction.session_records().items()]


def _listed(transaction: Transaction) -> dict[str, float]:
    key = transaction.keys.tokens(transaction.subject)
    return dict(pairs(transaction.read(("ZRANGE", key, "0", "-1", "WITHSCORES"))))


def _revoked(transaction: Transaction, ids: list[str]) -> set[str]:
    """Which of these jtis and sids have an entry."""
    if not ids:
        return set()
    names = (transaction.keys.revoked(transaction.subject, id) for id in ids)
    marks = transaction.read(("MGET", *names))
    return {id for id, found in zip(ids, marks, strict=True) if found is not None}
