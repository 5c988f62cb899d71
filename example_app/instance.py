"""The instance folder: where it is, and the signing key in it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def default_folder() -> Path:
    named = os.environ.get("EXAMPLE_APP_INSTANCE")
    return Path(named) if named else Path(__file__).parents[1] / "instance"


def prepared(folder: Path) -> Path:
    """The absolute path of the folder, which exists and is its owner's alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder.resolve()


def secret_key(folder: Path) -> str:
    """The key that signs tokens: made once, so that tokens outlive a restart."""
    path = folder / "secret_key"
    if not path.exists():
        # Whole before it has its name: another process may start at once, and read it.
        with NamedTemporaryFile("w", dir=folder) as made, suppress(FileExistsError):
            made.write(secrets.token_hex(32))
            made.flush()
            os.link(made.name, path)
    return path.read_text()
