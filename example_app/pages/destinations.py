"""Where a redirect may lead. What a URL says is compared with these, never followed."""

from __future__ import annotations

import re

from flask import Response, make_response, redirect

DEVICES = "/devices"
PASSWORD = "/password"  # noqa: S105 - a path
OPERATORS = "/operators"
# Whatever is quoted in it, this begins with our own path, and ends with the subject.
_SUBJECT = rf"{OPERATORS}/subject(?:\?subject=[\w!$'()*+,./:;?@~%-]*)?"
_PAGES = re.compile(rf"{PASSWORD}|{OPERATORS}(?:/token|/doctor)?|{_SUBJECT}", re.A)
# What a form may be sent to again.
_FORMS = re.compile(
    rf"{PASSWORD}|{DEVICES}/(?:[\w-]+/sign-out|sign-out-(?:others|everywhere))"
    rf"|{OPERATORS}/token|{_SUBJECT}",
    re.A,
)


def destination(asked: str | None) -> str:
    """The page that was asked for, or the devices."""
    return asked if asked is not None and _PAGES.fullmatch(asked) else DEVICES


def form(asked: str | None) -> str | None:
    return asked if asked is not None and _FORMS.fullmatch(asked) else None


def go_to(url: str) -> Response:
    """On with a GET, whatever this request was."""
    return make_response(redirect(url, 303))


def send_to(url: str) -> Response:
    """On with the same form, which the browser sends again."""
    return make_response(redirect(url, 307))
