"""What a process does once it has noticed that Redis lost its data."""

from __future__ import annotations

import logging
from collections.abc import Callable

from . import signals
from .config import Config
from .remembered import Remembered
from .store import Store

log = logging.getLogger("flask_jwt_revoke")


class Loss:
    """``clock`` answers the Unix time in seconds; ``remembered``: None without a near cache.

    ``noticed`` is called first, and again where writing back has to be tried again.
    """

    def __init__(
        self,
        config: Config,
        clock: Callable[[], float],
        tell: signals.Teller,
        remembered: Remembered | None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._tell = tell
        self.remembered = remembered
        self.noticed: Callable[[], object] = bool

    def __call__(self, store: Store) -> None:
        """:raises Outage: it could not be written back, and is to be tried again."""
        self.noticed()
        now, answer = self._clock(), self._config.on_lost_data
        count = 0 if self.remembered is None else self.remembered.write_back(store, now)
        log.error(
            "Redis has lost data: ON_LOST_DATA is %s, %d revocations were written back",
            answer, count,
        )  # fmt: skip
        self._tell.of(signals.data_lost, at=now, reason=answer, count=count)
