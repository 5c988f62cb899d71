"""``flask jwt watch``: revocations as they happen."""

from __future__ import annotations

import contextlib

import click

from ..store import Announcement
from ..store.announcements import announcements
from .group import as_json, door, jwt
from .output import fields, say, say_json
from .words import moment


@jwt.command()
@as_json
def watch(as_json: bool) -> None:
    """Print each revocation as it happens, one line each, until Ctrl-C."""
    authority = door()
    channel = authority.keys.feed

    def ready() -> None:
        click.echo(f"Listening on {channel}; Ctrl-C ends it.", err=True)

    with contextlib.suppress(KeyboardInterrupt):
        for one in announcements(authority.store, channel, ready):
            if as_json:
                say_json(fields(one, "subject", "reason", "at", "ids", "until"))
            else:
                say(_line(one))


def _line(one: Announcement) -> str:
    ended = " ".join(one.ids) or ("nothing any more" if one.until == 0 else "everything")
    return f"{moment(one.at)}  {one.subject}  {one.reason}  {ended}"
