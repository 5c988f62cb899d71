"""Greenlets take turns where one waits, and a check that is answered at once never does."""

from __future__ import annotations

import sys
from typing import Any


def give_way() -> None:
    """Let each greenlet that is ready have its turn, where gevent runs this thread.

    A worker goes on with a connection for as long as its next request is there already: one busy
    client would keep all others waiting.
    """
    gevent: Any = sys.modules.get("gevent")
    if gevent is None:
        return
    hub = sys.modules["gevent._hub_local"].get_hub_if_exists()
    # A native thread has none, and its own greenlet is where nobody can wait.
    if hub is not None and hub is not gevent.getcurrent():
        # Sleeping for no time goes round among those that sleep, and looks at no socket meanwhile.
        gevent.idle(hub.loop.MAXPRI)
