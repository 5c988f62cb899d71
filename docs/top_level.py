"""An mkdocs hook: README, SECURITY and CHANGELOG are pages of the site too.

They stay at the top level, where a reader of the repository looks for them, and their links
and the links to them are turned as the pages lie in the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {"README.md": "index.md", "SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}
ROOT = Path(__file__).parents[1]
ICON = ROOT / "example_app" / "static" / "icon.svg"
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:|#)([^)#]+)(#[^)]*)?\)")
# ```conf server: the tests find a block of redis.md by its second word.
MARK = re.compile(r"^(```\w+) \w+$", re.MULTILINE)
ROLE = re.compile(r":(attr|class|exc|func|meth|mod):")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    files.append(File.generated(config, "icon.svg", content=ICON.read_text()))
    return files


def on_page_markdown(markdown: str, *, page: Page, files: Files, **_: object) -> str:
    """Turn the links that are true in the repository into those of the site."""
    here = page.file.src_uri
    sources = {built: source for source, built in PAGES.items()}
    folder = PurePosixPath(sources.get(here, f"docs/{here}")).parent

    def turned(link: re.Match[str]) -> str:
        text, target, anchor = link.groups(default="")
        path = posixpath.normpath(folder / target)
        built = PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(built) is None and (ROOT / path).exists():
            return text  # source code, which is not in the site
        start = posixpath.dirname(here) or "."
        return f"[{text}]({posixpath.relpath(built, start)}{anchor})"

    return MARK.sub(r"\1", LINK.sub(turned, markdown))


def on_page_content(html: str, *, page: Page, **_: object) -> None:
    if "```" in html:
        raise PluginError(f"{page.file.src_uri} has a block of code that is not taken for one.")
    if ROLE.search(html):
        raise PluginError(f"{page.file.src_uri} shows a role of Sphinx, from a docstring.")
