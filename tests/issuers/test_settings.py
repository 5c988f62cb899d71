"""``ISSUERS`` is checked when the app starts."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flask_jwt_revoke import Config, ConfigurationError
from flask_jwt_revoke.issuers import Issuer

from ..conftest import SECRET
from .conftest import SHOP

GOOD = {"jwks_url": "https://id.example/certs", "audience": "shop"}
OTHER = "https://bank.example"


def config(issuers: Any, **settings: Any) -> Config:
    named = {f"JWT_REVOKE_{name.upper()}": value for name, value in settings.items()}
    return Config.from_mapping({"SECRET_KEY": SECRET, "JWT_REVOKE_ISSUERS": issuers} | named)


def test_the_defaults() -> None:
    assert config(None).issuers is None
    found = config({SHOP: GOOD}).issuers[SHOP]
    assert (found.name, found.audience, found.algorithms) == (SHOP, ("shop",), ("RS256",))
    assert (found.timeout, found.refresh, found.cooldown) == (2, 300, 10)
    assert (found.lifetime, found.outage) == (30 * 86400, 86400)
    assert (found.claims, found.require, found.typ) == ({}, {}, ("", "jwt", "at+jwt"))


def test_seconds_may_be_a_timedelta() -> None:
    found = config({SHOP: GOOD | {"lifetime": timedelta(hours=1)}}).issuers[SHOP]
    assert found.lifetime == 3600


@pytest.mark.parametrize("issuers", [{}, [], "https://id.example", 7, [SHOP]])
def test_what_is_no_mapping_of_issuers_is_refused(issuers: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"JWT_REVOKE_ISSUERS takes a dict .*, got "):
        config(issuers)


@pytest.mark.parametrize(
    "name", ["", 7, "a b", "https://id.example#", "a\nb", "x" * 129, "https://ü.example"]
)
def test_a_name_that_cannot_be_an_issuers_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"JWT_REVOKE_ISSUERS takes issuers of .*, got "):
        config({name: GOOD})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jwks_url", 7), ("jwks_url", "id.example"), ("jwks_url", "file:///etc/passwd"),
        ("jwks_url", "http://id.example/certs"), ("jwks_url", "http://10.0.0.1/"),
        ("jwks_url", "https://"), ("jwks_url", "https://[id"), ("jwks_url", "https://id.example:x"),
        ("jwks_url", None), ("audience", []), ("audience", ""),
        ("audience", [7]), ("audience", None), ("algorithms", "none"), ("algorithms", []),
        ("algorithms", "rs256"), ("algorithms", ["RS256", "HS256"]), ("algorithms", "HS256"),
        ("claims", {"scope": "scp"}), ("claims", {"sub": ""}), ("claims", "sub"),
        ("require", {"typ": []}), ("require", {7: "x"}), ("require", "typ"), ("require", {"a": 7}),
        ("typ", 7), ("typ", []), ("lifetime", 0), ("lifetime", "1h"), ("lifetime", True),
        ("timeout", 0), ("timeout", 31), ("refresh", 0), ("cooldown", 0), ("outage", -1),
        ("outage", float("nan")),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_with_its_name(setting: str, value: Any) -> None:
    where = rf"JWT_REVOKE_ISSUERS\['{SHOP}'\]\['{setting}'\]"
    with pytest.raises(ConfigurationError, match=rf"^{where}.* takes .*, got "):
        config({OTHER: GOOD, SHOP: GOOD | {setting: value}})


@pytest.mark.parametrize(
    ("settings", "takes"),
    [
        (7, "a dict of settings"), (GOOD | {"jwks_uri": "https://id.example"}, "the settings"),
        ({"audience": "shop"}, "either jwks_url or keys"),
        (GOOD | {"keys": {"a": "key"}}, "either jwks_url or keys"),
        ({"jwks_url": "https://id.example"}, "an audience"),
    ],
)  # fmt: skip
def test_what_cannot_work_together_is_refused(settings: Any, takes: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"ISSUERS\['{SHOP}'\] takes {takes}.*, got "):
        config({SHOP: settings})


@pytest.mark.parametrize("keys", [{}, [], "key", {7: "key"}, {"a": ""}, {"a": 7}, {"a": "\udcff"}])
def test_bad_keys_are_refused_and_not_shown(keys: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"\['keys'\] takes a dict of key id to key, got "):
        config({SHOP: {"keys": keys, "audience": "shop"}})


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]", "localhost", "keycloak:8080"])
def test_a_host_that_is_near_may_be_asked_without_tls(host: str) -> None:
    url = f"http://{host}/certs"
    assert config({SHOP: GOOD | {"jwks_url": url}}).issuers[SHOP].jwks_url == url


def test_the_apps_own_issuer_is_no_outside_one() -> None:
    assert config({SHOP: GOOD}, issuer=OTHER).issuer == OTHER
    with pytest.raises(ConfigurationError, match="JWT_REVOKE_ISSUER is the app's own"):
        config({SHOP: GOOD}, issuer=SHOP)


def test_the_longest_lifetime_is_that_of_any_token() -> None:
    found = config({SHOP: GOOD | {"lifetime": timedelta(days=90)}, OTHER: GOOD})
    assert found.longest_lifetime == 90 * 86400
    assert config({SHOP: GOOD | {"lifetime": 60}}).longest_lifetime == 30 * 86400


def test_promise_12_no_secret_is_shown() -> None:
    shared = {"keys": {"a": "hidden-key"}, "audience": "shop", "algorithms": "HS256"}
    found = config({SHOP: shared})
    assert "hidden-key" not in repr(found) + repr(found.issuers)


def test_the_examples_of_the_page_can_be_pasted() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "issuers.md").read_text()
    examples = re.findall(r"```python\napp\.config\[\"(\w+)\"\] = (.*?)```", page, re.DOTALL)
    assert len(examples) == 4
    for name, value in examples:
        assert config(ast.literal_eval(value)).issuers, name
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert rows == [one.name for one in fields(Issuer) if one.name != "name"]
