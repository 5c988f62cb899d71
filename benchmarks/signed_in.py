"""A subject that is signed in, on some devices or on very many."""

from __future__ import annotations

from flask_jwt_revoke import Authority, Config, TokenPair

SECRET_KEY = b"a key of thirty-two bytes or more"
SUBJECT = "u0000000"
#: As many characters as a jti of the package has, which is 128 bits in base64url.
JTI = "0123456789abcdefghijkl"
TIMEOUT = 10  # seconds: a machine that is busy is slow, and no outage
DEVICE = {"device": "Pixel 8", "address": "203.0.113.0/24", "agent": "Firefox on Android"}


class Clock:
    """Stands still, so that two log-outs write the same and no record is longer by chance.

    Redis is only ever told how long from now, so it may be another day there.
    """

    def __init__(self) -> None:
        self.now = 1_795_240_800.123

    def __call__(self) -> float:
        return self.now


def authority(url: str, strategy: str = "blacklist", clock: Clock | None = None) -> Authority:
    config = Config(secret_key=SECRET_KEY, redis_url=url, strategy=strategy, timeout=TIMEOUT)
    return Authority(config, clock=clock or Clock())


def sign_in(authority: Authority, sessions: int) -> list[TokenPair]:
    return [authority.issue(SUBJECT, **DEVICE) for _ in range(sessions)]
