"""What the README and the pages say is true."""

from __future__ import annotations

import re
import runpy
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt

from flask_jwt_revoke import Authority, RevokedToken

from .conftest import SECRET
from .servers import Server

ROOT = Path(__file__).parents[1]


def readme_program() -> str:
    program, _ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(program)


def test_the_readmes_app_is_short_and_runs_as_pasted(tmp_path: Path) -> None:
    pasted = tmp_path / "app.py"
    pasted.write_text(readme_program())
    assert len(readme_program().splitlines()) <= 25
    client = runpy.run_path(str(pasted))["app"].test_client()

    def sign_in() -> dict[str, Any]:
        pair = client.post("/login", json={"username": "alice"}).json
        return {"Authorization": f"Bearer {pair['access_token']}"}

    phone, laptop = sign_in(), sign_in()
    assert client.get("/me", headers=phone).json == {"user": "alice"}
    assert client.post("/logout-everywhere", headers=phone).json == {"revoked": 4}
    assert client.get("/me", headers=laptop).json["reason"] == "revoked"


def test_the_page_of_settings_is_current() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate_settings.py"))
    assert (ROOT / "docs" / "settings.md").read_text() == generate["page"]()


def test_the_app_of_the_page_of_endpoints_has_them_all(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "endpoints.md").read_text()
    first, *_, last = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    pasted = tmp_path / "app.py"
    pasted.write_text(first + last)
    app = runpy.run_path(str(pasted))["app"]
    client = app.test_client()
    described = client.get("/openapi.json").json["paths"]
    assert all(path in page for path in described if path.startswith("/oauth"))
    assert len(described) == 10
    sent = {"data": {"token": "x"}, "auth": ("shop", "its+secret")}
    assert client.post("/oauth/revoke", **sent).status_code == 200


class TestAChangeOfStrategy:
    """As docs/strategies.md says what happens to the tokens that there are."""

    def passes(self, authority: Authority, token: str) -> bool:
        try:
            authority.check(token)
        except RevokedToken:
            return False
        return True

    def test_nobody_notices(self, server: Server, make_authority: Callable[..., Authority]) -> None:
        one, other = (
            make_authority(server.url, strategy=name) for name in ("blacklist", "version")
        )
        for before, after in ((one, other), (other, one)):
            live, dead, gone = (before.issue(name).access for name in ("alice", "alice", "bob"))
            before.logout(dead)
            before.logout_everywhere("bob")
            assert self.passes(after, live)
            assert not self.passes(after, dead)
            assert not self.passes(after, gone)

    def test_to_and_from_the_allowlist(
        self, server: Server, make_authority: Callable[..., Authority]
    ) -> None:
        black, allow, version = (
            make_authority(server.url, strategy=name)
            for name in ("blacklist", "allowlist", "version")
        )
        assert self.passes(allow, black.issue("alice").access)
        assert not self.passes(allow, version.issue("alice").access)
        claims = {"sub": "bob", "jti": uuid.uuid4().hex, "exp": int(time.time()) + 60}
        outside = jwt.encode(claims, SECRET)
        allow.record(claims)
        allow.logout_everywhere("bob")
        assert not self.passes(allow, outside)
        assert self.passes(black, outside)
