"""The page for what cannot be shown or done."""

from __future__ import annotations

from collections.abc import Iterable

from flask import render_template
from flask.typing import ResponseReturnValue


def problem(
    status: int,
    title: str,
    description: str | None,
    headers: Iterable[tuple[str, str]] = (),
    *,
    back: str = "/",
) -> ResponseReturnValue:
    """``back`` is the page that the reader is offered instead."""
    page = render_template("problem.html", title=title, description=description, back=back)
    return page, status, list(headers)
