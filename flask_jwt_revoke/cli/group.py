"""The group ``flask jwt``: its options, its exit codes, errors on one line."""

from __future__ import annotations

import errno
import getpass
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from flask.cli import AppGroup

from ..authority import Authority
from ..errors import (
    BrokenData,
    ConfigurationError,
    IssuerOutage,
    JWTRevokeError,
    NotReplicated,
    Outage,
)
from ..request import authority
from ..sessions import check_text
from ..store import mark
from .words import neutral, without_tokens

F = TypeVar("F", bound=Callable[..., Any])

REFUSED = 1  # refused, or not found
USAGE = 2
OUTAGE = 3  # or an answer that cannot be written

_SILENT = logging.NullHandler()


class Failure(click.ClickException):
    """One line on standard error, in which no token stands."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(neutral(without_tokens(" ".join(message.split()))))
        self.exit_code = exit_code  # type: ignore[misc] # click does so itself


class Command(click.Command):
    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            raise Failure(error.format_message(), USAGE) from None

    def invoke(self, ctx: click.Context) -> Any:
        # What the log has to say of a failure is in the failure's line.
        logging.getLogger("flask_jwt_revoke").addHandler(_SILENT)
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise Failure(error.format_message(), USAGE) from None
        except (NotReplicated, BrokenData) as error:
            raise Failure(f"{error.reason}: {error.description}", OUTAGE) from None
        except Outage as outage:
            raise Failure(_outage(outage), OUTAGE) from None
        except JWTRevokeError as error:
            raise Failure(f"{error.reason}: {error.description}", REFUSED) from None
        except (ConfigurationError, ValueError) as error:
            raise Failure(str(error), USAGE) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever reads has seen enough
                raise
            raise Failure(f"what was found or done cannot be written: {error}", OUTAGE) from None


class Group(AppGroup):
    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise Failure(error.format_message(), USAGE) from None


@click.group(cls=Group)
def jwt() -> None:
    """Look into the revocation of tokens, explain it, and act.

    Exit codes: 0; 1, refused, not found or a FAIL; 2, wrong usage; 3, Redis cannot be asked,
    or its replicas do not have what was revoked.
    """


def door() -> Authority:
    """:raises Failure: the app has no JWTRevoke."""
    try:
        found = authority()
    except RuntimeError as error:
        raise Failure(str(error), USAGE) from None
    if found.config.redis_url == "memory://":
        click.echo("Note: memory:// is in each process; the one that serves is not seen.", err=True)
    return found


def _actor(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    with _as_bad_parameter():
        return check_text("actor", value or _user())


def _reason(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    with _as_bad_parameter():
        mark(value, 0)
    return value


@contextmanager
def _as_bad_parameter() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container may know no names
        return "unknown"


def _outage(outage: Outage) -> str:
    if isinstance(outage, IssuerOutage):
        return outage.description
    cause = outage.__cause__
    detail = f"{type(cause).__name__.lstrip('_')}: {cause}" if cause else outage.description
    return f"Redis cannot be asked: {detail}"


as_json = click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
actor = click.option(
    "--actor", callback=_actor, help="Who does it; the operating system's user by default."
)

reason = click.option(
    "--reason",
    callback=_reason,
    default="operator",
    show_default=True,
    help="A word that stays in Redis for as long as it refuses a token.",
)
