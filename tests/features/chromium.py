"""A real Chromium: Debian's package, installed where it is missing and may be."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from ..conftest import missing

_INSTALL = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium"
# The tests need nothing but the app, and a browser that phones home waits for time-outs.
_ARGUMENTS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium(patience: float) -> Iterator[Browser]:
    """``patience`` (milliseconds) is how long what is expected may take to come about."""
    path = _path()
    expect.set_options(timeout=patience)
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS + as_root)
        yield browser
        browser.close()


def _path() -> str:
    """Where Chromium is. The test is skipped, or fails, where it cannot be."""
    if shutil.which("chromium") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
    path = shutil.which("chromium")
    if path is None:
        missing("Chromium (Debian's package chromium)")
    return path


def _install() -> None:
    # Two workers ask at once, and apt serves one at a time.
    with (Path(tempfile.gettempdir()) / "flask-jwt-revoke-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shutil.which("chromium") is None:
            subprocess.run(["sh", "-c", _INSTALL], check=False)
