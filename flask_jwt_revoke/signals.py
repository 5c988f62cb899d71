"""Blinker signals. The sender is the Flask app; each carries one keyword, ``event``."""

from __future__ import annotations

from blinker import Namespace, Signal

__all__ = ["Signal"]

_namespace = Namespace()

#: A pair was issued, or an outside token was recorded.
token_issued = _namespace.signal("token-issued")
#: A presented token was refused; ``event.reason`` is the word of the error answer.
token_refused = _namespace.signal("token-refused")
#: One token was revoked; ``event.reason`` is what the caller gave.
token_revoked = _namespace.signal("token-revoked")
#: One session was ended, with all its tokens.
logged_out = _namespace.signal("logged-out")
#: All sessions of a subject were ended; ``event.count`` is the number of live tokens.
logged_out_everywhere = _namespace.signal("logged-out-everywhere")
#: Redis could not be asked; ``event.reason`` is the configured answer, allow or deny.
outage = _namespace.signal("outage")
