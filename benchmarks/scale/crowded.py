"""A check among others: a server that finds many requests at once works less for each."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing

import redis

from benchmarks.signed_in import authority, sign_in
from flask_jwt_revoke.strategies import shared_question
from tests.servers import Server, free_ports

from .counters import Growth

CONNECTIONS = 32
ROUNDS = 4
BATCHES = 60


def crowded_check(binary: str) -> float:
    """Microseconds of the server's main thread for one check of :data:`CONNECTIONS` at once."""
    (port,) = free_ports(1)
    with closing(Server(binary, "--save", "", port=port)) as server, ExitStack() as stack:
        request = packed_check(server)
        client = stack.enter_context(server.client())
        sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for _ in range(CONNECTIONS)
        ]

        def ask() -> None:
            for _ in range(BATCHES):
                for one in sockets:
                    one.sendall(request)
                for one in sockets:
                    one.recv(1 << 16)

        growth = Growth(client)
        least = min(growth.during(ask).cpu for _ in range(ROUNDS))
        return least / (BATCHES * CONNECTIONS)


def packed_check(server: Server) -> bytes:
    with closing(authority(server.url)) as ours:
        (pair,) = sign_in(ours, 1)
        question = shared_question(ours.keys, ours.check(pair.access))
    return b"".join(redis.Connection(protocol=2).pack_command(*question))
