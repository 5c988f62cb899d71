"""What is shipped: the wheel, in an empty environment."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.timeout(300)
def test_the_wheel_installs_and_works_in_an_empty_environment(tmp_path: Path) -> None:
    # Without an environment of its own, which would take longer to make than all the rest.
    run(sys.executable, "-m", "build", "-n", "--outdir", tmp_path, ROOT, cwd=tmp_path)
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
