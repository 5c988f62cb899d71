"""``flask jwt purge`` and ``repair``: leftovers, and an index that disagrees with its sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .. import survey
from ..authority import Authority
from ..errors import BrokenData
from ..upkeep import Findings
from .group import OUTAGE, Failure, actor, as_json, door, dry_run, jwt
from .output import progress, say, say_json, table


@jwt.command()
@click.argument("subject", required=False)
@actor
@dry_run
@as_json
def purge(subject: str | None, as_json: bool, **how: Any) -> None:
    """Remove what is left of expired tokens and sessions, of SUBJECT or of all.

    Redis drops all of it by itself in the end; this makes room earlier.
    """
    authority = door()
    found, broken = _each(
        authority, subject, lambda one: authority.purge(one, dry_run=how["dry_run"])
    )
    _show(found, ("expired", "over"), as_json, how)
    _fail_at(broken)


@jwt.command()
@click.argument("subject", required=False)
@actor
@dry_run
@as_json
def repair(subject: str | None, as_json: bool, **how: Any) -> None:
    """Make index and sessions agree, of SUBJECT or of all.

    No token that is refused becomes live: a live token that the index lacks is put into it,
    a session whose tokens are refused is ended.
    """
    authority = door()
    found, broken = _each(authority, subject, lambda one: authority.repair(one, **how))
    _show(found, ("unindexed", "ended", "pared"), as_json, how)
    _fail_at(broken)


def _each(
    authority: Authority, subject: str | None, set_right: Callable[[str], Findings]
) -> tuple[list[Findings], list[str]]:
    """Where something was found. Of all, one that cannot be read does not hide the others."""
    if subject is not None:
        return [found for found in [set_right(subject)] if found], []
    scan = survey.everything(authority.store)
    found, broken = [], []
    with progress("Subjects", scan.size) as tell:
        for one in survey.listed_subjects(scan, authority.keys, tell):
            try:
                found.append(set_right(one))
            except BrokenData:
                broken.append(one)
    return [one for one in found if one], broken


def _show(
    found: list[Findings], kinds: tuple[str, ...], as_json: bool, how: dict[str, Any]
) -> None:
    if as_json:
        subjects = [{"subject": one.subject, **_ids(one, kinds)} for one in found]
        say_json({"subjects": subjects, **how})
        return
    if not found:
        say("Nothing was found.")
        return
    rows = [(one.subject, *(len(getattr(one, kind)) for kind in kinds)) for one in found]
    table(("subject", *kinds), rows)
    say("Nothing was changed." if how["dry_run"] else "Set right.")


def _fail_at(broken: list[str]) -> None:
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        failure = f"what is known of {broken[0]}{more} cannot be read; flask jwt keys shows it."
        raise Failure(f"broken_data: {failure}", OUTAGE)


def _ids(found: Findings, kinds: tuple[str, ...]) -> dict[str, list[str]]:
    """The jtis or sids of each kind."""
    return {
        kind: sorted(one if isinstance(one, str) else one.id for one in getattr(found, kind))
        for kind in kinds
    }
