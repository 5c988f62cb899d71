"""Refuse what another site's page posts, where no token guards the form: on signing in.

As Go's CrossOriginProtection does: each browser of today says where a request is from.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, abort, request

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


def add_to(blueprint: Blueprint) -> None:
    blueprint.before_request(refuse_other_sites)


def refuse_other_sites() -> None:
    if request.method not in _SAFE and not _is_our_own():
        abort(403, "The form was sent by another site. Nothing was changed.")


def _is_our_own() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    # Neither header: no browser, and so nobody's cookies but the sender's own.
    return origin is None or urlsplit(origin).netloc == request.host
