"""The instance folder: where it is, and the signing key in it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


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
    with suppress(FileExistsError):
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
        with open(made, "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text()
