"""Greenlets take turns where one waits, and a check that is answered at once never does."""

from __future__ import annotations

import sys


def give_way() -> None:
    """Let each greenlet that is ready have its turn, where gevent has patched this process.

    A worker goes on with a connection for as long as its next request is there already: one busy
    client would keep all others waiting.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("time"):
        gevent = sys.modules["gevent"]
        # Sleeping for no time goes round among those that sleep, and looks at no socket meanwhile.
        gevent.idle(gevent.get_hub().loop.MAXPRI)
