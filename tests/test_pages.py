"""Every page: its links lead somewhere, its code can be read by the language it is in."""

from __future__ import annotations

import ast
import re
import subprocess
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import flask_jwt_revoke
from flask_jwt_revoke import ConfigurationError, JWTRevokeError, TokenRefused, errors, signals

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
BLOCK = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each_page
def test_a_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    for target, anchor in _links(page):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        assert path.is_relative_to(ROOT), target
        if anchor:
            assert anchor in _anchors(path), f"{target}#{anchor}"


@each_page
def test_its_code_can_be_read(page: Path) -> None:
    for language, code in BLOCK.findall(page.read_text()):
        if language == "python":
            ast.parse(textwrap.dedent(code))
        elif language in ("sh", "console"):
            _read_by_a_shell(code, language)


@each_page
def test_what_it_makes_is_in_the_makefile(page: Path) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = re.findall(r"(?:^|`)make (\w+)", page.read_text(), re.MULTILINE)
    assert set(asked) <= set(targets)


def _read_by_a_shell(code: str, language: str) -> None:
    if language == "console":
        code = "\n".join(re.findall(r"^\$ (.*)$", code, re.MULTILINE))
    read = subprocess.run(["bash", "-n"], input=code, text=True, capture_output=True, check=False)
    assert read.returncode == 0, read.stderr


def _links(page: Path) -> Iterator[tuple[str, str]]:
    text = BLOCK.sub("", page.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", link):
            target, _, anchor = link.partition("#")
            yield target, anchor


@cache
def _anchors(path: Path) -> set[str]:
    """As GitHub makes them of the headings; an object of the reference is its own."""
    text = BLOCK.sub("", path.read_text())
    seen: Counter[str] = Counter()
    found = set(re.findall(r"^::: (\S+)", text, re.MULTILINE))
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def _family(root: type[Exception]) -> Iterator[type[Exception]]:
    for one in root.__subclasses__():
        yield one
        yield from _family(one)


def _rows(page: Path) -> list[list[str]]:
    rows = re.findall(r"^\| (`.*) \|$", page.read_text(), re.MULTILINE)
    return [[cell.strip(" `") for cell in row.split("|")] for row in rows]


def test_the_page_of_errors_has_each_of_them() -> None:
    abstract = {TokenRefused, errors.SignInRefused}
    said = {tuple(row[:3]) for row in _rows(DOCS / "errors.md")}
    assert said == {
        (one.reason, str(one.status), one.__name__)
        for one in _family(JWTRevokeError)
        if one not in abstract
    }


def test_the_tree_of_errors_is_the_one_in_the_reference() -> None:
    tree = re.findall(r"[├└]── (\w+)", (DOCS / "api" / "models.md").read_text())
    assert sorted(tree) == sorted(one.__name__ for one in _family(JWTRevokeError))
    assert tree == re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert not issubclass(ConfigurationError, JWTRevokeError)


def test_the_page_of_signals_has_each_of_them() -> None:
    said = {
        name for row in _rows(DOCS / "howto" / "signals.md") for name in re.findall(r"\w+", row[0])
    }
    assert said == {
        name for name, one in vars(signals).items() if isinstance(one, signals.NamedSignal)
    }


def test_the_reference_has_each_public_name() -> None:
    shown = "".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    for name in flask_jwt_revoke.__all__:
        assert re.search(rf"\b{name}\b", shown), name


def test_the_changes_name_this_version_or_one_to_come() -> None:
    newest = re.search(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest.group(1) in ("Unreleased", flask_jwt_revoke.__version__)
