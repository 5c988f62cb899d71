"""``flask … jwt`` as it is installed: a process of its own, and a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_jwt_revoke import Authority

from ..conftest import SECRET
from ..servers import Server

ROOT = Path(__file__).parents[2]
APP = """
import os
from flask import Flask
from flask_jwt_revoke import JWTRevoke

app = Flask("shop")
app.config.update(SECRET_KEY=os.environ["SECRET"], JWT_REVOKE_REDIS_URL=os.environ["URL"])
app.config["JWT_REVOKE_TIMEOUT"] = 5
JWTRevoke(app)
"""
LABEL = "Pixel 8 \x1b[31m[bold red]x[/]"


class Shell:
    """Runs ``flask --app app jwt …`` in a folder with the app alone."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "app.py").write_text(APP)
        # A width in the environment goes before that of the terminal.
        here = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        self._options = {
            "cwd": folder,
            "env": here | {"SECRET": SECRET, "URL": url, "PYTHONPATH": str(ROOT)},
        }

    def start(self, *words: str, **options: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flask", "--app", "app", "jwt", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, text=True, **self._options, **(pipes | options))


@pytest.fixture
def shell(tmp_path: Path, server: Server) -> Shell:
    return Shell(tmp_path, server.url)


@pytest.fixture
def authority(server: Server, make_authority: Callable[..., Authority]) -> Authority:
    return make_authority(server.url)


def test_the_entry_point(shell: Shell, authority: Authority) -> None:
    """A ``No such command`` here: install the project again, for its entry points."""
    pair = authority.issue("alice", device=LABEL)
    looking = shell.start("sessions", "alice", "--json")
    refused = shell.start("why", "-", stdin=subprocess.PIPE)
    said, complaint = looking.communicate(timeout=60)
    assert (looking.returncode, complaint) == (0, "")
    assert [one["id"] for one in json.loads(said)] == [pair.session_id]
    said, complaint = refused.communicate("junk", timeout=60)
    assert (refused.returncode, complaint) == (1, "")


def test_without_a_redis_it_is_one_line(tmp_path: Path) -> None:
    process = Shell(tmp_path, "unix:///nowhere/socket").start("sessions", "alice")
    said, complaint = process.communicate(timeout=60)
    assert (process.returncode, said, complaint.count("\n")) == (3, "", 1)


def test_a_full_disk_is_one_line(shell: Shell, authority: Authority) -> None:
    token = authority.issue("alice").access
    with open("/dev/full", "w") as full:
        process = shell.start("revoke", token, "--json", stdout=full)
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint.count("\n")) == (3, 1)
    assert "No space left on device" in complaint
    assert not authority.explain(token).live


def test_watch_prints_a_line_for_each_revocation(shell: Shell, authority: Authority) -> None:
    process = shell.start("watch", "--json")
    try:
        assert process.stderr.readline() == "Listening on jwtrevoke:feed; Ctrl-C ends it.\n"
        pair = authority.issue("alice")
        authority.logout(pair.access, reason="stolen")
        heard = json.loads(process.stdout.readline())
        assert heard.keys() == {"subject", "reason", "at", "ids", "until"}
        assert (heard["subject"], heard["reason"]) == ("alice", "stolen")
        assert pair.session_id in heard["ids"]
        authority.logout_everywhere("bob")
        assert json.loads(process.stdout.readline())["ids"] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_terminal_gets_a_table_from_rich(shell: Shell, authority: Authority) -> None:
    authority.issue("alice", device=LABEL)
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    process = shell.start("sessions", "alice", stdout=theirs)
    os.close(theirs)
    said = everything_on(ours)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert "─" in said
    assert "\x1b[31m" not in said
    assert "[bold" in said
    assert "alice: 1 session." in said


def test_columns_that_are_empty_take_no_room(shell: Shell, authority: Authority) -> None:
    agent = "Firefox on Android, in a long description"
    pair = authority.issue("alice", device="Pixel 8", agent=agent, address="2001:db8:1:2:3:4:5:6")
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = shell.start("sessions", "alice", stdout=theirs)
    os.close(theirs)
    said = everything_on(ours)
    process.communicate(timeout=60)
    assert pair.session_id in said
    assert "device id" not in said


def test_a_terminal_is_asked_for_the_token_and_does_not_show_it(
    shell: Shell, authority: Authority
) -> None:
    token = authority.issue("alice").access
    ours, theirs = os.openpty()
    process = shell.start("why", stdin=theirs, start_new_session=True)
    os.close(theirs)
    asked = process.stderr.read(len("Token: "))
    os.write(ours, f"{token}\n".encode())
    said, complaint = process.communicate(timeout=60)
    assert (asked, process.returncode) == ("Token: ", 0)
    assert token not in said + complaint + everything_on(ours)


def everything_on(terminal: int) -> str:
    said = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while chunk := os.read(terminal, 4096):
            said += chunk
    os.close(terminal)
    return said.decode()
