"""The accounts: names and password hashes in SQLite."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import cast

from flask import Flask, current_app
from werkzeug.security import check_password_hash, generate_password_hash

DEMO = {"alice": "wonderland", "bob": "can-we-fix-it", "olga": "what-is-live"}

ADMIN = "admin"
#: Those of them that have one.
ROLES = {"olga": ADMIN}

_EXTENSION = "example_app.users"


def canonical(name: str) -> str:
    """The one spelling under which a name is looked up, counted and written into tokens."""
    return name.strip().casefold()


class Users:
    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as database:
            # Two processes may start at once.
            database.execute("BEGIN IMMEDIATE")
            database.execute(
                "CREATE TABLE IF NOT EXISTS user"
                " (name TEXT PRIMARY KEY, password_hash TEXT, role TEXT)"
            )
            columns = [row[1] for row in database.execute("PRAGMA table_info(user)")]
            if "role" not in columns:  # a database from before there were any
                database.execute("ALTER TABLE user ADD COLUMN role TEXT")

    def seed(self, accounts: Mapping[str, str]) -> None:
        """Add accounts, name to password, unless there are some already.

        Where there are, but none has a role, those with a role are added all the same.
        """
        with self._opened() as database:
            known = {role for (role,) in database.execute("SELECT DISTINCT role FROM user")}
            rows = [
                (canonical(name), generate_password_hash(password), ROLES.get(name))
                for name, password in accounts.items()
                if not known or (known == {None} and name in ROLES)
            ]
            database.executemany("INSERT OR IGNORE INTO user VALUES (?, ?, ?)", rows)

    def authenticated(self, name: str, password: str) -> str | None:
        """The canonical name of the account; None for a wrong name or password."""
        name = canonical(name)
        with self._opened() as database:
            row = database.execute(
                "SELECT password_hash FROM user WHERE name = ?", (name,)
            ).fetchone()
        # An unknown name must not be told by a quicker answer.
        matches = check_password_hash(row[0] if row else _nobodys_hash(), password)
        return name if row and matches else None

    def add(self, name: str, password: str) -> bool:
        """Answers whether the name was free."""
        row = (canonical(name), generate_password_hash(password))
        with self._opened() as database:
            return (
                database.execute("INSERT OR IGNORE INTO user VALUES (?, ?, NULL)", row).rowcount
                == 1
            )

    def role(self, name: str) -> str | None:
        with self._opened() as database:
            row = database.execute("SELECT role FROM user WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def change_role(self, name: str, role: str | None) -> None:
        with self._opened() as database:
            database.execute("UPDATE user SET role = ? WHERE name = ?", (role, canonical(name)))

    def claims(self, name: str) -> dict[str, str]:
        """What a token says of the account."""
        role = self.role(name)
        return {"role": role} if role else {}

    def change_password(self, name: str, password: str) -> None:
        row = (generate_password_hash(password), canonical(name))
        with self._opened() as database:
            database.execute("UPDATE user SET password_hash = ? WHERE name = ?", row)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        # As a context manager a connection commits, but stays open.
        with closing(sqlite3.connect(self._path)) as database, database:
            yield database


def init_app(app: Flask, path: Path) -> None:
    users = app.extensions[_EXTENSION] = Users(path)
    users.seed(DEMO)
    _nobodys_hash()


def current_users() -> Users:
    return cast(Users, current_app.extensions[_EXTENSION])


@cache
def _nobodys_hash() -> str:
    return generate_password_hash(secrets.token_hex())
