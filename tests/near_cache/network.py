"""The wire between the workers and Redis, which breaks as networks break."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.redis_page import APP
from tests.servers import Server

Queue = asyncio.Queue[tuple[float, bytes]]  # when it arrives, by the loop's clock

UP, DOWN = "to the server", "to the worker"


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What happens to the listeners' wires, or to ``everything``.

    What the server says comes ``delay`` seconds later, and one in twenty of its answers on
    the other wires comes ``late`` by so many seconds.
    """

    loses: tuple[str, ...] = ()
    holds: bool = False
    delay: float = 0
    late: float = 0
    refuses: bool = False
    everything: bool = False


@dataclass(eq=False)
class Wire:
    ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    listens: bool = False
    lost: set[str] = field(default_factory=set)

    def cut(self) -> None:
        for end in self.ends:
            end.transport.abort()


class Network:
    """A proxy on a unix socket. ``asked`` counts MGETs, ``subscribed`` SUBSCRIBEs.

    Once bytes of a wire were lost, none follow them: TCP never shows a hole in a stream.
    """

    def __init__(self, server: Server) -> None:
        self.damage = Damage()
        self.asked = self.subscribed = 0
        self._server = server
        self._folder = Path(tempfile.mkdtemp(prefix="fjr-"))
        self.url = APP.at(f"unix://{self._folder / 's'}")
        self._wires: set[Wire] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener = self._run(asyncio.start_unix_server(self._carry, self._folder / "s"))

    @contextlib.contextmanager
    def damaged(self, damage: Damage) -> Iterator[None]:
        self.damage = damage
        try:
            yield
        finally:
            self.damage = Damage()

    def cut(self, *, everything: bool = False) -> None:
        async def cut() -> None:
            for wire in list(self._wires):
                if wire.listens or everything:
                    wire.cut()

        self._run(cut())

    def close(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _end(self) -> None:
        self._listener.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for wire in self._wires:
            wire.cut()
        await asyncio.sleep(0)

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_unix_connection(self._server.socket)
        except OSError:
            writer.close()
            return
        wire = Wire((writer, server))
        self._wires.add(wire)
        pumps = [
            asyncio.ensure_future(self._pump(wire, UP, reader, server)),
            asyncio.ensure_future(self._pump(wire, DOWN, answers, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in wire.ends:
                end.close()
            self._wires.discard(wire)

    async def _pump(
        self, wire: Wire, to: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        under_way: Queue = asyncio.Queue()
        delivery = asyncio.ensure_future(self._deliver(wire, to, under_way, writer))
        try:
            while True:
                await self._held(wire)
                data = await reader.read(1 << 16)
                if to == UP:
                    self._look(wire, data)
                under_way.put_nowait((self._loop.time() + self._delay(wire, to), data))
                if not data:
                    await delivery
                    return
        finally:
            delivery.cancel()

    async def _deliver(
        self, wire: Wire, to: str, under_way: Queue, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await under_way.get()
            if due > self._loop.time():
                await asyncio.sleep(due - self._loop.time())
            await self._held(wire)
            if not data:
                return
            damage = self._damage_of(wire)
            if damage.refuses:
                wire.cut()
            if to in damage.loses:
                wire.lost.add(to)
            if to not in wire.lost:
                writer.write(data)
                await writer.drain()

    def _look(self, wire: Wire, data: bytes) -> None:
        self.asked += data.count(b"\r\nMGET\r\n")
        if b"SUBSCRIBE" in data and not wire.listens:
            wire.listens = True
            self.subscribed += 1

    def _delay(self, wire: Wire, to: str) -> float:
        if to == UP:
            return 0
        if wire.listens or self.damage.everything:
            return self.damage.delay
        return self.damage.late if random.random() < 0.05 else 0

    async def _held(self, wire: Wire) -> None:
        while self._damage_of(wire).holds:
            await asyncio.sleep(0.002)

    def _damage_of(self, wire: Wire) -> Damage:
        harmed = wire.listens or self.damage.everything
        return self.damage if harmed else Damage()
