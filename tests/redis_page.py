"""What docs/redis.md says. Every server of the tests has its users, and the package is one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "redis.md"


@dataclass(frozen=True)
class User:
    """``rules`` are those of redis.conf's ``user NAME RULES``."""

    name: str
    rules: tuple[str, ...]

    @property
    def credentials(self) -> str:
        """As in a URL."""
        (password,) = (rule[1:] for rule in self.rules if rule.startswith(">"))
        return f"{self.name}:{password}"

    @property
    def commands(self) -> list[str]:
        return [rule[1:] for rule in self.rules if rule.startswith("+")]

    def at(self, url: str) -> str:
        """The same Redis, as this user; memory:// knows none."""
        return url if url == "memory://" else re.sub("://(.*@)?", f"://{self.credentials}@", url)

    def allowed(self, *rules: str) -> User:
        return replace(self, rules=self.rules + rules)

    def denied(self, command: str) -> User:
        return replace(self, rules=tuple(rule for rule in self.rules if rule != f"+{command}"))

    def named(self, name: str) -> User:
        return replace(self, name=name)

    def with_prefix(self, prefix: str) -> User:
        return replace(
            self, rules=tuple(re.sub("jwtrevoke:", f"{prefix}:", rule) for rule in self.rules)
        )


def lines(mark: str) -> list[str]:
    """The page's block of redis.conf that begins with this mark."""
    (block,) = re.findall(
        rf"^```conf {mark}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return str(block).splitlines()


def options(*marks: str) -> list[str]:
    """Those blocks, for the command line of a server."""
    words = (line.split() for mark in marks for line in lines(mark))
    return [word for name, *rest in words for word in (f"--{name}", *rest)]


def administrator(url: str) -> str:
    """The same Redis, as the user of the tests themselves, who may do all."""
    return re.sub("://.*@", "://", url)


def _user(mark: str) -> User:
    (line,) = lines(mark)
    word, name, *rules = line.split()
    assert word == "user"
    return User(name, tuple(rules))


def _rules(mark: str) -> tuple[str, ...]:
    (line,) = lines(mark)
    return tuple(line.split())


APP = _user("user")
TO_SENTINEL = _user("sentinel")
DATABASE, CLIENT_NAME = _rules("database"), _rules("client_name")
IN_CLUSTER = _rules("cluster")
REPLICAS = _rules("wait")
#: Whoever runs ``flask jwt`` looks through all keys.
TO_OPERATE = _rules("operator")
#: The example app counts sign-ins in the same Redis, and has a page for operators.
EXAMPLE = APP.named("example").allowed(*_rules("limiter"), *TO_OPERATE)
OPERATOR = APP.named("operator").allowed(*TO_OPERATE)
#: And sees the configuration, for ``flask jwt doctor``.
TO_EXAMINE = _rules("doctor")
DOCTOR = OPERATOR.named("doctor").allowed(*TO_EXAMINE)
#: The author's own strategy of docs/strategies.md asks one thing more.
TENANTS = APP.named("tenants").allowed("+sismember")
PREFIXED = tuple(APP.named(prefix).with_prefix(prefix) for prefix in ("one", "two"))
USERS = (APP, EXAMPLE, OPERATOR, DOCTOR, TENANTS, *PREFIXED)
