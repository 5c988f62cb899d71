"""The OpenAPI 3.1 description of the endpoints, as an app has them."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from flask import Flask

from ..config import Config
from ..request import authority_of

_PLACEHOLDER = re.compile(r"<(?:[^<>:]*:)?([^<>]+)>")
_OF_COOKIES = ("access_cookie", "refresh_cookie")
_OF_HEADERS = ("access", "refresh")


def whole() -> dict[str, Any]:
    """Every endpoint, at the default paths. An operation is named after its view."""
    text = files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def description(app: Flask) -> dict[str, Any]:
    """The endpoints that an app has, at the paths where it has them."""
    found = whole()
    config = authority_of(app).config
    operations = _by_view(found)
    found["paths"] = {}
    for rule in app.url_map.iter_rules():
        # A rule may have no view yet, or one of ours under a name of the app's own.
        view, name = app.view_functions.get(rule.endpoint), rule.endpoint.rpartition(".")[2]
        if view and view.__module__.startswith(f"{__package__}.") and name in operations:
            method, operation = operations[name]
            path = found["paths"].setdefault(_PLACEHOLDER.sub(r"{\1}", rule.rule), {})
            own = {"operationId": rule.endpoint}
            path[method] = operation | _joined(_of_prefix(rule.rule), operation) | own
    _name_locations(found, config)
    return found


def _by_view(found: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Method and operation by the view's name; what is said of a path is said of each."""
    return {
        operation["operationId"]: (method, operation | _joined(path, operation))
        for path in found["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    }


def _of_prefix(rule: str) -> dict[str, Any]:
    """The variables of a rule that the author's own prefixes have."""
    names = [name for name in _PLACEHOLDER.findall(rule) if name != "sid"]
    about = {"in": "path", "required": True, "schema": {"type": "string"}}
    return {"parameters": [{"name": name, **about} for name in names]}


def _joined(path: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    parameters = path.get("parameters", []) + operation.get("parameters", [])
    return {"parameters": parameters} if parameters else {}


def _name_locations(found: dict[str, Any], config: Config) -> None:
    """Where tokens are looked for, and what the cookies are called."""
    components, locations = found["components"], config.token_location
    schemes = components["securitySchemes"]
    unused = [] if "headers" in locations else [*_OF_HEADERS]
    if "cookies" in locations:
        schemes["access_cookie"]["name"] = config.access_cookie
        schemes["refresh_cookie"]["name"] = config.refresh_cookie
        components["parameters"]["csrf"]["name"] = config.csrf_header
    else:
        unused += _OF_COOKIES
    for name in unused:
        del schemes[name]
    for path in found["paths"].values():
        for operation in path.values():
            operation["security"] = [
                one for one in operation["security"] if not set(one).intersection(unused)
            ]
