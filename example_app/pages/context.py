"""What every template can name."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from flask_jwt_revoke import current_token

from ..api import revoke
from ..fields import NAME_RULE, SHORTEST_PASSWORD
from .operators.admission import is_operator


def add_to(blueprint: Blueprint) -> None:
    blueprint.app_context_processor(names)


def names() -> dict[str, Any]:
    return {
        "current_token": current_token,
        "csrf_token": revoke.csrf_token,
        "is_operator": is_operator,
        "name_rule": NAME_RULE,
        "shortest_password": SHORTEST_PASSWORD,
    }
