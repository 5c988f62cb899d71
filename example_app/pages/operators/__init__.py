"""For operators: the last hour, one subject, one token, the doctor's report."""

from __future__ import annotations

from flask import Blueprint

from . import overview, report, subject, token


def add_to(blueprint: Blueprint) -> None:
    for room in (overview, subject, token, report):
        room.add_to(blueprint)
