"""One connection of redis-py's, spoken on directly: its own layers cost as much as the answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import hiredis
import redis

from .names import addresses_of, start
from .sockets import is_late, limit

_AT_ONCE = 65_536
# Of the time-out: the socket's own limit may be that much too long, and costs nothing.
_TOLERANCE = 0.1


class Wire:
    """Connected and signed in by redis-py, until the moment ``until`` (``time.monotonic``).

    ``timeout`` (seconds) is what an answer may take afterwards.

    :raises redis.RedisError: it does not come about.
    :raises OSError: nor so.
    """

    __slots__ = ("_reader", "_timeout", "connection")

    def __init__(self, pool: redis.ConnectionPool, timeout: float, until: float) -> None:
        left = _left(until)
        limits = {"socket_timeout": left, "socket_connect_timeout": left}
        self._timeout = timeout
        self._reader = hiredis.Reader(
            protocolError=redis.InvalidResponse, replyError=redis.ResponseError
        )
        self.connection = pool.connection_class(**{**pool.connection_kwargs, **limits})
        try:
            if isinstance(self.connection, redis.SSLConnection):
                self._connect_safely(left, until)
            else:
                self._connect(until)
            limit(self.connection._sock, timeout)
        except BaseException as error:
            self.close()
            if isinstance(error, redis.ConnectionError) and time.monotonic() >= until:
                raise redis.TimeoutError("the server did not let us in in time") from error
            raise

    def _connect(self, until: float) -> None:
        # Signing in takes several reads, each of which would get its own time-out.
        connection = self.connection
        connection._connect = lambda: _Hurried(_reached(connection, until), until)
        try:
            connection.connect()
        finally:
            del connection._connect
        connection._sock = connection._parser._sock = connection._sock.plain

    def _connect_safely(self, seconds: float, until: float) -> None:
        # So does TLS, which reads from the socket itself.
        connection = self.connection
        connection._connect = lambda: _wrapped(connection, until)
        timer = threading.Timer(seconds, _cut, (connection,))
        timer.daemon = True
        try:
            start(timer)
            connection.connect()
        finally:
            timer.cancel()
            del connection._connect

    def close(self) -> None:
        self.connection.disconnect()

    def __del__(self) -> None:
        # It is in nobody's list while it is in use, and its user may be interrupted.
        with suppress(AttributeError):
            self.close()

    @property
    def is_open(self) -> bool:
        return self.connection._sock is not None

    @property
    def has_more(self) -> bool:
        """Whether more has come than was read."""
        return self._reader.has_data()

    def is_quiet(self) -> bool:
        """Whether it is there and nothing has come on it, such as its end."""
        if not self.is_open:
            return False
        try:
            return not self.connection.can_read(timeout=0)
        except (redis.RedisError, OSError):
            return False

    def ask(self, packed: bytes, count: int, until: float) -> list[Any]:
        """Send commands, then read a reply to each; an error reply stands in its place.

        :raises redis.RedisError: the connection cannot be used any more.
        :raises OSError: neither can it.
        """
        if _left(until) < self._timeout * (1 - _TOLERANCE):
            # Connecting has taken the rest.
            self.send(packed, until)
            return [self.receive(until) for _ in range(count)]
        sock, reader = self.connection._sock, self._reader
        sock.sendall(packed)
        reader.feed(sock.recv(_AT_ONCE) or _gone())
        answer = reader.gets()
        if count == 1 and answer is not False:
            return [answer]
        return self._rest(answer, count, until)

    def send(self, packed: bytes, until: float) -> None:
        rest = memoryview(packed)
        while rest:
            with self._limited(until) as sock:
                rest = rest[sock.send(rest) :]

    def receive(self, until: float) -> Any:
        """One reply; an error reply stands in its place."""
        while (answer := self._reader.gets()) is False:
            self._receive(until)
        return answer

    def _rest(self, answer: Any, count: int, until: float) -> list[Any]:
        """A server that answers in drops does not get its time-out for each of them."""
        answers: list[Any] = []
        while True:
            if answer is False:
                self._receive(until)
            else:
                answers.append(answer)
            if len(answers) == count:
                return answers
            answer = self._reader.gets()

    def _receive(self, until: float) -> None:
        with self._limited(until) as sock:
            self._reader.feed(sock.recv(_AT_ONCE) or _gone())

    @contextmanager
    def _limited(self, until: float) -> Iterator[Any]:
        """The socket, which waits no longer than its time-out, nor than there is time left."""
        sock, left = self.connection._sock or _gone(), _left(until)
        if left >= self._timeout:
            yield sock
            return
        limit(sock, left)
        yield sock
        limit(sock, self._timeout)


class _Hurried:
    """A socket on which each step may take the time that is left ``until`` then."""

    def __init__(self, plain: Any, until: float) -> None:
        self.plain, self._until = plain, until

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def sendall(self, *args: Any) -> None:
        self._in_time().sendall(*args)

    def recv(self, *args: Any) -> Any:
        return self._in_time().recv(*args)

    def recv_into(self, *args: Any) -> Any:
        return self._in_time().recv_into(*args)

    def _in_time(self) -> Any:
        self.plain.settimeout(_left(self._until))
        return self.plain


class Lent:
    """A wire as redis-py's pipelines know a connection: all that is done on it ends by ``until``.

    redis-py would give each read its own time-out.
    """

    def __init__(self, wire: Wire, until: float) -> None:
        self._wire, self._until = wire, until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire.connection, name)

    def send_command(self, *args: Any, **_: Any) -> None:
        self.send_packed_command(self._wire.connection.pack_command(*args))

    def send_packed_command(self, packed: Any, **_: Any) -> None:
        whole = packed if isinstance(packed, bytes) else b"".join(packed)
        try:
            self._wire.send(whole, self._until)
        except OSError as error:
            raise failure(error) from error

    def read_response(self, **_: Any) -> Any:
        try:
            answer = self._wire.receive(self._until)
        except OSError as error:
            raise failure(error) from error
        if isinstance(answer, redis.ResponseError):
            raise self._wire.connection._parser.parse_error(str(answer))
        return answer


def _reached(connection: Any, until: float) -> Any:
    """A socket to the first address that takes it. redis-py would wait as long as the system's
    resolver does, and then anew for each address.
    """
    if not isinstance(connection, redis.Connection):
        return type(connection)._connect(connection)
    host = connection.host
    failed: Exception = OSError("the host has no address")
    for address in addresses_of(host, connection.port, until):
        connection.host, connection.socket_connect_timeout = address, _left(until)
        try:
            return redis.Connection._connect(connection)
        except OSError as error:
            failed = error
        finally:
            connection.host = host
    raise failed


def _wrapped(connection: Any, until: float) -> Any:
    plain = _reached(connection, until)
    try:
        # The handshake is one step, which may take what reaching the server has left.
        plain.settimeout(_left(until))
        return connection._wrap_socket_with_ssl(plain)
    except BaseException:
        plain.close()
        raise


def failure(error: OSError) -> redis.RedisError:
    """What redis-py would raise."""
    if is_late(error):
        return redis.TimeoutError("the server did not answer in time")
    return redis.ConnectionError(str(error))


def _cut(connection: Any) -> None:
    with suppress(OSError, AttributeError):
        connection._sock.shutdown(socket.SHUT_RDWR)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise redis.TimeoutError("the answer did not come in time")
    return left


def _gone() -> Any:
    raise redis.ConnectionError("the server closed the connection")
