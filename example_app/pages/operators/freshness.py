"""What changes somebody else's sessions takes a token from a sign-in, not from a renewal."""

from __future__ import annotations

from flask_jwt_revoke import NotFresh, current_token


def ask_for_fresh() -> None:
    """:raises NotFresh: nothing has been changed."""
    if not current_token.fresh:
        raise NotFresh()
