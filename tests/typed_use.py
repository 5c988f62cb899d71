"""What a type checker makes of an author's code; checked by ``make lint``, never run."""

from __future__ import annotations

from typing_extensions import assert_type

from flask_jwt_revoke import Claims, JWTRevoke, Session, TokenPair, current_token

revoke = JWTRevoke()


@revoke.required
def bare() -> str:
    return current_token.subject


@revoke.required(fresh=True, allow_expired=True)
def with_options(number: int) -> int:
    return number


@revoke.optional
@revoke.exempt
async def asynchronous() -> bytes:
    return b""


assert_type(bare(), str)
assert_type(with_options(1), int)
assert_type(revoke.check(""), Claims)
assert_type(revoke.issue("alice"), TokenPair)
assert_type(revoke.sessions("alice"), list[Session])
assert_type(revoke.logout_everywhere("alice"), int)
assert_type(revoke.logout_everywhere("alice", keep="S1"), TokenPair)
