"""Each contract of setup.cfg names each room: one that is left out may import anything."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EDGE = {
    "cli", "contrib", "cookies", "decorators", "devices", "extension", "request", "responses",
    "routes", "testing",
}  # fmt: skip
#: Who may import what is forbidden to the others.
MAY = {
    "flask": EDGE,
    "jwt": {"tokens"},
    "redis": {"store"},
    "flask-jwt-extended": {"contrib"},
}


@pytest.mark.parametrize("contract", MAY)
def test_each_room_is_under_each_contract(contract: str) -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / "setup.cfg")
    # Those are complete, or the linter complains.
    rooms = set(re.findall(r"\w+", contracts["importlinter:contract:rooms"]["layers"]))
    named = contracts[f"importlinter:contract:{contract}"]["source_modules"].split()
    assert {name.removeprefix("flask_jwt_revoke.") for name in named} == rooms - MAY[contract]
