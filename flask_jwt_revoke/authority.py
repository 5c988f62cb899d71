"""The door: issue, check, record, revoke, log out. It knows no Flask."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import signals
from .config import Config
from .errors import ConfigurationError, NotFresh, Outage, RevokedToken, TokenRefused, WrongType
from .models import Claims, Event, TokenPair, TokenType
from .sessions import Session, device_label
from .store import (
    Client,
    Keys,
    Pairs,
    Reply,
    Store,
    Transaction,
    check_client,
    check_url,
    connect,
    pairs_of,
)
from .strategies.base import Strategy
from .strategies.blacklist import Blacklist
from .tokens import Tokens, check_id, new_id

log = logging.getLogger("flask_jwt_revoke")

_REASON = re.compile(r"[\w.-]{1,64}", re.ASCII)


class Authority:
    """Says what is live. Use it as it is in a script or a task queue.

    ``redis`` is a client to use instead of the one that ``config.redis_url`` names,
    ``clock`` answers the Unix time in seconds, ``sender`` is what signals are sent by.

    :raises ConfigurationError: a key or the Redis URL cannot be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        redis: Client | None = None,
        clock: Callable[[], float] = time.time,
        sender: object = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.keys = Keys(config.key_prefix)
        self.tokens = Tokens(config)
        self.store = Store(
            _connector(config, redis), self.keys, leeway=config.leeway, timeout=config.timeout
        )
        self.strategy: Strategy = Blacklist(self.keys)
        self._owns_client = redis is None
        self._sender = sender if sender is not None else self

    def issue(
        self,
        subject: str,
        *,
        device: str | None = None,
        claims: Mapping[str, Any] | None = None,
        fresh: bool = True,
    ) -> TokenPair:
        """Sign ``subject`` in: begin a session and mint its access and refresh token.

        ``claims`` are added to both tokens; ``fresh`` marks the access token as coming
        from a sign-in just now.

        :raises ValueError: a subject, device or claim that cannot be used; nothing is kept.
        :raises Outage: nothing was issued.
        """
        now = self.clock()
        sid = new_id()
        check_id("subject", subject)
        access, refresh = self._mint(subject, sid, now, dict(claims or {}), fresh)
        self.tokens.check_signable(access)
        session = Session(
            id=sid,
            created=int(now),
            ends=refresh.expires_at,
            device=device_label(device),
            tokens=(access.id, refresh.id),
        )
        version = self._keep(subject, now, (access, refresh), session)
        self._send(signals.token_issued, now, "issue", refresh, count=2)
        return TokenPair(
            access=self.tokens.sign(replace(access, version=version)),
            refresh=self.tokens.sign(replace(refresh, version=version)),
            session_id=sid,
            expires_in=int(self.config.access_lifetime),
        )

    def record(self, claims: Mapping[str, Any]) -> None:
        """Index a token that somebody else signed, so that logging out everywhere ends it.

        :raises ValueError: a claim is missing or cannot be used; nothing is kept.
        :raises Outage: it is unknown whether the token was recorded.
        """
        token = self._vouched(claims)
        now = self.clock()
        if token.expires_at + self.config.leeway <= now:
            raise ValueError("the token has expired")

        def write(transaction: Transaction) -> None:
            revoked = transaction.is_revoked(token.id)
            session = self._joined(transaction, token, now)
            transaction.begin()
            if not revoked:
                self.strategy.on_issue(transaction, [token])
            if session is not None and not revoked:
                transaction.put_session(session.id, session.dump(), session.ends)

        watched = self.keys.sessions(token.subject), self.keys.revoked(token.subject, token.id)
        self.store.transact(token.subject, now, write, watch=watched)
        self._send(signals.token_issued, now, "record", token)

    def check(
        self,
        token: str,
        *,
        type: TokenType = "access",
        fresh: bool = False,
        allow_expired: bool = False,
    ) -> Claims:
        """Judge a presented token, in one round trip to Redis.

        :raises TokenRefused: the subclass and its ``reason`` say why.
        :raises Outage: Redis could not be asked, and ``ON_OUTAGE`` is deny.
        """
        try:
            claims = self.tokens.verify(token, self.clock(), allow_expired=allow_expired)
            if claims.type != type:
                raise WrongType(f"A token of type {type} is required.")
            if fresh and not claims.fresh:
                raise NotFresh()
            self._check_live(claims)
        except TokenRefused as refused:
            self._refused(refused)
            raise
        return claims

    def revoke(self, token: str | Claims | Mapping[str, Any], *, reason: str = "revoked") -> None:
        """Refuse one token from now on. Revoking it again, or an expired one, changes nothing.

        A string is verified first; claims are taken as they are.

        :raises TokenRefused: the string is no token of ours.
        :raises ValueError: ``reason`` is not 1 to 64 letters, digits or any of ``_ . -``.
        :raises Outage: it is unknown whether the token was revoked.
        """
        now = self.clock()
        claims, mark = self._presented(token, now), _mark(reason, now)

        def write(transaction: Transaction) -> None:
            self.strategy.on_revoke(transaction, claims, mark)

        self.store.transact(claims.subject, now, write)
        self._send(signals.token_revoked, now, reason, claims)

    def logout(self, token: str | Claims | Mapping[str, Any], *, reason: str = "logout") -> None:
        """End the session that a token belongs to, even when the token has just expired.

        A token of an outside signer that names no session is revoked alone.

        :raises TokenRefused: the string is no token of ours.
        :raises Outage: it is unknown whether the session was ended.
        """
        claims = self._presented(token, self.clock())
        if claims.session_id is None:
            self.revoke(claims, reason=reason)
        else:
            self._end_session(claims.subject, claims.session_id, reason, claims.expires_at)

    def logout_session(self, subject: str, session_id: str, *, reason: str = "logout") -> None:
        """End one session: its access and refresh tokens are refused from now on.

        :raises Outage: it is unknown whether the session was ended.
        """
        self._end_session(check_id("subject", subject), check_id("session_id", session_id), reason)

    def logout_everywhere(self, subject: str, *, reason: str = "logout_everywhere") -> int:
        """End all sessions of a subject; answers how many live tokens that ended.

        Complete even when the index is missing, since the version is raised too.

        :raises Outage: it is unknown whether the sessions were ended.
        """
        check_id("subject", subject)
        now = self.clock()
        mark = _mark(reason, now)
        listed = self.store.listed(subject)

        def write(transaction: Transaction) -> Reply:
            transaction.raise_version(now + self.config.longest_lifetime)
            self.strategy.on_logout_everywhere(transaction, listed, mark)
            transaction.drop_all_sessions()
            return transaction.listed()

        left = self.store.transact(subject, now, write)
        late = pairs_of(left)
        if late:
            self._end_late(subject, now, late, mark)
        count = sum(exp + self.config.leeway > now for _, exp in listed + late)
        event = Event(at=now, reason=reason, subject=subject, count=count)
        signals.logged_out_everywhere.send(self._sender, event=event)
        return count

    def close(self) -> None:
        """Close the connections to Redis, but not a client that was handed in."""
        if self._owns_client:
            self.store.close()

    def _end_late(self, subject: str, now: float, late: Pairs, mark: str) -> None:
        """End what came into the index between its reading and the transaction."""
        self.store.transact(
            subject,
            now,
            lambda transaction: self.strategy.on_logout_everywhere(transaction, late, mark),
        )

    def _end_session(self, subject: str, sid: str, reason: str, at_least: float = 0) -> None:
        now = self.clock()
        mark = _mark(reason, now)
        unknown = Session(id=sid, created=now, ends=now + self.config.longest_lifetime)

        def write(transaction: Transaction) -> None:
            record = transaction.session_record(sid)
            session = unknown if record is None else Session.load(sid, record)
            transaction.begin()
            ends = max(session.ends, at_least)
            self.strategy.on_logout(transaction, replace(session, ends=ends), mark)
            transaction.drop_sessions([sid])

        self.store.transact(subject, now, write, watch=[self.keys.sessions(subject)])
        event = Event(at=now, reason=reason, subject=subject, session_id=sid)
        signals.logged_out.send(self._sender, event=event)

    def _mint(
        self, subject: str, sid: str, now: float, claims: dict[str, Any], fresh: bool
    ) -> tuple[Claims, Claims]:
        issued = int(now)

        def mint(type: TokenType, lifetime: float, fresh: bool) -> Claims:
            return Claims(
                subject=subject,
                id=new_id(),
                session_id=sid,
                type=type,
                issued_at=issued,
                expires_at=issued + int(lifetime),
                fresh=fresh,
                claims=claims,
            )

        return (
            mint("access", self.config.access_lifetime, fresh),
            mint("refresh", self.config.refresh_lifetime, False),
        )

    def _keep(self, subject: str, now: float, tokens: Sequence[Claims], session: Session) -> int:
        """Index the tokens and their session, and answer the version they are issued under."""
        ended = [
            sid
            for sid, record in self.store.session_records(subject).items()
            if Session.load(sid, record).ends + self.config.leeway <= now
        ]

        def write(transaction: Transaction) -> Reply:
            version = transaction.version(session.ends)
            self.strategy.on_issue(transaction, tokens)
            transaction.drop_sessions(ended)
            transaction.put_session(session.id, session.dump(), session.ends)
            return version

        return int(self.store.transact(subject, now, write).value)

    def _joined(self, transaction: Transaction, token: Claims, now: float) -> Session | None:
        """The session of a recorded token, with the token in it."""
        if token.session_id is None:
            return None
        record = transaction.session_record(token.session_id)
        session = (
            Session(id=token.session_id, created=int(now), ends=token.expires_at)
            if record is None
            else Session.load(token.session_id, record)
        )
        return replace(
            session,
            ends=max(session.ends, token.expires_at),
            tokens=tuple(dict.fromkeys((*session.tokens, token.id))),
        )

    def _check_live(self, claims: Claims) -> None:
        try:
            answer = self.store.read(*self.strategy.question(claims))
        except Outage as outage:
            self._on_outage(claims, outage)
            return
        verdict = self.strategy.verdict(claims, answer)
        if verdict.live or (verdict.lost_data and self.config.on_lost_data == "allow"):
            return
        log.debug("refused %s: %s", claims.id, verdict.because)
        raise RevokedToken()

    def _on_outage(self, claims: Claims, outage: Outage) -> None:
        """The one place that decides what an outage means for a check."""
        answer = self.config.on_outage
        self._send(signals.outage, self.clock(), answer, claims)
        if answer == "deny":
            raise outage
        log.warning("Redis cannot be asked; token %s was accepted unchecked", claims.id)

    def _presented(self, token: str | Claims | Mapping[str, Any], now: float) -> Claims:
        if isinstance(token, Claims):
            return token
        if isinstance(token, str):
            return self.tokens.verify(token, now, allow_expired=True)
        return self._vouched(token)

    def _vouched(self, claims: Mapping[str, Any]) -> Claims:
        try:
            return self.tokens.claims_of(claims)
        except TokenRefused as refused:
            raise ValueError(refused.description) from None

    def _refused(self, refused: TokenRefused) -> None:
        event = Event(at=self.clock(), reason=refused.reason)
        signals.token_refused.send(self._sender, event=event)

    def _send(
        self, signal: signals.Signal, at: float, reason: str, token: Claims, count: int = 1
    ) -> None:
        event = Event(
            at=at,
            reason=reason,
            subject=token.subject,
            token_id=token.id,
            session_id=token.session_id,
            token_type=token.type,
            count=count,
        )
        signal.send(self._sender, event=event)


def _mark(reason: str, now: float) -> str:
    """The value of an entry, for people who look with redis-cli."""
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        raise ValueError("reason must be 1 to 64 letters, digits or any of _ . -")
    return f"{reason}@{int(now)}"


def _connector(config: Config, client: Client | None) -> Callable[[], Client]:
    if client is not None:
        check_client(client)
        return lambda: client
    url = config.redis_url
    if url is None:
        raise ConfigurationError(
            "No Redis: set JWT_REVOKE_REDIS_URL (memory:// for one process without a server)"
            " or hand in a client with redis=."
        )
    check_url(url)
    return lambda: connect(url, config.timeout)
