"""The parameters of a request (RFC 6749 sections 3.2 and 4.1.3, appendix B)."""

from __future__ import annotations

from flask import Request

from .errors import InvalidRequest

FORM = "application/x-www-form-urlencoded"


def parameters(here: Request) -> dict[str, str]:
    """Those of the body; one without a value is not there.

    :raises InvalidRequest: the body is no form, or a parameter stands twice.
    """
    if here.mimetype != FORM:
        raise InvalidRequest(f"The body must be {FORM}.")
    if any(len(values) > 1 for _, values in here.form.lists()):
        raise InvalidRequest("A parameter stands twice.")
    return {name: value for name, value in here.form.items() if value}


def parameter(here: Request, name: str) -> str:
    """:raises InvalidRequest: it is not there."""
    value = parameters(here).get(name)
    if value is None:
        raise InvalidRequest(f"The parameter {name} is missing.")
    return value
