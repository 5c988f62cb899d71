"""What the figures depend on, for those who compare them with their own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import redis

PACKAGES = (
    "flask",
    "werkzeug",
    "redis",
    "hiredis",
    "pyjwt",
    "flask-jwt-extended",
    "flask-jwt-revoke",
    "gunicorn",
    "gevent",
)


def described(client: redis.Redis) -> dict[str, object]:
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_average_before": os.getloadavg()[0],
        "os": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "server": _server(client),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _server(client: redis.Redis) -> str:
    info = client.info("server")
    name = info.get("server_name", "redis")
    return f"{name} {info.get(f'{name}_version', info['redis_version'])}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str | None:
    """None outside a checkout; ``-dirty`` where files differ from the commit."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"no git commit: {type(error).__name__}", file=sys.stderr)
        return None
    return found.stdout.strip()
