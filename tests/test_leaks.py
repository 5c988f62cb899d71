"""The search that each test ends with finds what it looks for."""

from __future__ import annotations

import pytest

from .attacks.forge import claims, signed
from .leaks import SECRET, shown_in
from .servers import Server


@pytest.mark.parametrize("secret", [signed(claims()), SECRET])
@pytest.mark.parametrize(
    "command",
    [
        ("SET", "key", "it is {}."), ("SET", "{}", "1"), ("HSET", "key", "field", "{}"),
        ("HSET", "key", "{}", "1"), ("ZADD", "key", 1, "{}"), ("SADD", "key", "{}"),
        ("RPUSH", "key", "1", "{}"), ("XADD", "key", "*", "name", "{}"),
    ],
)  # fmt: skip
def test_in_whatever_key(server: Server, command: tuple[object, ...], secret: str) -> None:
    with server.client() as client:
        client.execute_command(*(str(word).format(secret) for word in command))
        assert len(server.leaks()) == 1
        client.flushall()
    assert server.leaks() == []


def test_in_a_text() -> None:
    token = signed(claims())
    assert shown_in(f"a line\nof the log with {token}, and {SECRET}") == [token, SECRET]
    assert shown_in("eyJ.a.b, a jti W8exQdo_XdYEePhb-U5Q7A and https://issuer.example/x.y.z") == []
