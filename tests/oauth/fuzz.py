"""The description against a real app, by schemathesis: generated requests, good and bad."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Operation = tuple[str, str]


@schemathesis.serializer("application/secevent+jwt")
def as_it_is(_: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def describe(app: Flask) -> Any:
    """What schemathesis reads of an app, which is given a URL for that."""

    @app.get("/openapi.json")
    @app.revoke.exempt
    def openapi() -> dict[str, Any]:
        return app.revoke.openapi()

    return schemathesis.openapi.from_wsgi("/openapi.json", app)


def fuzz(
    schema: Any,
    operation: Operation,
    examples: int,
    headers: Callable[[], Mapping[str, str] | None] = lambda: None,
) -> set[int]:
    """Send requests, half of them as described; answers the statuses that came back.

    ``headers`` answers what authorises the next request.
    """
    path, method = operation
    seen: set[int] = set()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=schema[path][method].as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            answer = case.call(headers=headers())
            seen.add(answer.status_code)
            case.validate_response(answer, checks=CHECKS)

        send()
    return seen
