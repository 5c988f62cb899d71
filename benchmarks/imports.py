"""How long importing takes, in fresh interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from .figures import Figures, Row
from .rounds import turns

IMPORTS = "import"
WARM_UP = 1
_TIMED = """
from time import perf_counter
started = perf_counter()
import flask, redis, jwt
before = perf_counter() - started
app = flask.Flask("app")
app.config.update(SECRET_KEY="x" * 32, JWT_REVOKE_REDIS_URL="redis://127.0.0.1")
started = perf_counter()
{}
imported = perf_counter() - started
started = perf_counter()
{}(app)
print(before, imported, perf_counter() - started)
"""
#: What an app imports, and what registers it, where an import that was put off would show.
PACKAGES = {
    "ours": ("from flask_jwt_revoke import JWTRevoke, current_token", "JWTRevoke"),
    "extended": ("from flask_jwt_extended import JWTManager, jwt_required", "JWTManager"),
}


def measure(*, rounds: int, advance: Callable[[], None]) -> Figures:
    """``advance`` is called after each round."""
    rows = [
        Row("before", "flask, redis and jwt", ours=False),
        Row("extended", "flask_jwt_extended after them", ours=False),
        Row("ours", "flask_jwt_revoke after them"),
        Row("extended app", "JWTManager(app)", ours=False),
        Row("ours app", "JWTRevoke(app)"),
    ]
    how = f"{rounds} rounds of fresh interpreters, compiled before"
    figures = Figures(IMPORTS, how, "ms", rows)
    with compiling() as environment:
        for number, keys in enumerate(turns(list(PACKAGES), WARM_UP + rounds)):
            for key in keys:
                before, after, registered = timed(*PACKAGES[key], environment)
                if number >= WARM_UP:
                    figures.add(key, after * 1e3)
                    figures.add(f"{key} app", registered * 1e3)
                    if key == "ours":
                        figures.add("before", before * 1e3)
            advance()
    return figures


@contextmanager
def compiling() -> Iterator[dict[str, str]]:
    """For interpreters whose compiled files last as long as this.

    Compiled files belong to an installed package, whatever is usual here.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        yield environment


def timed(statement: str, register: str, environment: Mapping[str, str]) -> list[float]:
    """Seconds for what both need, for the package itself, and for registering an app."""
    found = subprocess.run(
        [sys.executable, "-c", _TIMED.format(statement, register)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(one) for one in found.stdout.split()]
