"""What each verb writes, as one transaction of its subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TypeVar

from blinker import NamedSignal

from .audit import Cause, Entries, Trail
from .config import Config
from .errors import BrokenData, Outage, RevokedToken, SubjectBlocked
from .issuers import Issuer, nobody_of
from .models import Claims, Origin, Session, Verdict
from .not_before import is_barred, later, second_of
from .pairs import Pair
from .rotation import Ended, Exchange, Rotation
from .sessions import SessionRules, dump, load
from .signals import (
    Teller,
    logged_out,
    logged_out_everywhere,
    outage,
    reuse_detected,
    subject_blocked,
    subject_unblocked,
    token_revoked,
)
from .store import Pairs, Reply, Store, Transaction, mark, pairs
from .strategies import Strategy, shared_question, shared_verdict, whole

T = TypeVar("T")
Choose = Callable[[list[Session]], list[Session]]

# Tokens that one transaction ends: between two of them Redis serves the others, who wait no longer
# for it than a check takes.
_AT_ONCE = 56


class Ledger:
    """``now`` is a Unix time in seconds.

    ``forget`` is called with the subject of each transaction once it is through, or may be.
    ``missed`` are subjects of which something has ended that too few replicas have.

    What ends something awaits ``WAIT_REPLICAS``. A sign-in that displaces nobody, an exchange
    and a record do not: what a fail-over loses of them is refused afterwards, or asked again.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        strategy: Strategy,
        tell: Teller,
        *,
        trail: Trail,
        forget: Callable[[str], None],
    ) -> None:
        self.config = config
        self.store = store
        self.strategy = strategy
        self.tell = tell
        self.trail = trail
        self.forget = forget
        self.missed: list[str] = []

    def again(self) -> Ledger:
        """The same, of which nothing has been missed."""
        other = copy(self)
        other.missed = []
        return other

    def sign_in(self, pair: Pair, session: Session, now: float) -> tuple[int, list[Session]]:
        """Index a new session's pair; answers its version and the sessions it displaced.

        :raises SubjectBlocked: nothing was written.
        :raises TooManySessions: nothing was written.
        """
        subject, keys = pair.access.subject, self.store.keys
        rules = SessionRules(self.config)
        decides = rules.config.max_sessions is not None or session.device_id is not None

        def write(transaction: Transaction) -> tuple[Reply, list[Session]]:
            if transaction.is_blocked():
                raise SubjectBlocked()
            found = _loaded(
                transaction.session_records() if decides else transaction.some_session_records()
            )
            over = [one for one in found if rules.is_over(one, now)]
            live = [one for one in found if one not in over]
            displaced = rules.displaced(live, session.device_id) if decides else []
            transaction.begin()
            version = transaction.version(session.ends)
            self.strategy.on_issue(transaction, pair.both)
            for one in displaced:
                self.end(transaction, one, _displaced_by(session, now))
            if displaced:
                transaction.await_replicas()
            self.sweep(transaction, over)
            transaction.put_session(session.id, dump(pair.held_by(session)), session.ends)
            return version, displaced

        watched = [keys.blocked(subject), *([keys.sessions(subject)] if decides else [])]
        version, displaced = self.transact(subject, now, write, watch=watched)
        return self._version(subject, version), displaced

    def record(self, token: Claims, now: float, new: Session, after: Claims | None = None) -> None:
        """Index an outside token, unless it is revoked already.

        ``new`` is the record of its session where that is not known. A token that was given
        out for ``after`` is refused from the first where ``after`` is.
        """
        keys, sid = self.store.keys, token.session_id
        ids = (token.id,) if sid is None else (token.id, sid)

        def write(transaction: Transaction) -> None:
            is_over = sid is not None and transaction.is_revoked(sid)
            is_late = after is not None and not self._is_live(transaction, after)
            is_ended = self._is_barred(transaction, token) or transaction.is_revoked(token.id)
            known = self._known_or(transaction, new) if sid is not None else None
            over = [
                one for one in self._some_over(transaction) if known is not new or one.id != sid
            ]
            transaction.begin()
            if known is not None and known.is_broken:
                is_over = True
                self.sweep(transaction, [known])
            if is_over or is_late:
                # The entry of a session that is over must outlive this token too.
                ended = sid if is_over and sid is not None else token.id
                because = mark("recorded", now)
                transaction.revoke(ended, because, token.expires_at)
                transaction.announce(because, token.expires_at, ended)
            elif not is_ended:
                self._join(transaction, token, known)
                self.sweep(transaction, over)

        watched = [keys.sessions(token.subject), *(keys.revoked(token.subject, id) for id in ids)]
        decides = [] if after is None else self._decides(after)
        if token.issuer is not None:
            watched.append(keys.not_before(token.subject))
        self.transact(token.subject, now, write, watch=[*watched, *decides])

    def _is_barred(self, transaction: Transaction, token: Claims) -> bool:
        return token.issuer is not None and is_barred(token, transaction.not_before_mark())

    def _known_or(self, transaction: Transaction, new: Session) -> Session:
        """One that has expired begins anew."""
        record = transaction.session_record(new.id)
        known = new if record is None else load(new.id, record)
        has_expired = SessionRules(self.config).has_expired(known, transaction.now)
        return new if has_expired and not known.is_broken else known

    def _join(self, transaction: Transaction, token: Claims, known: Session | None) -> None:
        self.strategy.on_issue(transaction, [token])
        if known is not None:
            session = SessionRules(self.config).joined(known, token, transaction.now)
            transaction.put_session(known.id, dump(session), session.ends)

    def rotate(
        self, rotation: Rotation, origin: Callable[[], Origin]
    ) -> tuple[Exchange | Ended, int | None]:
        """Exchange a refresh token, or end its session; decided by what EXEC finds unchanged.

        Answers the decision, and the version that the new pair is issued under. ``origin`` is
        asked where the token was presented from, should its session end.

        :raises RevokedToken: the token was revoked.
        """
        spent, keys = rotation.spent, self.store.keys
        sid = spent.session_id or ""
        shared, own = shared_question(keys, spent), self.strategy.question(keys, spent)

        def write(transaction: Transaction) -> tuple[Exchange | Ended, Reply | int | None]:
            found = transaction.read(shared)
            verdict = shared_verdict(spent, shared, found)
            if not (verdict.live or self.forgives(verdict)):
                raise RevokedToken()
            # Before the record: an exchange in between then shows in both, or makes EXEC fail.
            answers = [transaction.read(command) for command in own]
            record = transaction.session_record(sid)
            decision = rotation.decide(None if record is None else load(sid, record))
            is_new = isinstance(decision, Exchange) and not decision.repeated
            if is_new and not (self.strategy.is_live(spent, answers) or self.forgives(verdict)):
                raise RevokedToken()
            over = self._some_over(transaction)
            transaction.begin()
            if isinstance(decision, Ended):
                why = Cause.of(decision.error.reason, rotation.now, origin())
                signal = reuse_detected if decision.reused else logged_out
                self.end(transaction, decision.session, why, signal, jti=spent.id)
                transaction.await_replicas()
                return decision, None
            if decision.repeated:
                # Since a loss, the pair carries the version that was begun after it.
                is_as_it_was = verdict.live or found[-1] is None
                return decision, spent.version if is_as_it_was else int(found[-1])
            version = transaction.version(decision.session.ends)
            transaction.unindex([spent.id])
            self.strategy.on_issue(transaction, decision.pair.both)
            self.sweep(transaction, over)
            transaction.put_session(sid, dump(decision.session), decision.session.ends)
            return decision, version

        watched = [*shared[1:], keys.sessions(spent.subject), *(command[1] for command in own)]
        decision, version = self.transact(spent.subject, rotation.now, write, watch=watched)
        if isinstance(version, Reply):
            return decision, self._version(spent.subject, version)
        return decision, version

    def revoke(self, claims: Claims, now: float, why: Cause) -> None:
        token = {"jti": claims.id, "sid": claims.session_id, "type": claims.type}

        def write(transaction: Transaction) -> None:
            self.strategy.on_revoke(transaction, claims, why.mark)
            transaction.announce(why.mark, claims.expires_at, claims.id)
            self.trail.add(transaction, token_revoked, why, **token)
            transaction.await_replicas()

        self.transact(claims.subject, now, write)

    def end_of_issuer(
        self,
        issuer: Issuer,
        now: float,
        why: Cause,
        signal: NamedSignal,
        *,
        jti: str | None,
        sid: str | None,
    ) -> None:
        """Refuse a token or a session of an issuer, whoever's it is, as long as one can live."""
        id, until = jti or sid or "", self._unseen_until(issuer, now)

        def write(transaction: Transaction) -> None:
            transaction.revoke(id, why.mark, until)
            transaction.announce(why.mark, until, id)
            self.trail.add(transaction, signal, why, jti=jti, sid=sid)
            transaction.await_replicas()

        self.transact(nobody_of(issuer.name), now, write)

    def end_session(
        self, subject: str, sid: str, now: float, why: Cause, at_least: float = 0
    ) -> Session | None:
        """End one session, known or not; ``at_least`` is the exp of a token that it has."""
        at_least = max(at_least, self._unseen_until(self.config.issuer_of(subject), now))
        unknown = Session(
            id=sid,
            created=int(now),
            last_seen=int(now),
            ends=now + self.config.longest_lifetime,
        )

        def write(transaction: Transaction) -> Session | None:
            record = transaction.session_record(sid)
            session = None if record is None else load(sid, record)
            transaction.begin()
            if session is not None and session.is_broken:
                session = None
            self.end(transaction, session or unknown, why, at_least=at_least)
            transaction.await_replicas()
            return session

        return self._watching_sessions(subject, now, write)

    def end_chosen(self, subject: str, now: float, why: Cause, choose: Choose) -> list[Session]:
        """End those of the sessions that ``choose`` picks; answers which of them were live."""
        rules = SessionRules(self.config)
        at_least = self._unseen_until(self.config.issuer_of(subject), now)

        def write(transaction: Transaction) -> list[Session]:
            chosen = choose(_loaded(transaction.session_records()))
            transaction.begin()
            for session in chosen:
                self.end(transaction, session, why, at_least=at_least)
            # Another verb may have ended some before, and not have waited for long enough.
            transaction.await_replicas()
            return [one for one in chosen if not rules.is_over(one, now)]

        return self._watching_sessions(subject, now, write)

    def end_all(self, subject: str, now: float, why: Cause) -> int:
        """End everything of a subject; answers how many live tokens that were."""
        first = self.store.listed(subject, _AT_ONCE)
        issuer = self.config.issuer_of(subject)

        def write(transaction: Transaction) -> tuple[Reply, Callable[[], int]]:
            if issuer is not None:
                self._refuse_until_now(transaction, issuer, why)
            count = self._counted(transaction, why, is_own=issuer is None)
            if issuer is None:
                transaction.raise_version(now + self.config.longest_lifetime)
            self._end_tokens(transaction, first, why.mark)
            transaction.drop_all_sessions()
            return transaction.listed(), count

        watched = [] if issuer is None else [self.store.keys.not_before(subject)]
        left, count = self.transact(subject, now, write, watch=watched)
        self._end_rest(subject, now, pairs(left.value), why)
        return count()

    def end_all_but(self, kept: Session, pair: Pair, now: float, why: Cause) -> tuple[int, int]:
        """End everything of a subject but one session, which goes on with a new pair.

        Answers the version of the pair, and how many live tokens were ended.

        :raises RevokedToken: that session had ended; nothing was done.
        :raises SubjectBlocked: nothing was done.
        """
        subject, keys, rules = pair.access.subject, self.store.keys, SessionRules(self.config)
        first = self.store.listed(subject, _AT_ONCE)

        def write(transaction: Transaction) -> tuple[int, Reply, Callable[[], int]]:
            if transaction.is_blocked():
                raise SubjectBlocked()
            record = transaction.session_record(kept.id)
            is_lost = record is None and self.config.on_lost_data == "allow"
            if transaction.is_revoked(kept.id) or (record is None and not is_lost):
                raise RevokedToken()
            known = kept if record is None else load(kept.id, record)
            if record is not None and rules.is_over(known, now):
                raise RevokedToken()
            session = pair.held_by(_renewed(known, kept))
            transaction.begin()
            count = self._counted(transaction, why, kept=kept.id)
            version = transaction.raise_version(now + self.config.longest_lifetime)
            self._end_tokens(transaction, first, why.mark)
            left = transaction.listed()
            transaction.drop_all_sessions()
            self.strategy.on_issue(transaction, pair.both)
            transaction.put_session(kept.id, dump(session), session.ends)
            return version, left, count

        watched = [keys.sessions(subject), keys.revoked(subject, kept.id), keys.blocked(subject)]
        version, left, count = self.transact(subject, now, write, watch=watched)
        self._end_rest(subject, now, pairs(left.value), why)
        return version, count()

    def block(self, subject: str, now: float, why: Cause) -> None:
        def write(transaction: Transaction) -> None:
            transaction.block(why.mark)
            transaction.announce(why.mark, None)
            self.trail.add(transaction, subject_blocked, why)
            transaction.await_replicas()

        self.transact(subject, now, write)

    def unblock(self, subject: str, now: float, why: Cause) -> bool:
        """Answers whether the subject was blocked."""

        def write(transaction: Transaction) -> bool:
            was_blocked = transaction.is_blocked()
            transaction.begin()
            if was_blocked:
                transaction.unblock()
                self.trail.add(transaction, subject_unblocked, why)
            transaction.announce(why.mark, 0)
            return was_blocked

        return self.transact(subject, now, write, watch=[self.store.keys.blocked(subject)])

    def sessions(self, subject: str, now: float) -> list[Session]:
        """The live sessions, newest first."""
        rules = SessionRules(self.config)
        found = _loaded(self.store.session_records(subject))
        live = [one for one in found if not rules.is_over(one, now)]
        return sorted(live, key=lambda one: (one.created, one.id), reverse=True)

    def forgives(self, verdict: Verdict) -> bool:
        return verdict.lost_data and self.config.on_lost_data == "allow"

    def end(
        self,
        transaction: Transaction,
        session: Session,
        why: Cause,
        signal: NamedSignal = logged_out,
        *,
        jti: str | None = None,
        at_least: float = 0,
    ) -> None:
        """``jti`` is the token that was presented, where one betrayed the session.

        It is refused until its end, and ``at_least`` until then.
        """
        longest = transaction.now + self.config.longest_lifetime
        ends = longest if session.is_broken else session.ends
        session = replace(session, ends=max(ends, at_least))
        self.strategy.on_logout(transaction, session, why.mark)
        transaction.drop_sessions([session.id])
        transaction.announce(why.mark, session.ends, session.id)
        device = {"device": session.device, "device_id": session.device_id}
        self.trail.add(transaction, signal, why, jti=jti, sid=session.id, **device)

    def _counted(
        self, transaction: Transaction, why: Cause, kept: str | None = None, is_own: bool = True
    ) -> Callable[[], int]:
        """How many live tokens there are, for the caller and for the trail.

        A strategy that keeps no index counts each session as one; outside tokens are in the
        index whatever the strategy.
        """
        tokens, sessions = transaction.token_count(), transaction.session_count()
        counts_sessions = is_own and not self.strategy.has_index

        def count() -> int:
            return int(tokens.value) + (int(sessions.value) if counts_sessions else 0)

        self.trail.add_count(
            transaction,
            logged_out_everywhere,
            why,
            kept=kept,
            count=count,
            since=transaction.now - self.config.leeway,
            sessions=counts_sessions,
        )
        return count

    def _decides(self, claims: Claims) -> list[str]:
        """The keys that say whether a token is live."""
        keys = self.store.keys
        own = self.strategy.question(keys, claims)
        return [*shared_question(keys, claims)[1:], *(command[1] for command in own)]

    def _is_live(self, transaction: Transaction, claims: Claims) -> bool:
        shared = shared_question(self.store.keys, claims)
        verdict = shared_verdict(claims, shared, transaction.read(shared))
        if not verdict.live:
            return self.forgives(verdict)
        own = self.strategy.question(self.store.keys, claims)
        return self.strategy.is_live(claims, [transaction.read(command) for command in own])

    def _unseen_until(self, issuer: Issuer | None, now: float) -> float:
        """When the last token expires that an issuer, whose clock may be ahead, has signed by
        now: nobody else knows which there are.
        """
        return 0 if issuer is None else now + self.config.leeway + issuer.lifetime

    def _refuse_until_now(self, transaction: Transaction, issuer: Issuer, why: Cause) -> None:
        """Begin a watched transaction, and refuse outside tokens that nobody has seen too."""
        leeway = self.config.leeway
        because = mark(why.reason, transaction.now + leeway)
        because = later(because, transaction.not_before_mark())
        transaction.begin()
        transaction.not_before(because, second_of(because) + 1 + issuer.lifetime)

    def _end_tokens(
        self, transaction: Transaction, tokens: Pairs, why: str, awaits: bool = True
    ) -> None:
        self.strategy.on_logout_everywhere(transaction, tokens, why)
        transaction.announce(why, transaction.now + self.config.longest_lifetime)
        if awaits and not self.missed:
            transaction.await_replicas()

    def _end_rest(self, subject: str, now: float, tokens: Pairs, why: Cause) -> None:
        """End what the first transaction left: the tokens over its share, and any that came
        into the index since it was read. Those issued here are refused already, by the version.

        The replicas that have the last transaction have all before it.
        """
        shares = [tokens[start : start + _AT_ONCE] for start in range(0, len(tokens), _AT_ONCE)]
        for number, share in enumerate(shares, start=1):
            awaits = number == len(shares)
            write = partial(self._end_tokens, tokens=share, why=why.mark, awaits=awaits)
            self.transact(subject, now, write)

    def _version(self, subject: str, version: Reply) -> int:
        """:raises BrokenData: no token can be issued under what stands there."""
        found = whole(version.value, self.store.keys.version(subject))
        if found is None:
            raise BrokenData()
        return found

    def _some_over(self, transaction: Transaction) -> list[Session]:
        """Sessions that are over, of the few that are looked at with each write."""
        rules = SessionRules(self.config)
        found = _loaded(transaction.some_session_records())
        return [one for one in found if rules.is_over(one, transaction.now)]

    def sweep(self, transaction: Transaction, over: Iterable[Session]) -> None:
        """Take sessions that are over off the list."""
        rules = SessionRules(self.config)
        for session in over:
            if session.is_broken:
                self.end(transaction, session, Cause.of("broken", transaction.now))
            elif rules.has_expired(session, transaction.now):
                transaction.drop_sessions([session.id])
            else:
                # It has tokens that have not expired.
                is_idle = rules.is_idle(session, transaction.now)
                why = Cause.of("idle" if is_idle else "expired", transaction.now)
                self.end(transaction, session, why)

    def _watching_sessions(self, subject: str, now: float, write: Callable[[Transaction], T]) -> T:
        return self.transact(subject, now, write, watch=[self.store.keys.sessions(subject)])

    def transact(
        self,
        subject: str,
        now: float,
        write: Callable[[Transaction], T],
        *,
        watch: Sequence[str] = (),
    ) -> T:
        """What this process keeps of the subject's verdicts ends with it."""
        entries: Entries = []

        def write_anew(transaction: Transaction) -> T:
            nonlocal entries
            entries = transaction.entries
            return write(transaction)

        try:
            result = self.store.transact(
                subject, now, write_anew, watch=watch, missed=lambda: self.missed.append(subject)
            )
        except Outage:
            self.tell.of(outage, at=now, reason="write", subject=subject)
            raise
        finally:
            self.forget(subject)
        self.trail.tell(entries)
        return result


def _loaded(records: dict[str, str]) -> list[Session]:
    return [load(sid, record) for sid, record in records.items()]


def _displaced_by(session: Session, now: float) -> Cause:
    origin = Origin(address=session.address, agent=session.agent)
    return Cause.of("displaced", now, origin)


def _renewed(session: Session, renewal: Session) -> Session:
    """A session that keeps its device, and none of its tokens."""
    return replace(session, last_seen=renewal.last_seen, previous="")


def only(sid: str) -> Choose:
    return lambda sessions: [one for one in sessions if one.id == sid]


def other_than(kept: str) -> Choose:
    return lambda sessions: [one for one in sessions if one.id != kept]


def of_device(device_id: str) -> Choose:
    return lambda sessions: [one for one in sessions if one.device_id == device_id]
