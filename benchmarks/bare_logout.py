"""The least that logging out everywhere can cost in redis-py: one pipeline, nothing around it."""

from __future__ import annotations

import math

import redis

from flask_jwt_revoke.store.versions import raised


def log_out_everywhere(client: redis.Redis, subject: str, now: float) -> None:
    """What the package writes for ``subject`` under blacklist, as somebody would by hand."""
    prefix = f"jwtrevoke:{{{subject}}}:"
    tokens = client.zrange(f"{prefix}tokens", 0, -1, withscores=True)
    mark = f"logout_everywhere@{int(now)}"
    with client.pipeline(transaction=True) as pipe:
        pipe.set(f"{prefix}version", raised(), keepttl=True)
        for jti, exp in tokens:
            ttl = math.ceil((exp - now) * 1000)
            pipe.set(f"{prefix}revoked:{jti.decode()}", mark, px=ttl)
        # Not DEL, which would lose what a sign-in has indexed meanwhile.
        pipe.zrem(f"{prefix}tokens", *(jti for jti, _ in tokens))
        pipe.unlink(f"{prefix}sessions")
        pipe.execute()
