"""Where the time goes, of a request in each mode and of the import: ``make profile``.

Python's profiler makes each call dearer, so shares are told, and what calls much has too large
a one; what a part costs without it, ``make bench`` says.
"""

from __future__ import annotations

import cProfile
import pstats
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from flask import Flask
from rich.console import Console
from rich.table import Table

import flask_jwt_revoke
from tests.servers import BINARIES, Server, free_ports

from . import fairness
from .apps import MODES, contender, made
from .imports import compiling
from .in_process import environ, timed

REQUESTS = 10_000
MOST = 12
_OURS = Path(flask_jwt_revoke.__file__).parent
_LIBRARIES = ("flask", "werkzeug", "jwt", "redis", "blinker")
_IMPORTED = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*(flask_jwt_revoke\S*)")
_IMPORTS = "import flask, redis, jwt; import flask_jwt_revoke"


def main() -> None:
    console = Console()
    (port,) = free_ports(1)
    with closing(Server(BINARIES["redis"], port=port)), made(port) as apps:
        tokens = fairness.sign_in(apps)
        for mode in MODES:
            shares = own_times(requested(mode, apps[mode], tokens[mode].live))
            console.print(shown(f"{mode}: {REQUESTS:,} requests, own time", shares))
    console.print(shown("import, after flask, redis and jwt", imported()))


def requested(mode: str, app: Flask, token: str) -> Callable[[], object]:
    sent = environ(token)
    timed(contender(mode), app, sent, REQUESTS // 10)
    return lambda: timed(contender(mode), app, sent, REQUESTS)


def own_times(call: Callable[[], object]) -> Counter[str]:
    """By function of this package, and by library for the rest."""
    profile = cProfile.Profile()
    profile.runcall(call)
    found: Counter[str] = Counter()
    for (file, _, function), (_, _, own, _, _) in pstats.Stats(profile).stats.items():
        found[_whose(file, function)] += own
    return found


def _whose(file: str, function: str) -> str:
    path = Path(file)
    if path.is_relative_to(_OURS):
        return f"{path.relative_to(_OURS)}: {function}"
    library = next((one for one in _LIBRARIES if f"/{one}/" in file), None)
    if library:
        return library
    return function if "socket" in function else "Python, and what measures"


def imported() -> Counter[str]:
    """By module, without those that it imports; compiled before, the least of some rounds."""
    with compiling() as environment:
        command = [sys.executable, "-X", "importtime", "-c", _IMPORTS]
        least: dict[str, int] = {}
        for _ in range(6):
            said = subprocess.run(
                command, env=environment, stderr=subprocess.PIPE, text=True, check=True
            ).stderr
            for own, module in _IMPORTED.findall(said):
                least[module] = min(int(own), least.get(module, int(own)))
    return Counter(least)


def shown(title: str, shares: Counter[str]) -> Table:
    table = Table("where", "share", title=title, title_justify="left")
    for where, own in shares.most_common(MOST):
        table.add_row(where, f"{own / shares.total():.1%}")
    rest = sum(own for _, own in shares.most_common()[MOST:])
    table.add_row(f"{max(0, len(shares) - MOST)} others", f"{rest / shares.total():.1%}")
    return table


if __name__ == "__main__":
    main()
