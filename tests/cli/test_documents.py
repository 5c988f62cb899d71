"""What docs/operators.md says is so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_jwt_revoke.cli import jwt
from flask_jwt_revoke.doctor import NAMES

from ..redis_page import OPERATOR
from ..servers import Server
from .conftest import Console

PAGE = (Path(__file__).parents[2] / "docs" / "operators.md").read_text()
RECIPES = re.findall(r"^redis-cli .*$", PAGE, re.MULTILINE)


def documented(command: str) -> set[str]:
    """The names in a command's row of the table of JSON."""
    (row,) = re.findall(
        rf"^\| `{command}` \| (?:a list|an object|one each) \| (.*) \|$", PAGE, re.MULTILINE
    )
    return set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", row)))


def test_the_json_is_as_documented(server: Server, make_console: Callable[..., Console]) -> None:
    console = make_console(server.url, audit_length=9)
    token = console.authority.issue("alice").access
    documents: dict[str, Any] = {
        "sessions": console.json("sessions", "alice")[0],
        "keys": console.json("keys", "alice")[0],
        "why": console.json("why", token),
        "stats": console.json("stats"),
        "doctor": console.json("doctor", "timeout")[0],
        "revoke": console.json("revoke", token),
        "logout": console.json("logout", "alice"),
        "block": console.json("block", "alice"),
        "unblock": console.json("unblock", "alice"),
        "purge": console.json("purge"),
        "repair": console.json("repair"),
        "audit": console.json("audit")[0],
    }
    assert documents.keys() | {"watch"} == jwt.commands.keys()
    for command, document in documents.items():
        assert document.keys() == documented(command), command


def test_each_line_of_the_doctor_is_in_the_table() -> None:
    table = PAGE.partition("| line | what it looks at |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == sorted(NAMES)


@pytest.mark.parametrize("command", sorted(jwt.commands))
def test_each_command_is_described_and_takes_json(command: str) -> None:
    assert f"flask jwt {command}" in PAGE
    options = {one.name for one in jwt.commands[command].params}
    assert "as_json" in options
    writes = {"revoke", "logout", "block", "unblock", "purge", "repair"}
    assert ({"actor", "dry_run"} <= options) is (command in writes)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_understood_by_redis(
    server: Server, make_console: Callable[..., Console], recipe: str
) -> None:
    """A wrong command, or one that does not suit the key's type, is an error."""
    authority = make_console(server.url).authority
    authority.logout(authority.issue("alice").access)
    authority.issue("alice")
    words = shlex.split(recipe, comments=True)[1:]
    with server.client(decode_responses=True) as client:
        if words[0] == "--scan":
            assert list(client.scan_iter(words[2]))
        elif words[0] == "subscribe":
            assert words[1:] == [authority.keys.feed]
        else:
            client.execute_command(*words)


def test_the_key_by_hand_blocks(server: Server, make_console: Callable[..., Console]) -> None:
    console = make_console(server.url)
    token = console.authority.issue("alice").access
    (recipe,) = (one for one in RECIPES if one.startswith("redis-cli set "))
    with server.client() as client:
        client.execute_command(*shlex.split(recipe.replace("$(date +%s)", "1795240800"))[1:])
    why = console.json("why", token, exit_code=1)
    assert why["because"] == "operator@1795240800"


def test_renamed_keys_are_another_prefixes(
    server: Server, make_console: Callable[..., Console]
) -> None:
    console = make_console(server.url)
    kept, gone = console.authority.issue("alice"), console.authority.issue("alice")
    console.authority.logout(gone.access)
    with server.client(decode_responses=True) as client:
        for key in client.scan_iter("jwtrevoke:{*"):
            client.rename(key, "shop" + key.removeprefix("jwtrevoke"))
        client.execute_command("ACL", "SETUSER", OPERATOR.name, "~shop:*")
    renamed = make_console(server.url, key_prefix="shop")
    assert renamed.json("why", kept.access)["live"]
    assert renamed.json("why", gone.access, exit_code=1)["because"].startswith("logout@")
