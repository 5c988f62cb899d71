"""What a process does once it has noticed that Redis lost its data."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread

from . import signals
from .config import Config
from .errors import Outage
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

    def __call__(self, store: Store, again: Callable[[], None]) -> None:
        """``again`` is called if what is remembered could not be written back."""
        self.noticed()
        if not self.remembered:
            self._tell_of(0)
            return
        # In a thread of its own: it may take longer than the request has that noticed.
        work = (self.remembered, store, again)
        writing = Thread(
            target=self._write_back, args=work, name="flask_jwt_revoke loss", daemon=True
        )
        try:
            writing.start()
        except RuntimeError as error:  # the system has no thread left
            log.debug("nothing is written back: %s", error)
            again()

    def _write_back(self, remembered: Remembered, store: Store, again: Callable[[], None]) -> None:
        try:
            count = remembered.write_back(store, self._clock())
        except BaseException as error:
            again()
            if not isinstance(error, Outage):
                raise
        else:
            self._tell_of(count)

    def _tell_of(self, count: int) -> None:
        now, answer = self._clock(), self._config.on_lost_data
        log.error(
            "Redis has lost data: ON_LOST_DATA is %s, %d revocations were written back",
            answer, count,
        )  # fmt: skip
        self._tell.of(signals.data_lost, at=now, reason=answer, count=count)
