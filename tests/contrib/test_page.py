"""docs/flask-jwt-extended.md: what it shows runs, and does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ..redis_page import administrator
from ..servers import Server

PAGE = Path(__file__).parents[2] / "docs" / "flask-jwt-extended.md"


def snippets() -> dict[str, str]:
    """By the heading that each stands under; the last of each."""
    found = re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return {
        heading: code
        for heading, text in found
        for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)[:1]
    }


def run(*codes: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    for code in codes:
        exec(compile(code, PAGE.name, "exec"), names)
    return names


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("heading", "refresh_after_logout"), [("Before", 200), ("After", 401)])
def test_before_and_after_differ_in_what_a_logout_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch, heading: str, refresh_after_logout: int
) -> None:
    monkeypatch.setenv("REDIS_URL", administrator(server.url))
    client = run(snippets()[heading])["app"].test_client()
    tokens = client.post("/login", json={"username": "alice"}).json
    access, refresh = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
    assert client.get("/me", headers=access).json == {"user": "alice"}
    assert client.post("/refresh", headers=refresh).status_code == 200
    assert client.post("/logout", headers=access).status_code == 200
    assert client.get("/me", headers=access).json == {"msg": "Token has been revoked"}
    assert client.post("/refresh", headers=refresh).status_code == refresh_after_logout


def test_the_factory_and_the_changed_password(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", administrator(server.url))
    page = snippets()
    factory = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[2]
    create_app = run(page["After"], factory)["create_app"]
    settings = {"JWT_SECRET_KEY": "x" * 32, "JWT_REVOKE_REDIS_URL": server.url}
    assert "jwt_revoke" in create_app(settings).extensions
    names = run(page["After"], page["Sessions"])
    with names["app"].app_context():
        old = names["create_access_token"]("alice", fresh=True)
    client = names["app"].test_client()
    new = client.post("/password", headers=bearer(old), json={"device": "Pixel 8"}).json
    assert client.get("/me", headers=bearer(old)).status_code == 401
    assert client.get("/me", headers=bearer(new["access_token"])).status_code == 200
    with names["app"].app_context():
        assert [one.device for one in names["revoke"].sessions("alice")] == ["Pixel 8"]


def test_the_page_names_the_oldest_release_that_is_tested() -> None:
    from .test_oldest import OLDEST

    assert f"flask-jwt-extended {OLDEST} and newer" in PAGE.read_text()
