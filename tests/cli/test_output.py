from __future__ import annotations

import io
import sys
from string import ascii_uppercase

import pytest

from flask_jwt_revoke.cli.output import table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, width: int, columns: list[str], *rows: list[str]) -> str:
    with monkeypatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", str(width))
        patch.setattr(sys, "stdout", Terminal())
        table(columns, rows)
        return sys.stdout.getvalue()


@pytest.mark.parametrize("width", [*range(8, 60, 7), 79, 80, 100, 103, 104, 120, 140, 400])
def test_a_narrow_terminal_shows_each_character(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lengths = [22, 9, 36, 15, 22, 14, 14, 10]
    row = [letter * length for letter, length in zip(ascii_uppercase, lengths, strict=False)]
    names = ["id", "device", "device id", "address", "agent", "created", "last seen", "ends"]
    said = drawn(monkeypatch, width, names, row, row)
    assert [said.count(one[0]) for one in row] == [2 * length for length in lengths]
    assert said.count(row[0]) == 2 or width < len(row[0])


def test_a_value_has_its_line_where_the_columns_have_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = drawn(
        monkeypatch, 20, ["id", "device", "ends"], ["A1", "", "never again"], ["A2", "X1", ""]
    )
    assert said == "id      A1\nends    never again\n\nid      A2\ndevice  X1\n\n"
