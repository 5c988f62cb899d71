"""How long a socket waits, with no more system calls than the waiting itself."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any


def limit(sock: Any, seconds: float) -> None:
    """Let each send and receive wait so long; see ``is_late``.

    A time-out of Python's costs a poll before each call, and the interpreter is given up
    twice: the kernel's own costs nothing. Neither TLS nor gevent's sockets know the latter.
    """
    if type(sock).__module__ != "socket" or sys.platform == "win32":
        sock.settimeout(seconds)
        return
    # Zero would mean for ever.
    microseconds = max(1, int(seconds * 1e6))
    option = struct.pack("ll", *divmod(microseconds, 1_000_000))
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, option)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, option)


def is_late(error: BaseException) -> bool:
    """Whether a call on a limited socket failed for having waited too long."""
    return isinstance(error, TimeoutError | BlockingIOError)
