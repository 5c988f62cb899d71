"""Blinker signals. The sender is the Flask app; each carries one keyword, ``event``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blinker import NamedSignal, Namespace

from .models import Claims, Event, Session

_namespace = Namespace()

#: A pair was issued, or an outside token was recorded.
token_issued = _namespace.signal("token-issued")
#: A presented token was refused; ``event.reason`` is the word of the error answer.
token_refused = _namespace.signal("token-refused")
#: One token was revoked; ``event.reason`` is what the caller gave.
token_revoked = _namespace.signal("token-revoked")
#: One session was ended, with all its tokens.
logged_out = _namespace.signal("logged-out")
#: A refresh token was exchanged for a new pair; ``event.generation`` counts the exchanges.
token_rotated = _namespace.signal("token-rotated")
#: A refresh token was used a second time, which ended its session: somebody else has it.
reuse_detected = _namespace.signal("reuse-detected")
#: All sessions of a subject were ended; ``event.count`` is the number of live tokens.
logged_out_everywhere = _namespace.signal("logged-out-everywhere")
#: A subject was blocked.
subject_blocked = _namespace.signal("subject-blocked")
#: A subject that was blocked may sign in again.
subject_unblocked = _namespace.signal("subject-unblocked")
#: Redis could not be asked; ``event.reason`` is what a check answered, allow or deny, or "write".
#: With "issuer", the keys of an outside issuer could not be fetched.
outage = _namespace.signal("outage")
#: Redis has lost data, which each process notices by itself; ``event.reason`` is ``ON_LOST_DATA``,
#: ``event.count`` how many revocations this process has written back.
data_lost = _namespace.signal("data-lost")


class Teller:
    """Sends signals in the name of an app."""

    def __init__(self, sender: object) -> None:
        self._sender = sender

    def of_token(
        self, signal: NamedSignal, at: float, reason: str, token: Claims, **more: Any
    ) -> None:
        self.of(
            signal,
            at=at,
            reason=reason,
            subject=token.subject,
            token_id=token.id,
            session_id=token.session_id,
            token_type=token.type,
            **more,
        )

    def of_sessions(
        self,
        at: float,
        reason: str,
        subject: str,
        sessions: Iterable[Session],
        *,
        actor: str | None = None,
    ) -> None:
        for one in sessions:
            about = {"subject": subject, "session_id": one.id, "device": one.device}
            self.of(logged_out, at=at, reason=reason, actor=actor, **about)

    def of(self, signal: NamedSignal, **about: Any) -> None:
        signal.send(self._sender, event=Event(**about))
