"""A small HTTP load generator: raw sockets in one epoll loop. Prints one line of JSON.

Run as ``python -m benchmarks.load PORT CONNECTIONS SECONDS`` with a request's bytes on stdin.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time

from .view import BODY

WARM_UP = 0.2  # seconds
MOST = 200_000  # requests
PATIENCE = 5  # seconds for one answer


class Connection:
    """Sends the same request again and again; connects anew where the server has closed."""

    def __init__(self, port: int, request: bytes, selector: selectors.BaseSelector) -> None:
        self._port = port
        self._request = request
        self._selector = selector
        self._socket: socket.socket | None = None
        self._received = b""

    def send(self) -> None:
        self._started = time.perf_counter()
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._socket.sendall(self._request)

    def receive(self) -> float | None:
        """Seconds since the request was sent, once its answer is there in full."""
        assert self._socket is not None
        piece = self._socket.recv(65536)
        self._received += piece
        if not self._received.endswith(BODY):
            if not piece or len(self._received) > 65536:
                raise SystemExit(f"not the answer of the view: {self._received[:500]!r}")
            return None
        took = time.perf_counter() - self._started
        self._finish()
        return took

    def close(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _finish(self) -> None:
        head, _, body = self._received.partition(b"\r\n\r\n")
        self._received = b""
        if not head.startswith(b"HTTP/1.1 200 ") or body != BODY:
            raise SystemExit(f"not the answer of the view: {head[:500]!r}")
        if b"\r\nconnection: close" in head.lower():
            self.close()


def loaded(port: int, connections: int, seconds: float, request: bytes) -> dict[str, object]:
    selector = selectors.DefaultSelector()
    open_ones = [Connection(port, request, selector) for _ in range(connections)]
    for one in open_ones:
        one.send()
    run(selector, WARM_UP)
    busy = time.process_time()
    started = time.perf_counter()
    latencies = sorted(run(selector, seconds))
    took = time.perf_counter() - started
    busy = time.process_time() - busy
    for one in open_ones:
        one.close()
    return {
        "requests": len(latencies),
        "seconds": took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
        "busy": busy / took,
    }


def run(selector: selectors.BaseSelector, seconds: float) -> list[float]:
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    while not latencies or (time.perf_counter() < until and len(latencies) < MOST):
        ready = selector.select(PATIENCE)
        if not ready:
            raise SystemExit(f"no answer in {PATIENCE} s")
        for event, _ in ready:
            took = event.data.receive()
            if took is not None:
                latencies.append(took)
                event.data.send()
    return latencies


if __name__ == "__main__":
    arguments = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(loaded(*arguments, sys.stdin.buffer.read())))
