"""Another process, as another worker of an app would be."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

from .cores import Cores

PATIENCE = 30  # seconds for one answer


class Beside:
    """Runs ``work(pipe, *arguments)`` in a fresh interpreter, on another core."""

    def __init__(self, cores: Cores, work: Callable[..., None], *arguments: Any) -> None:
        # Nothing is inherited: neither sockets nor threads.
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
        with cores.on_another():
            self._process.start()
        theirs.close()

    def tell(self, message: object) -> None:
        self._pipe.send(message)

    def hear(self) -> Any:
        """:raises RuntimeError: it says nothing."""
        if not self._pipe.poll(PATIENCE):
            raise RuntimeError("the other process says nothing")
        return self._pipe.recv()

    def has_spoken(self) -> bool:
        return self._pipe.poll()

    def ask(self, message: object) -> Any:
        self.tell(message)
        return self.hear()

    def close(self) -> None:
        self._process.terminate()
        self._process.join()
        self._pipe.close()
