"""A TCP wire between clients and a server, which can be broken in each direction."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import time

from ..servers import Server

#: What may happen to what a server says.
REPLIES = ("truncated", "garbage", "dripping")


class Wire:
    """Carries bytes, until it is told otherwise.

    ``latency`` (seconds) delays each piece. ``replies`` is one of ``REPLIES``, for one piece
    in ``one_in``. While ``requests_held`` or ``replies_held``, that direction is silent; what
    was held is delivered afterwards, as TCP would.
    """

    def __init__(self, server: Server, rng: random.Random) -> None:
        self.heal()
        self._server, self._rng = server, rng
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def heal(self) -> None:
        self.latency = 0.0
        self.replies: str | None = None
        self.one_in = 1
        self.requests_held = self.replies_held = False

    def reset(self) -> None:
        """Answer every client with RST."""
        for client, _ in self._carried():
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.shutdown(socket.SHUT_RD)

    def half_open(self) -> None:
        """The server's ends are gone, and the clients are not told."""
        for _, server in self._carried():
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        # Closing does not wake a thread that is in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self.heal()
        self.reset()
        for thread in list(self._threads):
            thread.join()

    def _carried(self) -> list[tuple[socket.socket, socket.socket]]:
        with self._lock:
            return list(self._pairs)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._carry, args=(client,), daemon=True)
            self._threads = {one for one in self._threads if one.is_alive()} | {thread}
            thread.start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, contextlib.suppress(OSError):
            server.connect(str(self._server.socket))
            with self._lock:
                self._pairs.add((client, server))
            try:
                self._carry_on(client, server)
            finally:
                with self._lock:
                    self._pairs.discard((client, server))

    def _carry_on(self, client: socket.socket, server: socket.socket) -> None:
        """:raises OSError: an end is gone."""
        held: dict[socket.socket, bytes] = {client: b"", server: b""}
        closed = False
        while True:
            self._deliver(held, client, server)
            if closed and not held[client]:
                return
            open_ends = [end for end in (client, server) if not (closed and end is client)]
            for end in select.select(open_ends, [], [], 0.01)[0]:
                data = end.recv(1 << 16)
                if not data and end is server:
                    self._stay_half_open(client)
                    return
                closed = closed or not data
                held[end] += data

    def _deliver(
        self, held: dict[socket.socket, bytes], client: socket.socket, server: socket.socket
    ) -> None:
        if held[client] and not self.requests_held:
            time.sleep(self.latency)
            server.sendall(held[client])
            held[client] = b""
        if held[server] and not self.replies_held:
            time.sleep(self.latency)
            self._answer(client, held[server])
            held[server] = b""

    def _answer(self, client: socket.socket, data: bytes) -> None:
        """:raises OSError: the connection ends here."""
        kind = self.replies if self._rng.randrange(self.one_in) == 0 else None
        if kind == "garbage":
            client.sendall(self._rng.randbytes(self._rng.randint(1, 200)))
        elif kind == "truncated":
            client.sendall(data[: self._rng.randrange(len(data))])
            raise OSError("cut")
        elif kind == "dripping":
            for byte in data:
                time.sleep(0.05)
                client.sendall(bytes([byte]))
        else:
            client.sendall(data)

    @staticmethod
    def _stay_half_open(client: socket.socket) -> None:
        """Take what the client says and never answer, until it gives up."""
        client.settimeout(30)
        while client.recv(1 << 16):
            pass
