"""The same with the oldest release of flask-jwt-extended that allows Flask 3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import missing

OLDEST = "4.5.3"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def oldest(pytestconfig: pytest.Config) -> Path:
    """A folder with that release alone, kept in pytest's cache."""
    folder = pytestconfig.cache.mkdir(f"flask-jwt-extended-{OLDEST}")
    if not (folder / "flask_jwt_extended").exists():
        wanted = f"flask-jwt-extended=={OLDEST}"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run(
            [*pip, "--no-deps", "--target", str(folder), wanted],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            missing(f"{wanted}, which pip cannot install: {done.stderr[-500:]}")
    return folder


def test_all_holds_with_the_oldest_release(oldest: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-n", "0", "--quiet", "-p", "no:cacheprovider",
            "tests/contrib/test_flask_jwt_extended.py",
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(oldest), str(ROOT)]),
            "FLASK_JWT_EXTENDED": OLDEST,
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
