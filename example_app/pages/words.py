"""Times and devices in words."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from flask import Blueprint

from ..api import revoke

_MARK = re.compile(r"([\w.-]+)@(\d{1,11})", re.A)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
# In seconds. Somebody may write an entry into the trail with a time that no datetime has.
_LAST_OF_9999 = 253402300799


def add_to(blueprint: Blueprint) -> None:
    blueprint.add_app_template_filter(ago)
    blueprint.add_app_template_filter(day)
    blueprint.add_app_template_filter(iso)
    blueprint.add_app_template_filter(clock)
    blueprint.add_app_template_filter(visible)
    blueprint.add_app_template_filter(mark)
    blueprint.add_app_template_test(is_handheld, "handheld")


def ago(then: float) -> str:
    """How long it is since a Unix time in seconds."""
    return since(_utc(then), _utc(revoke.authority.clock()))


def since(then: datetime, now: datetime) -> str:
    passed = now - then
    if passed < _MINUTE:
        return "just now"
    if passed < _HOUR:
        return _counted(passed // _MINUTE, "minute")
    if passed < _DAY:
        return _counted(passed // _HOUR, "hour")
    if then.date() == now.date() - _DAY:
        return "yesterday"
    return f"on {_day(then)}"


def day(then: float) -> str:
    return _day(_utc(then))


def iso(then: float) -> str:
    return _utc(then).isoformat()


def clock(then: float) -> str:
    return f"{_utc(then):%H:%M}"


def visible(value: object) -> str:
    """Text from outside, with each character that does not print as an escape."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(value)
    )


def mark(value: str) -> str:
    """``logout, 3 minutes ago`` of ``logout@1795240800``, as it stands in Redis."""
    found = _MARK.fullmatch(value)
    return f"{found[1]}, {ago(int(found[2]))}" if found else visible(value)


def is_handheld(agent: str | None) -> bool:
    return any(system in (agent or "") for system in ("Android", "iOS"))


def _utc(then: float) -> datetime:
    return datetime.fromtimestamp(min(then, _LAST_OF_9999), timezone.utc)


def _day(then: datetime) -> str:
    return f"{then.day} {then:%B} {then.year}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what} ago" if number == 1 else f"{number} {what}s ago"
