"""The tutorial, the how-to pages and the README's app, done as they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_documents import readme_program
from .walkthrough import BLOCK, walkthrough

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "howto").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_page_says_comes_out(page: Path, tmp_path: Path) -> None:
    with walkthrough(page, tmp_path) as walked:
        assert walked.walk() > 0


def test_the_readmes_app_answers_what_the_readme_asks(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    (asked,) = (
        body for language, _, body in BLOCK.findall(readme.read_text())
        if language == "sh" and "curl" in body
    )  # fmt: skip
    with walkthrough(readme, tmp_path) as walked:
        walked.write("app.py", readme_program())
        walked.say("flask run", "")
        walked.say("exec 2> errors.txt", "")  # curl shows its progress there
        walked.say(walked.here(asked), '{"user":"alice"}\n{"revoked":2}')
