"""The OpenAPI description: whole, valid, and true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis.openapi
from flask import Blueprint, Flask

import flask_jwt_revoke
from flask_jwt_revoke.routes.oauth.form import FORM
from flask_jwt_revoke.routes.openapi import whole

from ..servers import Server
from .conftest import keys_of
from .examples import BASIC
from .fuzz import describe, fuzz

MakeApp = Callable[..., Flask]
OPERATIONS = [
    (path, method)
    for path, operations in whole()["paths"].items()
    for method in operations
    if method != "parameters"
]


@pytest.fixture
def everything(make_endpoints: MakeApp) -> Flask:
    app = make_endpoints()
    app.register_blueprint(app.revoke.blueprint())
    return app


def described(app: Flask) -> Any:
    with app.app_context():
        return app.revoke.openapi()


def test_each_endpoint_is_described_and_no_other(everything: Flask) -> None:
    rules = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in everything.url_map.iter_rules()
        if rule.endpoint.startswith("jwt_revoke")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert rules == set(OPERATIONS)
    assert set(described(everything)["paths"]) == set(whole()["paths"])
    assert whole()["info"]["version"] == flask_jwt_revoke.__version__
    schemathesis.openapi.from_dict(whole())


def test_a_form_is_said_to_have_each_parameter_once() -> None:
    bodies = [one["post"]["requestBody"]["content"] for one in _of_oauth(whole()["paths"])]
    schemas = [one[FORM]["schema"] for one in bodies if FORM in one]
    assert len(schemas) == 3
    for schema in schemas:
        kinds = [*schema["properties"].values(), schema["additionalProperties"]]
        assert {one["type"] for one in kinds} == {"string"}


def _of_oauth(paths: dict[str, Any]) -> list[Any]:
    return [operations for path, operations in paths.items() if path.startswith("/oauth/")]


def test_it_is_of_what_an_app_has_and_where(make_app: MakeApp) -> None:
    app = make_app(
        token_location=["cookies"], access_cookie="at", refresh_cookie_path="/", csrf_header="X-C"
    )
    app.register_blueprint(app.revoke.blueprint(url_prefix="/users"))
    app.register_blueprint(
        app.revoke.oauth_blueprint("tokens", url_prefix="/as", clients={"a": None})
    )
    found = described(app)
    assert {path for path in found["paths"] if "/as" in path} == {"/as/revoke"}
    assert found["paths"]["/users/sessions/{sid}"]["delete"]["operationId"]
    assert found["paths"]["/as/revoke"]["post"]["operationId"] == "tokens.revoke"
    assert found["paths"]["/users/sessions"]["get"]["security"] == [{"access_cookie": []}]
    assert found["components"]["securitySchemes"]["access_cookie"]["name"] == "at"
    assert found["components"]["parameters"]["csrf"]["name"] == "X-C"


def test_the_variables_of_a_prefix_are_described(everything: Flask) -> None:
    tenants = Blueprint("tenants", "tenants", url_prefix="/<tenant>")
    clients = {"a": None}
    tenants.register_blueprint(everything.revoke.oauth_blueprint(clients=clients))
    tenants.register_blueprint(everything.revoke.blueprint())
    everything.register_blueprint(tenants)
    found = described(everything)
    ours = {"name": "tenant", "in": "path", "required": True, "schema": {"type": "string"}}
    assert found["paths"]["/{tenant}/oauth/revoke"]["post"]["parameters"] == [ours]
    session = found["paths"]["/{tenant}/auth/sessions/{sid}"]
    assert all(ours in one["parameters"] for one in session.values())
    assert "parameters" not in found["paths"]["/oauth/revoke"]["post"]
    schemathesis.openapi.from_dict(found)


def test_an_app_without_the_extension_is_said_to_be_one() -> None:
    with Flask("bare").app_context(), pytest.raises(RuntimeError, match="init_app"):
        flask_jwt_revoke.JWTRevoke().openapi()


def test_rules_without_a_view_and_with_one_of_another_name_are_none_of_it(
    everything: Flask,
) -> None:
    before = described(everything)
    everything.add_url_rule("/soon", "soon")
    everything.add_url_rule("/out", "out", everything.view_functions["jwt_revoke.logout"])
    assert described(everything) == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_unauthorised_requests_get_described_answers_and_leave_nothing(
    everything: Flask, server: Server, operation: tuple[str, str]
) -> None:
    before = keys_of(server)
    statuses = fuzz(describe(everything), operation, 8)
    assert statuses <= {400, 401, 404, 405}
    assert keys_of(server) == before


@pytest.mark.parametrize("operation", OPERATIONS[:9], ids=" ".join)
def test_authorised_requests_get_described_answers(
    everything: Flask, operation: tuple[str, str]
) -> None:
    path, _ = operation

    def headers() -> dict[str, str]:
        if path.startswith("/oauth"):
            return {"Authorization": BASIC}
        with everything.app_context():
            pair = everything.revoke.issue("alice")
        return {"Authorization": f"Bearer {pair.refresh if 'refresh' in path else pair.access}"}

    assert fuzz(describe(everything), operation, 5, headers) & {200, 204, 404}
