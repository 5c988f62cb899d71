"""Write settings.md from the settings themselves."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from flask_jwt_revoke.config import PREFIX, Config

PAGE = Path(__file__).with_name("settings.md")
HEAD = """# Settings

Each is read from `app.config` at `init_app`, and a value that cannot work is refused there.
Times are in seconds, or a `timedelta`.

| setting | default | what it is for |
| --- | --- | --- |
"""


def page() -> str:
    rows = (
        f"| `{PREFIX}{one.name.upper()}` | `{one.default!r}` | {one.metadata['doc']} |\n"
        for one in fields(Config)
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
