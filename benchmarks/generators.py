"""What sends the HTTP load: wrk where it is installed, a loop of our own otherwise."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from . import load
from .cores import Cores
from .fairness import Unfair, headers
from .measures import Timing
from .view import PATH

_UNITS = {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}


@dataclass(frozen=True)
class Load:
    """``seconds`` of requests over ``connections``, each of which waits for its answer."""

    connections: int
    seconds: float
    cores: Cores

    @property
    def described(self) -> str:
        return f"{self._turn:g} s of {self.connections} connections from {generator()}"

    @property
    def _turn(self) -> float:
        # wrk takes whole seconds.
        return max(1, round(self.seconds)) if _wrk() else self.seconds

    def on(self, port: int, token: str) -> Timing:
        """:raises Unfair: an answer was not the view's, or there was none."""
        return self._by_wrk(port, token) if _wrk() else self._by_our_own(port, token)

    def _by_our_own(self, port: int, token: str) -> Timing:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers(token).items())
        numbers = [str(port), str(self.connections), str(self._turn)]
        output = self._ran(
            [sys.executable, "-m", load.__name__, *numbers],
            f"GET {PATH} HTTP/1.1\r\n{fields}\r\n",
        )
        found = json.loads(output)
        return Timing(
            us=found["seconds"] / found["requests"] * 1e6,
            p50=found["p50"] * 1e6,
            p99=found["p99"] * 1e6,
        )

    def _by_wrk(self, port: int, token: str) -> Timing:
        fields = [f"-H{name}: {value}" for name, value in headers(token).items() if name != "Host"]
        options = ["-t1", f"-c{self.connections}", f"-d{self._turn}s", "--latency", *fields]
        output = self._ran(["wrk", *options, f"http://127.0.0.1:{port}{PATH}"])
        return timing_of_wrk(output)

    def _ran(self, command: list[str], input: str = "") -> str:
        with self.cores.on_another():
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        with process:
            try:
                output, errors = process.communicate(input, timeout=self._turn + 30)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise Unfair(f"the load generator failed: {errors.strip()[-1000:]}")
        return output


def timing_of_wrk(output: str) -> Timing:
    """:raises Unfair: some requests were not answered, or not with 200."""
    for trouble in ("Non-2xx", "Socket errors"):
        if trouble in output:
            raise Unfair(output)
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", output)[0])
    return Timing(us=1e6 / rate, p50=_latency("50", output), p99=_latency("99", output))


def _latency(percent: str, output: str) -> float:
    value, unit = _found(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", output)
    return float(value) * _UNITS[unit]


def _found(pattern: str, output: str) -> tuple[str, ...]:
    found = re.search(pattern, output)
    if found is None:
        raise Unfair(f"wrk said: {output}")
    return found.groups()


def generator() -> str:
    """Its name and version, where it has one."""
    if not _wrk():
        return "our own epoll loop"
    # It says so beside how it is used, and calls that a failure.
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    found = re.match(r"wrk \S+", said.stdout + said.stderr)
    return found[0] if found else "wrk"


def _wrk() -> bool:
    return shutil.which("wrk") is not None
