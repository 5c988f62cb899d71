"""What the doctor says of each line that it looks at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Status = Literal["OK", "WARN", "FAIL", "UNKNOWN"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """``found`` is what was seen, ``remedy`` what to do about it; empty where all is well."""

    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. ``name`` is stable; ``where`` names the servers, in a cluster."""

    name: str
    status: Status
    found: str
    remedy: str
    where: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, judgement: Judgement, where: str = "") -> Finding:
        status, found, remedy = judgement.status, judgement.found, judgement.remedy
        places = (where,) if where else ()
        return cls(name=name, status=status, found=found, remedy=remedy, where=places)


def ok(found: str) -> Judgement:
    return Judgement("OK", found)


def warn(found: str, remedy: str) -> Judgement:
    return Judgement("WARN", found, remedy)


def fail(found: str, remedy: str) -> Judgement:
    return Judgement("FAIL", found, remedy)


def unknown(found: str, remedy: str) -> Judgement:
    return Judgement("UNKNOWN", found, remedy)


def together(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for all servers of which the same is said."""
    found: dict[Finding, tuple[str, ...]] = {}
    for one in findings:
        alike = replace(one, where=())
        found[alike] = found.get(alike, ()) + one.where
    return [replace(one, where=where) for one, where in found.items()]
