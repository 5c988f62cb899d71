"""Do what a page of the documentation says, in its order, and compare what comes out.

A code block with a title is a file, or a change of one; a ``console`` block holds commands,
each behind ``$``, with what it prints. ``…`` stands for anything within a line, and on a line
of its own for any lines.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from werkzeug import security
from werkzeug.serving import make_server

from .conftest import missing
from .servers import BINARIES, Server, free_ports

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
ROOT = Path(__file__).parents[1]
APP, REDIS = "localhost:5000", "localhost:6379"
END = "\x1e"


class Walkthrough:
    def __init__(self, page: Path, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.ports = dict(zip((APP, REDIS), free_ports(2), strict=True))
        self.redis: Server | None = None
        self.app: _Served | _Gunicorn | None = None
        self.is_changed = False
        self.shell = _Shell(folder)

    def walk(self) -> int:
        """How many commands there were."""
        text = self.page.read_text()
        for program in ("curl", "redis-cli"):
            if program in text and not shutil.which(program):
                missing(program)
        if REDIS in text:
            self.redis = Server(BINARIES["valkey"] or "", port=self.ports[REDIS])
            self.shell.run(f'redis-cli() {{ command redis-cli -p {self.ports[REDIS]} "$@"; }}')
        count = 0
        for language, title, body in BLOCK.findall(text):
            if title:
                self.write(title, self.here(body))
            elif language == "console":
                for command, printed in _commands(body):
                    self.say(self.here(command), printed)
                    count += 1
        return count

    def write(self, title: str, body: str) -> None:
        name, _, change = title.partition(": ")
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(_changed(path.read_text(), change, body) if change else body)
        self.is_changed = self.is_changed or name == "app.py"

    def say(self, command: str, printed: str) -> None:
        if command.startswith(("flask run", "gunicorn ")):
            self.serve(command)
            return
        if self.is_changed and isinstance(self.app, _Served):
            self.serve("flask run")
        found = self.shell.run(command)
        assert _pattern(printed).fullmatch(f"{found}\n"), f"{command}\n{found}\nnot\n{printed}"

    def serve(self, command: str) -> None:
        if self.app:
            self.app.close()
        served = _Gunicorn if command.startswith("gunicorn") else _Served
        self.app = served(command, self.folder, self.ports[APP], self.shell.environment())
        self.is_changed = False

    def close(self) -> None:
        for one in (self.app, self.redis, self.shell):
            if one:
                one.close()

    def here(self, text: str) -> str:
        for address, port in self.ports.items():
            text = text.replace(address, f"127.0.0.1:{port}")
        return text


class _Shell:
    """One shell for the whole page, since a step uses the variables of another."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.run(f"unset ${{!FLASK_*}}; export LC_ALL=C PATH={shlex.quote(_bin())}:$PATH")
        # The package is the one under test, and the plugins of these tests are not the reader's.
        self.run(f"export PYTHONPATH={shlex.quote(str(ROOT))} PYTEST_DISABLE_PLUGIN_AUTOLOAD=1")

    def run(self, command: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{command}\nprintf '\\n{END}\\n'\n")
        self._process.stdin.flush()
        lines: list[str] = []
        while (line := self._process.stdout.readline()) != f"{END}\n":
            assert line, f"the shell ended: {''.join(lines)}"
            lines.append(line)
        return "".join(lines).replace("\r", "").strip("\n")

    def environment(self) -> dict[str, str]:
        pairs = self.run("env -0 | tr '\\0\\n' '\\n '").splitlines()
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    def close(self) -> None:
        self._process.communicate()


class _Served:
    """What ``flask run`` serves, in a thread: no interpreter has to start at each change."""

    def __init__(self, _: str, folder: Path, port: int, environment: dict[str, str]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            for name, value in environment.items():
                if name.startswith("FLASK_"):
                    patch.setenv(name, value)
            # Those that are meant to be slow would take most of the time.
            quick = partial(security.generate_password_hash, method="pbkdf2:sha256:1")
            patch.setattr(security, "generate_password_hash", quick)
            self._app = runpy.run_path("app.py", run_name="app")["app"]
        self._server = make_server("127.0.0.1", port, self._app, threaded=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if door := self._app.extensions.get("jwt_revoke"):
            door.close()


class _Gunicorn:
    def __init__(self, command: str, folder: Path, port: int, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            shlex.split(command), cwd=folder, env=environment, text=True, stderr=subprocess.PIPE
        )
        assert self._process.stderr
        booted = 0
        while booted < 2:
            line = self._process.stderr.readline()
            assert line, "gunicorn ended"
            booted += "Booting worker" in line

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()


def _bin() -> str:
    return str(Path(sys.executable).parent)


def _commands(block: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed.strip("\n")


def _pattern(printed: str) -> re.Pattern[str]:
    lines = (
        r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
        for line in printed.split("\n")
    )
    return re.compile("".join(lines))


def _changed(text: str, change: str, code: str) -> str:
    if change == "add":
        return f"{text}\n\n{code}"
    if change == "above revoke":
        return text.replace("revoke = JWTRevoke(app)\n", f"{code}revoke = JWTRevoke(app)\n")
    for line in code.splitlines():
        module = line.partition(" import ")[0]
        text, count = re.subn(rf"^{re.escape(module)} import .*$", line, text, flags=re.MULTILINE)
        assert count == 1, line
    return text


@contextmanager
def walkthrough(page: Path, folder: Path) -> Iterator[Walkthrough]:
    walked = Walkthrough(page, folder)
    try:
        yield walked
    finally:
        walked.close()
