"""Where a redirect may lead. What a URL says is compared with these, never followed."""

from __future__ import annotations

import re

from flask import Response, make_response, redirect

DEVICES = "/devices"
PASSWORD = "/password"  # noqa: S105 - a path
# What a form may be sent to again.
_FORMS = re.compile(
    rf"{PASSWORD}|{DEVICES}/(?:[\w-]+/sign-out|sign-out-(?:others|everywhere))", re.A
)


def destination(asked: str | None) -> str:
    """The page that was asked for, or the devices."""
    return PASSWORD if asked == PASSWORD else DEVICES


def form(asked: str | None) -> str | None:
    return asked if asked is not None and _FORMS.fullmatch(asked) else None


def go_to(url: str) -> Response:
    """On with a GET, whatever this request was."""
    return make_response(redirect(url, 303))


def send_to(url: str) -> Response:
    """On with the same form, which the browser sends again."""
    return make_response(redirect(url, 307))
