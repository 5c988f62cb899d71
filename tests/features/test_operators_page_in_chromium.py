"""The pages for operators in a real Chromium. Pictures are left in screenshots/."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from example_app.users import DEMO

from ..servers import Server
from .conftest import MakeApp, Visit
from .test_pages_in_chromium import LAPTOP, PHONE, picture, readable, says, sign_in, usable

HOUR = 60 * 60


@pytest.fixture
def app(example: MakeApp, server: Server, own_folder: Path) -> Flask:
    return example(server.url, own_folder)


@pytest.fixture
def busy(app: Flask, server: Server) -> Flask:
    """An hour in which people came and went."""
    authority = app.extensions["jwt_revoke"]
    for number, ago in enumerate(range(HOUR, 0, -150)):
        authority.clock = lambda ago=ago: time.time() - ago
        authority.issue(f"user{number % 9}", device="Pixel 8", agent="Chrome on Android")
    authority.clock = time.time
    with server.client() as store:
        for ago in (3000, 2950, 2900, 2000, 1990, 1980, 1970, 700):
            entry = {"subject": "bob", "event": "logged-out", "reason": "logout", "actor": "bob"}
            store.xadd("jwtrevoke:audit", entry, id=int(1000 * (time.time() - ago)))
    authority.issue("alice", device="Alice's laptop", device_id="laptop", agent="Firefox on Linux")
    authority.issue("alice", device="A phone", device_id="phone", agent="Chrome on Android")
    return app


def enter(page: Page) -> None:
    sign_in(page, "olga", DEMO["olga"])
    page.get_by_role("link", name="Operators").click()


def test_a_laptop(busy: Flask, visit: Visit) -> None:
    page = visit(**LAPTOP)
    enter(page)
    drawing = page.get_by_role("img", name="Sign-ins and revocations in the last hour", exact=True)
    expect(drawing).to_have_accessible_description(re.compile("8 revocations"))
    picture(page, "operators-laptop-1-overview")
    bars = drawing.locator("rect.revoked").evaluate_all("all => all.map(o => o.getBBox().height)")
    assert max(bars) > 2 * min(bars) > 0
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("row", name=re.compile(r"^\d\d:\d\d \d+ \d+$"))).to_have_count(12)

    page.get_by_role("link", name="Token", exact=True).click()
    expect(page.get_by_label("Token")).to_be_focused()
    token = busy.extensions["jwt_revoke"].issue("bob").access
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Revoke this token").click()
    says(page, "Revoked the access token")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("heading", name="Refused, revoked")).to_be_visible()
    expect(page.get_by_role("row", name="operator, just now")).to_contain_text("refused")
    assert token not in page.content()
    picture(page, "operators-laptop-2-token")


def test_the_keyboard_alone(busy: Flask, visit: Visit) -> None:
    page = visit("/sign-in?next=/operators/subject", **LAPTOP)
    sign_in(page, "olga", DEMO["olga"])
    expect(page.get_by_label("Subject")).to_be_focused()
    page.keyboard.type("alice")
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="A phone").focus()
    page.keyboard.press("Space")
    # While nothing is chosen, nothing is done, and one is led to the choice.
    page.keyboard.press("Enter")
    expect(page.get_by_role("radio", name="Sign out the chosen session").first).to_be_focused()
    assert len(busy.extensions["jwt_revoke"].sessions("alice")) == 2
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("lost_phone")
    picture(page, "operators-laptop-3-keyboard")
    page.keyboard.press("Enter")
    says(page, "Ended the session of alice.")
    expect(page.get_by_role("radio", name="A phone")).to_have_count(0)
    expect(page.get_by_role("row", name="lost_phone")).to_contain_text("olga")


def test_a_phone_without_scripts(busy: Flask, visit: Visit) -> None:
    page = visit(**PHONE)
    enter(page)
    picture(page, "operators-phone-1-overview")
    page.get_by_role("link", name="Doctor").click()
    expect(page.get_by_role("heading", name="eviction")).to_be_visible()
    picture(page, "operators-phone-2-doctor")
    page.goto("/operators/subject?subject=alice")
    page.get_by_role("radio", name="Block").check()
    page.get_by_role("button", name="Do it").click()
    says(page, "Blocked alice.")
    picture(page, "operators-phone-3-blocked")
    page.get_by_role("button", name="Unblock").click()
    says(page, "Unblocked alice.")


def test_every_page_can_be_read_and_used(busy: Flask, visit: Visit) -> None:
    page = visit(viewport={"width": 320, "height": 640}, color_scheme="light")
    enter(page)
    page.get_by_text("The same as a table").click()
    in_both_schemes(page, "operators")
    page.goto("/operators/subject?subject=alice")
    page.get_by_role("radio", name="A phone").check()
    page.get_by_role("radio", name="Block").check()
    page.get_by_label("Reason").fill("two words")
    page.get_by_role("button", name="Do it").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    for chosen in ("A phone", "Block"):
        expect(page.get_by_role("radio", name=chosen)).to_be_checked()
    in_both_schemes(page, "operators-subject-wrong")
    page.goto("/operators/token")
    page.get_by_label("Token").fill("no token")
    page.get_by_role("button", name="Explain").click()
    in_both_schemes(page, "operators-token")
    page.goto("/operators/doctor")
    in_both_schemes(page, "operators-doctor")


def in_both_schemes(page: Page, name: str) -> None:
    page.emulate_media(color_scheme="light")
    usable(page, f"narrow-light-{name}")
    page.emulate_media(color_scheme="dark")
    readable(page)
