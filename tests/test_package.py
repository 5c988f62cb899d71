"""What is shipped: the sources, and the wheel made of them in an empty environment."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from .conftest import missing

ROOT = Path(__file__).parents[1]
PROGRAM = """
import importlib.metadata, importlib.resources, flask, flask_jwt_revoke
app = flask.Flask("empty")
app.config.update(SECRET_KEY="x" * 32, JWT_REVOKE_REDIS_URL="redis://localhost")
flask_jwt_revoke.JWTRevoke(app)
assert importlib.resources.files(flask_jwt_revoke).joinpath("py.typed").is_file()
(plugin,) = importlib.metadata.entry_points(group="pytest11")
assert importlib.util.find_spec(plugin.value)
print(flask_jwt_revoke.__version__, flask_jwt_revoke.__file__)
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr:
        missing("a package index")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sources() -> set[str]:
    """What a packager needs: to build, to test, and to make the documentation."""
    folders = ("benchmarks", "docs", "example_app", "flask_jwt_revoke", "tests")
    kinds = {".py", ".typed", ".md", ".svg", ".css", ".js", ".html"}
    found = [
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in kinds
    ]
    top = [path for path in ROOT.iterdir() if path.suffix in {".md", ".toml", ".cfg", ".yml"}]
    named = [ROOT / "LICENSE", ROOT / "Makefile"]
    return {path.relative_to(ROOT).as_posix() for path in found + top + named}


@pytest.mark.timeout(300)
def test_the_wheel_installs_and_works_in_an_empty_environment(tmp_path: Path) -> None:
    # Without an environment of its own, which would take longer to make than all the rest.
    run(sys.executable, "-m", "build", "-n", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        inside = {name.partition("/")[2] for name in packed.getnames()}
    assert not sources() - inside
    assert not [name for name in inside if "__pycache__" in name or name.endswith(".pyc")]
    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    for source in (ROOT / "flask_jwt_revoke").rglob("*.py"):
        assert source.relative_to(ROOT).as_posix() in shipped
    assert "flask_jwt_revoke/py.typed" in shipped
    assert not [name for name in shipped if name.startswith(("tests", "example_app", "benchmarks"))]
    venv.create(tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)
    version, place = run(python, "-c", PROGRAM, cwd=tmp_path).split()
    assert wheel.name.startswith(f"flask_jwt_revoke-{version}-")
    assert Path(place).is_relative_to(tmp_path)
