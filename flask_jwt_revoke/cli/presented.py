"""A token for a command: as its argument, in a file, on standard input, or asked for unseen."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import IO, Any, TypeVar

import click

from .group import USAGE, Failure

F = TypeVar("F", bound=Callable[..., Any])

_MOST = 1 << 16  # bytes; no token is longer

_file = click.option(
    "--file",
    type=click.File("rb"),
    help="Read the token from a file, which keeps it out of the shell's history.",
)


def presented(command: F) -> F:
    """Give a command the parameters ``token`` and ``file``, for ``read``."""
    return click.argument("token", required=False)(_file(command))


def read(token: str | None, file: IO[bytes] | None) -> str:
    """:raises Failure: there is more than one."""
    if token is not None and file is not None:
        raise Failure("Give TOKEN or --file, not both.", USAGE)
    if token not in (None, "-"):
        return str(token)
    if file is None and sys.stdin.isatty():
        return str(click.prompt("Token", hide_input=True, err=True)).strip()
    return (file or sys.stdin.buffer).read(_MOST).decode(errors="replace").strip()
