"""The door: issue, check, rotate, revoke, log out. It knows no Flask."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast, overload

from blinker import NamedSignal

from . import signals
from .audit import Cause, Trail
from .config import Config
from .errors import (
    BrokenData,
    ConfigurationError,
    ExpiredToken,
    IssuerOutage,
    MalformedToken,
    NotFresh,
    NotReplicated,
    Outage,
    RevokedToken,
    TokenRefused,
    WrongIssuer,
    WrongType,
)
from .inquiry import Inquiry
from .issuers import Issuer
from .ledger import Choose, Ledger, of_device, only, other_than
from .loss import Loss
from .models import Claims, OnOutage, Origin, Session, TokenPair, TokenType, Verdict
from .near_cache import near_cache
from .pairs import mint
from .receipts import Receipts
from .remembered import Remembered
from .rotation import Ended, Exchange, Rotation
from .seen import Known, Seen
from .sessions import LastSeen, SessionRules, begun_by, check_device_id, check_text
from .store import (
    Announcer,
    Breakers,
    Client,
    Command,
    Keys,
    Question,
    Store,
    connector,
    is_in_process,
)
from .strategies import NAMED, Strategy
from .tokens import check_id, new_id, tokens_of

if TYPE_CHECKING:
    # What an operator asks for is imported when it is asked for, as is what knows outside
    # issuers: no app waits for it to start.
    from .explanation import Explanation
    from .tokens.outside import TokensOfMany
    from .upkeep import Findings

log = logging.getLogger("flask_jwt_revoke")

Presented = str | Claims | Mapping[str, Any]


class Authority:
    """Says what is live. Use it as it is in a script or a task queue.

    ``redis`` is a client to use instead of the one that ``config.redis_url`` names,
    ``clock`` answers the Unix time in seconds, ``sender`` is what signals are sent by,
    ``origin`` tells the audit trail who asks for what is done now, and from where.

    Each verb that writes raises ``Outage`` where Redis cannot be asked; it is then
    unknown whether it was done, and safe to repeat. Each that ends something raises
    ``NotReplicated`` where it was done and ``WAIT_REPLICAS`` of them do not have it.
    ``ValueError`` is raised for a subject, an id or a reason that cannot be used, before
    anything is done. A ``reason`` is 1 to 64 letters, digits or any of ``_ . -``; it stands
    in Redis and in signals.

    :raises ConfigurationError: a key or the Redis URL cannot be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        redis: Client | None = None,
        clock: Callable[[], float] = time.time,
        sender: object = None,
        origin: Callable[[], Origin] = Origin,
    ) -> None:
        self.config = config
        self.clock = clock
        self.keys = Keys(config.key_prefix)
        self.tokens = tokens_of(config)
        # Another extension may send them, by settings of its own.
        self.cookies = config.cookies
        if config.wait_replicas and redis is not None and is_in_process(redis):
            raise ConfigurationError("JWT_REVOKE_WAIT_REPLICAS takes a server, not fakeredis")
        sender = sender if sender is not None else self
        self._tell = signals.Teller(sender)
        remembered = Remembered(config, self.tokens.is_sealed)
        is_near = config.near_cache_staleness is not None
        connect = connector(config.redis_url, config.timeout, redis)
        lost = Loss(config, clock, self._tell, remembered if is_near else None)
        self.store = Store(
            connect,
            self.keys,
            leeway=config.leeway,
            timeout=config.timeout,
            breakers=Breakers(config.breaker_failures, config.breaker_pause),
            announcer=Announcer(self.tokens.seal),
            lost=lost,
            owned=redis is None,
            wait_replicas=config.wait_replicas,
        )
        strategy = NAMED.get(config.strategy) if isinstance(config.strategy, str) else None
        self._strategy: Strategy = strategy or config.strategy
        self._near = near_cache(config, connect, remembered, self.store.look)
        if self._near is not None:
            lost.noticed = self._near.end_all
        self._ledger = Ledger(
            config,
            self.store,
            self._strategy,
            self._tell,
            trail=Trail(config.audit_length),
            forget=self._near.end if self._near else _no_one,
        )
        self._origin = origin
        self._receipts = Receipts(self.store)
        self._rules = SessionRules(config)
        self._last_seen = LastSeen()
        self._verified = Seen()
        if config.metrics:
            from .metrics import measure  # noqa: PLC0415

            measure(self, self._near, sender)
        if config.tracing:
            from .tracing import trace  # noqa: PLC0415

            trace(self)

    # Signing in

    def issue(
        self,
        subject: str,
        *,
        device: str | None = None,
        device_id: str | None = None,
        address: str | None = None,
        agent: str | None = None,
        claims: Mapping[str, Any] | None = None,
        fresh: bool = True,
    ) -> TokenPair:
        """Sign ``subject`` in: begin a session and mint its access and refresh token.

        ``device`` is a label for people. A ``device_id`` that is signed in already has its
        session replaced. ``address`` and ``agent`` (browser and system) are kept for the
        list of sessions. ``claims`` are added to both tokens; ``fresh`` marks the access
        token as coming from a sign-in just now.

        :raises ValueError: a subject, device or claim that cannot be used; nothing is kept.
        :raises SubjectBlocked: nothing is kept.
        :raises TooManySessions: nothing is kept.
        """
        now = self.clock()
        session = Session(
            id=new_id(),
            created=int(now),
            last_seen=int(now),
            ends=self._rules.refresh_expiry(now, now),
            device=check_text("device", device),
            device_id=check_device_id(device_id),
            address=check_text("address", address),
            agent=check_text("agent", agent),
        )
        pair = mint(subject, session, now, self._rules, claims=claims, fresh=fresh)
        self.tokens.check_signable(pair.access)
        with self._ending() as ledger:
            version, displaced = ledger.sign_in(pair, session, now)
            self._tell.of_token(
                signals.token_issued, now, "issue", pair.refresh, count=2, device=session.device
            )
            self._tell.of_sessions(now, "displaced", subject, displaced)
        self._last_seen.is_due(session.id, now)
        return pair.signed(self.tokens, version)

    def record(
        self,
        token: Presented,
        *,
        device: str | None = None,
        address: str | None = None,
        agent: str | None = None,
        after: Claims | None = None,
    ) -> None:
        """Index a token that somebody else signed, so that logging out everywhere ends it.

        One that was issued here is indexed already, and nothing is done. ``device``,
        ``address`` and ``agent`` are kept for the list of sessions where the token begins one.
        ``after`` is the token that it was given out for, at a refresh say: where that one is
        refused by now, so is this one from the first.

        :raises TokenRefused: a string that does not verify; nothing is kept.
        :raises ValueError: a claim is missing or cannot be used; nothing is kept.
        """
        now = self.clock()
        claims = self._presented(token)
        if claims.expires_at + self.config.leeway <= now:
            raise ValueError("the token has expired")
        if claims.version is not None:
            return
        new = replace(
            begun_by(claims, now),
            device=check_text("device", device),
            address=check_text("address", address),
            agent=check_text("agent", agent),
        )
        self._ledger.record(claims, now, new, after)
        self._tell.of_token(signals.token_issued, now, "record", claims)

    # Judging

    def check(
        self,
        token: str,
        *,
        type: TokenType = "access",
        fresh: bool = False,
        allow_expired: bool = False,
        strict: bool = False,
        on_outage: OnOutage | None = None,
    ) -> Claims:
        """Judge a presented token, in one round trip to Redis or, unless ``strict``, by a
        verdict on the same token that ``NEAR_CACHE_STALENESS`` allows to be reused.

        A token of an outside issuer that is live is indexed when this process first sees it.

        :raises TokenRefused: the subclass and its ``reason`` say why.
        :raises IssuerOutage: the keys of an outside issuer could not be fetched.
        :raises Outage: Redis could not be asked, and ``on_outage``, else ``ON_OUTAGE``, is deny.
        """
        now = self.clock()
        try:
            known = self.tokens.known(token, now, allow_expired=allow_expired)
            claims = known.claims()
            if claims.type != type:
                raise _wrong_type(type)
            if fresh and not claims.fresh:
                raise NotFresh()
            verdict = known.verdict
            if verdict is not None and not strict and verdict.holds():
                return claims
            if type in self.config.checked_types:
                self._check_live(known, claims, now, on_outage)
                self._check_unexpired(known, allow_expired)
        except TokenRefused as refused:
            self._refused(refused, now)
            raise
        except IssuerOutage:
            self._tell_of_issuer(now)
            raise
        return claims

    def check_verified(
        self, claims: Claims, *, strict: bool = False, on_outage: OnOutage | None = None
    ) -> Claims:
        """Judge a token whose signature and dates the caller has verified, as ``check`` does,
        and answer it.

        :raises RevokedToken: it is not live.
        :raises Outage: Redis could not be asked, and ``on_outage``, else ``ON_OUTAGE``, is deny.
        """
        now = self.clock()
        known = self._known(claims)
        verdict = None if strict else known.verdict
        if claims.type not in self.config.checked_types or (verdict and verdict.holds()):
            return claims
        try:
            self._check_live(known, claims, now, on_outage)
        except TokenRefused as refused:
            self._refused(refused, now)
            raise
        return claims

    def verify(self, token: str) -> Claims:
        """Verify who signed a token, whatever its dates. Redis is not asked: it may be revoked.

        :raises TokenRefused: the subclass and its ``reason`` say why.
        :raises IssuerOutage: the keys of an outside issuer could not be fetched.
        """
        with self._telling_of_issuers():
            return self.tokens.verify(token, math.inf, allow_expired=True)

    def verify_other(
        self, token: str, *, types: Collection[str], audience: Collection[str] | None = None
    ) -> Mapping[str, Any]:
        """Verify a JWT of one of ``ISSUERS`` that is no access token, such as a logout token.

        Judged are its form, signature, ``alg``, ``iss``, ``aud`` and ``typ`` (one of ``types``,
        in lower case and without ``application/``); dates, and what else its standard asks
        for, are not.

        :raises TokenRefused: the subclass and its ``reason`` say why.
        :raises IssuerOutage: the issuer's keys cannot be fetched.
        """
        if self.config.issuers is None:
            raise WrongIssuer()
        tokens = cast("TokensOfMany", self.tokens)
        with self._telling_of_issuers():
            return tokens.verify_other(token, types=types, audience=audience)

    def tell_refused(self, refused: TokenRefused) -> None:
        """Send ``token_refused`` of a token that the caller refuses before it is judged here."""
        self._refused(refused, self.clock())

    def rotate(self, token: str) -> TokenPair:
        """Exchange a refresh token for a new pair.

        A token is good for one exchange. The same pair is answered again for
        ``REFRESH_GRACE`` seconds after it; later, a second use ends the session.

        :raises ReusedToken: it was exchanged before; the session has been ended.
        :raises TokenRefused: the subclass and its ``reason`` say why.
        """
        now = self.clock()
        try:
            with self._telling_of_issuers():
                spent = self.tokens.verify(token, now)
            if spent.type != "refresh":
                raise _wrong_type("refresh")
            if spent.session_id is None or spent.version is None:
                raise MalformedToken("The token was not issued here and cannot be exchanged.")
            self.tokens.check_exchangeable(spent)
            with self._ending() as ledger:
                rotation = Rotation.of(spent, now, self.config)
                decision, version = ledger.rotate(rotation, self._presented_from)
                if isinstance(decision, Ended):
                    self._tell_not_rotated(now, spent, decision)
            if isinstance(decision, Ended):
                raise decision.error
        except TokenRefused as refused:
            self._refused(refused, now)
            raise
        if not decision.repeated:
            self._tell_rotated(now, decision)
        return decision.pair.signed(self.tokens, version)

    # Ending

    def revoke(
        self, token: Presented, *, reason: str = "revoked", actor: str | None = None
    ) -> None:
        """Refuse one token from now on. Revoking it again, or an expired one, changes nothing.

        A string is verified first; claims are taken as they are. ``actor`` is told to signals
        and the audit trail, here and below.

        :raises TokenRefused: the string is no token of ours.
        """
        now = self.clock()
        claims = self._presented(token)
        why = self._cause(reason, now, actor)
        with self._ending() as ledger:
            ledger.revoke(claims, now, why)
            self._tell.of_token(signals.token_revoked, now, reason, claims, actor=actor)

    def logout(self, token: Presented, *, reason: str = "logout", actor: str | None = None) -> None:
        """End the session that a token belongs to, even when the token has just expired.

        A token of an outside signer that names no session is revoked alone.

        :raises TokenRefused: the string is no token of ours.
        """
        claims = self._presented(token)
        if claims.session_id is None:
            self.revoke(claims, reason=reason, actor=actor)
        else:
            sid, exp = claims.session_id, claims.expires_at
            self._end_session(claims.subject, sid, reason, actor, at_least=exp)

    def logout_session(
        self,
        subject: str,
        session_id: str,
        *,
        reason: str = "logout",
        actor: str | None = None,
    ) -> bool:
        """End one session; answers whether it was listed. It is refused from now on anyway."""
        check_id("session_id", session_id)
        return self._end_session(check_id("subject", subject), session_id, reason, actor)

    def logout_outside_session(
        self, issuer: str, session_id: str, *, reason: str = "logout", actor: str | None = None
    ) -> None:
        """End a session of one of ``ISSUERS``, whose subject nobody named.

        :raises WrongIssuer: it is none of ours; nothing is done.
        """
        one, sid = self._issuer(issuer), check_id("session_id", session_id)
        self._end_of_issuer(one, signals.logged_out, reason, actor, session_id=sid)

    def revoke_outside_token(
        self, issuer: str, token_id: str, *, reason: str = "revoked", actor: str | None = None
    ) -> None:
        """Refuse a token (its jti) of one of ``ISSUERS``, whose subject nobody named.

        :raises WrongIssuer: it is none of ours; nothing is done.
        """
        one, jti = self._issuer(issuer), check_id("token_id", token_id)
        self._end_of_issuer(one, signals.token_revoked, reason, actor, token_id=jti)

    def once(self, issuer: str, id: str, seconds: float, act: Callable[[], object]) -> bool:
        """Act upon a message of an issuer, unless that was done; answers whether it was new.

        ``seconds`` is for how long it could come again.

        :raises Outage: it is being acted upon, or whatever ``act`` raises.
        """
        return self._receipts.once(issuer, check_id("id", id), self.clock(), seconds, act)

    def end_listed(
        self,
        subject: str,
        session_id: str,
        *,
        reason: str = "logout",
        actor: str | None = None,
    ) -> bool:
        """End a session of this subject's list, and answer whether it was there.

        One that is not in it changes nothing: use this for an id that a user sent.
        """
        return bool(self._end_chosen(subject, only(session_id), reason, actor))

    def logout_device(
        self,
        subject: str,
        device_id: str,
        *,
        reason: str = "logout",
        actor: str | None = None,
    ) -> int:
        """End the sessions of one device; answers how many."""
        if not check_device_id(device_id):
            raise ValueError("device_id must not be empty")
        return self._end_chosen(subject, of_device(device_id), reason, actor)

    def logout_others(
        self,
        subject: str,
        *,
        keep: str,
        reason: str = "logout_others",
        actor: str | None = None,
    ) -> int:
        """End all listed sessions but ``keep``; answers how many."""
        return self._end_chosen(subject, other_than(keep), reason, actor)

    @overload
    def logout_everywhere(
        self, subject: str, *, reason: str = ..., actor: str | None = ...
    ) -> int: ...
    @overload
    def logout_everywhere(
        self,
        subject: str,
        *,
        reason: str = ...,
        keep: str,
        claims: Mapping[str, Any] | None = ...,
        actor: str | None = ...,
    ) -> TokenPair: ...
    def logout_everywhere(
        self,
        subject: str,
        *,
        reason: str = "logout_everywhere",
        keep: str | None = None,
        claims: Mapping[str, Any] | None = None,
        actor: str | None = None,
    ) -> int | TokenPair:
        """End all sessions of a subject; answers how many live tokens that ended.

        Complete even when the index is missing, since the version is raised too. Under the
        version strategy, which keeps no index, each session counts as one.

        The session ``keep`` goes on instead, with the new pair that is then the answer, and
        with ``claims`` in it.

        :raises RevokedToken: the session to keep had ended already; so has everything else.
        :raises SubjectBlocked: with ``keep``; nothing was done.
        """
        self.check_subject(subject)
        now = self.clock()
        if keep is not None:
            return self._keep_one(subject, check_id("keep", keep), now, reason, claims, actor=actor)
        why = self._cause(reason, now, actor)
        with self._ending() as ledger:
            count = ledger.end_all(subject, now, why)
            self._tell_everywhere(subject, now, reason, count, actor)
        return count

    def block(self, subject: str, *, reason: str = "blocked", actor: str | None = None) -> None:
        """Refuse each token of a subject, and each sign-in, until it is unblocked."""
        self.check_subject(subject)
        now = self.clock()
        about = {"at": now, "reason": reason, "subject": subject, "actor": actor}
        why = self._cause(reason, now, actor)
        with self._ending() as ledger:
            ledger.block(subject, now, why)
            self._tell.of(signals.subject_blocked, **about)

    def unblock(self, subject: str, *, actor: str | None = None) -> bool:
        """Let a subject sign in again; answers whether it was blocked.

        What was issued before the block is live again, unless it was ended or has expired.
        """
        now = self.clock()
        why = self._cause("unblocked", now, actor)
        was_blocked = self._ledger.unblock(check_id("subject", subject), now, why)
        if was_blocked:
            about = {"at": now, "reason": "unblocked", "subject": subject, "actor": actor}
            self._tell.of(signals.subject_unblocked, **about)
        return was_blocked

    def is_blocked(self, subject: str) -> bool:
        """Whether all tokens and sign-ins of a subject are refused."""
        return self.store.is_blocked(check_id("subject", subject))

    def check_subject(self, subject: str) -> None:
        """:raises ValueError: nobody can be called so, or it is an issuer's own name."""
        self.config.check_named(check_id("subject", subject))

    # Keeping in order

    def purge(self, subject: str, *, dry_run: bool = False) -> Findings:
        """Remove what is left of a subject's tokens and sessions that have expired.

        ``dry_run`` finds, and changes nothing.
        """
        from .upkeep import Upkeep  # noqa: PLC0415

        check_id("subject", subject)
        return Upkeep(self._ledger).purge(subject, self.clock(), dry_run)

    def repair(self, subject: str, *, dry_run: bool = False, actor: str | None = None) -> Findings:
        """Make a subject's index and sessions agree; no token that is refused becomes live.

        A live token that is not in the index is put into it. A session whose tokens are
        refused is ended. ``dry_run`` finds, and changes nothing.
        """
        from .upkeep import REPAIRED, Upkeep  # noqa: PLC0415

        check_id("subject", subject)
        now = self.clock()
        asked_by = self._asked_by(actor)
        with self._ending() as ledger:
            found = Upkeep(ledger).repair(subject, now, dry_run, asked_by)
            if not dry_run:
                self._tell.of_sessions(now, REPAIRED, subject, found.ended, actor=actor)
        return found

    # Looking

    def sessions(self, subject: str) -> list[Session]:
        """The live sessions of a subject, newest first."""
        return self._ledger.sessions(check_id("subject", subject), self.clock())

    def explain(self, token: str) -> Explanation:
        """Walk through the check of a token, step by step. It changes nothing.

        :raises Outage: Redis could not be asked, or an issuer for its keys.
        """
        from .explanation import explained  # noqa: PLC0415

        return explained(token, self.clock(), self.tokens, self._ledger)

    def close(self) -> None:
        """Close the connections to Redis, but not a client that was handed in."""
        if self._near is not None:
            self._near.close()
        self.store.close()

    @contextmanager
    def _ending(self) -> Iterator[Ledger]:
        """What has ended is told of whether or not replicas have it.

        :raises NotReplicated: they do not.
        """
        ledger = self._ledger.again()
        yield ledger
        if ledger.missed:
            raise NotReplicated()

    def _known(self, claims: Claims) -> Known:
        """What this process knows of a token that was verified elsewhere."""
        one = claims
        name = repr((one.subject, one.id, one.session_id, one.version, one.type, one.expires_at))
        known = self._verified.get(name.encode())
        return known or self._verified.add(name.encode(), Known(claims, self.config.leeway))

    def _check_live(
        self, known: Known, claims: Claims, now: float, on_outage: OnOutage | None
    ) -> None:
        near = None
        if self._near is not None and claims.type == "access":
            near = self._near.begin(claims.subject)
        try:
            verdict = self._judged(known, claims, now)
        except Outage as outage:
            self._on_outage(claims, outage, on_outage)
            return
        if verdict.live:
            known.verdict = near
        elif not self._ledger.forgives(verdict):
            # A strict view has learnt of what no word has told the others.
            known.verdict = None
            log.debug("refused %r: %s", claims.id, verdict.because)
            raise RevokedToken()

    def _index(self, claims: Claims, now: float) -> None:
        """The token is live all the same when that fails, and is tried again later."""
        try:
            self._ledger.record(claims, now, begun_by(claims, now))
        except Outage:
            log.debug("%r could not be indexed", claims.id)
        else:
            self._tell.of_token(signals.token_issued, now, "first_seen", claims)

    def _check_unexpired(self, known: Known, allow_expired: bool) -> None:
        # Its entry may have gone with it, while the answer was under way.
        if not allow_expired and known.closes <= self.clock():
            raise ExpiredToken()

    def _judged(self, known: Known, claims: Claims, now: float) -> Verdict:
        inquiry = self._inquiry(known, claims, now)
        question = inquiry.question
        if claims.session_id is not None and self._last_seen.is_due(claims.session_id, now):
            question = question.also(self._touch(claims.subject, claims.session_id, now))
        if claims.issuer is not None and known.is_index_due(now):
            return self._judged_and_indexed(inquiry, question, claims, now)
        return inquiry.verdict(self.store.read(question))

    def _judged_and_indexed(
        self, inquiry: Inquiry, question: Question, claims: Claims, now: float
    ) -> Verdict:
        index = ("ZSCORE", self.keys.tokens(claims.subject), claims.id)
        *answers, listed = self.store.read(question.also(index))
        verdict = inquiry.verdict(answers)
        if verdict.live and listed is None:
            self._index(claims, now)
        return verdict

    def _inquiry(self, known: Known, claims: Claims, now: float) -> Inquiry:
        if known.closes <= now:
            return Inquiry(claims, self.keys, self._strategy, whole=False)
        if known.inquiry is None:
            known.inquiry = Inquiry(claims, self.keys, self._strategy)
        return cast(Inquiry, known.inquiry)

    def _touch(self, subject: str, sid: str, now: float) -> Command:
        idle = self.config.session_idle_timeout
        end = 0 if idle is None else idle + self.config.leeway
        return self.store.touch(subject, sid, now, LastSeen.INTERVAL, end)

    def _on_outage(self, claims: Claims, outage: Outage, asked_for: OnOutage | None) -> None:
        """The one place that decides what an outage means for a check."""
        answer = asked_for or self.config.on_outage_of(claims.type)
        if isinstance(outage, BrokenData):
            answer = "deny"
        self._tell.of_token(signals.outage, self.clock(), answer, claims)
        if answer == "deny":
            raise outage
        log.debug("accepted %r unchecked", claims.id)

    def _tell_rotated(self, now: float, exchange: Exchange) -> None:
        self._tell.of_token(
            signals.token_rotated,
            now,
            "rotate",
            exchange.pair.refresh,
            device=exchange.session.device,
            generation=exchange.session.generation,
        )

    def _keep_one(
        self,
        subject: str,
        keep: str,
        now: float,
        reason: str,
        claims: Mapping[str, Any] | None,
        *,
        actor: str | None,
    ) -> TokenPair:
        known = [one.created for one in self._ledger.sessions(subject, now) if one.id == keep]
        kept = Session(
            id=keep,
            created=known[0] if known else int(now),
            last_seen=int(now),
            ends=now,
        )
        pair = mint(subject, kept, now, self._rules, claims=claims, fresh=True)
        self.tokens.check_signable(pair.access)
        try:
            why = self._cause(reason, now, actor)
            with self._ending() as ledger:
                version, count = ledger.end_all_but(kept, pair, now, why)
                self._tell_everywhere(subject, now, reason, count, actor)
        except RevokedToken:
            # A changed password must not leave others in because its own session is out.
            self.logout_everywhere(subject, reason=reason, actor=actor)
            raise
        return pair.signed(self.tokens, version)

    def _tell_everywhere(
        self, subject: str, at: float, reason: str, count: int, actor: str | None
    ) -> None:
        self._tell.of(
            signals.logged_out_everywhere,
            at=at,
            reason=reason,
            subject=subject,
            count=count,
            actor=actor,
        )

    def _end_session(
        self, subject: str, sid: str, reason: str, actor: str | None, at_least: float = 0
    ) -> bool:
        now = self.clock()
        why = self._cause(reason, now, actor)
        with self._ending() as ledger:
            session = ledger.end_session(subject, sid, now, why, at_least)
            self._tell.of(
                signals.logged_out,
                at=now,
                reason=reason,
                subject=subject,
                session_id=sid,
                device=session.device if session else None,
                actor=actor,
            )
        return session is not None

    def _end_of_issuer(
        self,
        issuer: Issuer,
        signal: NamedSignal,
        reason: str,
        actor: str | None,
        *,
        token_id: str | None = None,
        session_id: str | None = None,
    ) -> None:
        now = self.clock()
        about = {"token_id": token_id, "session_id": session_id}
        why = self._cause(reason, now, actor)
        with self._ending() as ledger:
            ledger.end_of_issuer(issuer, now, why, signal, jti=token_id, sid=session_id)
            self._tell.of(signal, at=now, reason=reason, actor=actor, **about)

    def _end_chosen(self, subject: str, choose: Choose, reason: str, actor: str | None) -> int:
        now = self.clock()
        check_id("subject", subject)
        why = self._cause(reason, now, actor)
        with self._ending() as ledger:
            ended = ledger.end_chosen(subject, now, why, choose)
            self._tell.of_sessions(now, reason, subject, ended, actor=actor)
        return len(ended)

    def _cause(self, reason: str, now: float, actor: str | None) -> Cause:
        return Cause.of(reason, now, self._asked_by(actor))

    def _asked_by(self, actor: str | None) -> Origin:
        """Who asks, where anybody will read it."""
        named = check_text("actor", actor)
        if not self._ledger.trail.is_kept():
            return Origin(actor=named)
        found = self._origin()
        return found if named is None else found._replace(actor=named)

    def _presented_from(self) -> Origin:
        """Nobody asks for a session to end by presenting a token that betrays it."""
        return self._asked_by(None)._replace(actor=None)

    def _issuer(self, name: str) -> Issuer:
        issuer = (self.config.issuers or {}).get(name)
        if issuer is None:
            raise WrongIssuer()
        return issuer

    def _presented(self, token: Presented) -> Claims:
        if isinstance(token, Claims):
            return token
        if isinstance(token, str):
            return self.verify(token)
        try:
            return self.tokens.claims_of(token)
        except TokenRefused as refused:
            raise ValueError(refused.description) from None

    @contextmanager
    def _telling_of_issuers(self) -> Iterator[None]:
        try:
            yield
        except IssuerOutage:
            self._tell_of_issuer(self.clock())
            raise

    def _tell_of_issuer(self, now: float) -> None:
        self._tell.of(signals.outage, at=now, reason="issuer")

    def _refused(self, refused: TokenRefused, now: float) -> None:
        self._tell.of(signals.token_refused, at=now, reason=refused.reason)

    def _tell_not_rotated(self, now: float, spent: Claims, ended: Ended) -> None:
        signal = signals.reuse_detected if ended.reused else signals.logged_out
        self._tell.of_token(
            signal,
            now,
            ended.error.reason,
            spent,
            device=ended.session.device,
            device_id=ended.session.device_id,
            generation=ended.session.generation,
        )


def _wrong_type(asked_for: TokenType) -> WrongType:
    return WrongType(f"A token of type {asked_for} is required.")


def _no_one(subject: str) -> None:
    """Hears of an ended subject where there is no near cache."""
