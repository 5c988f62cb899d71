"""The example app's pages in a real Chromium: two browser contexts are two devices.

Each test leaves pictures in screenshots/ for a person to look at.
"""

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

PICTURES = Path(__file__).parents[2] / "screenshots"
LAPTOP = {
    "viewport": {"width": 1280, "height": 800},
    "color_scheme": "light",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "user_agent": "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36"
    " (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "java_script_enabled": False,
}
WRONG = "The user name or the password is wrong."
SIGNED_OUT = "You have been signed out"


@pytest.fixture
def app(example: MakeApp, server: Server, own_folder: Path) -> Flask:
    return example(server.url, own_folder)


def sign_in(page: Page, name: str = "alice", password: str = DEMO["alice"]) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    page.wait_for_load_state()
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def has_cards(page: Page, *names: str) -> None:
    expect(page.get_by_role("article").get_by_role("heading")).to_have_text(list(names))


def says(page: Page, words: str) -> None:
    expect(page.get_by_role("status").filter(has_text=words)).to_be_visible()


class TestTwoDevices:
    @pytest.fixture
    def laptop(self, visit: Visit) -> Page:
        """On which Carol has registered."""
        page = visit(**LAPTOP)
        picture(page, "laptop-1-sign-in")
        page.get_by_role("link", name="Register").click()
        page.get_by_label("User name").fill("Carol")
        page.get_by_label("Password").fill("a long password")
        picture(page, "laptop-2-register")
        page.get_by_role("button", name="Create account").click()
        has_cards(page, "Firefox on Linux")
        return page

    @pytest.fixture
    def phone(self, app: Flask, visit: Visit, laptop: Page) -> Page:
        """On which she has signed in too, a second later: sessions are listed by the second."""
        app.extensions["jwt_revoke"].clock = lambda: time.time() + 1
        page = visit(**PHONE)
        sign_in(page, "carol", "a long password")
        return page

    def test_one_signs_the_other_out(self, laptop: Page, phone: Page) -> None:
        has_cards(phone, "Chrome Mobile on Android", "Firefox on Linux")
        this, other = phone.get_by_role("article").all()
        expect(this).to_contain_text("This device")
        expect(other).not_to_contain_text("This device")
        for card in (this, other):
            expect(card).to_contain_text("just now")
            expect(card).to_contain_text("127.0.0.0/24")
        picture(phone, "phone-1-devices")

        phone.get_by_role("button", name="Sign out Firefox on Linux, last seen just now").click()
        says(phone, "The device is signed out.")
        has_cards(phone, "Chrome Mobile on Android")
        picture(phone, "phone-2-signed-out-the-laptop")

        laptop.get_by_role("link", name="Password").click()
        expect(laptop.get_by_role("heading", name="Sign in")).to_be_visible()
        says(laptop, SIGNED_OUT)
        name = laptop.get_by_label("User name")
        expect(name).to_be_focused()
        expect(name).to_have_accessible_description(re.compile(SIGNED_OUT))
        picture(laptop, "laptop-3-was-signed-out")
        sign_in(laptop, "carol", "a long password")
        expect(laptop.get_by_role("heading", name="Change password")).to_be_visible()

    def test_one_signs_out_the_others_then_everywhere(self, laptop: Page, phone: Page) -> None:
        laptop.reload()
        picture(laptop, "laptop-4-devices")
        laptop.get_by_role("button", name="Sign out the others").click()
        says(laptop, "The other device is signed out.")
        # Its next click is a button on a page of before.
        phone.get_by_role("button", name="Sign out everywhere").click()
        says(phone, SIGNED_OUT)
        picture(phone, "phone-3-was-signed-out")
        has_cards(laptop, "Firefox on Linux")

        sign_in(phone, "carol", "a long password")
        phone.get_by_role("button", name="Sign out everywhere").click()
        says(phone, "You are signed out everywhere.")
        laptop.reload()
        says(laptop, SIGNED_OUT)
        laptop.goto("/devices")
        expect(laptop.get_by_role("heading", name="Sign in")).to_be_visible()

    def test_one_changes_the_password(self, laptop: Page, phone: Page) -> None:
        phone.get_by_role("link", name="Password").click()
        picture(phone, "phone-4-password")
        phone.get_by_label("Current password").fill("a wrong one")
        phone.get_by_label("New password").fill("quite another one")
        phone.get_by_role("button", name="Change password").click()
        current = phone.get_by_label("Current password")
        expect(current).to_have_accessible_description("The current password is wrong.")
        expect(current).to_be_focused()
        picture(phone, "phone-5-wrong-password")

        current.fill("a long password")
        phone.get_by_label("New password").fill("quite another one")
        phone.get_by_role("button", name="Change password").click()
        says(phone, "Your password is changed")
        has_cards(phone, "Chrome Mobile on Android")

        laptop.reload()
        says(laptop, SIGNED_OUT)
        sign_in(laptop, "carol", "a long password")
        expect(laptop.get_by_role("alert")).to_have_text(WRONG)
        again = laptop.get_by_label("Password")
        expect(again).to_be_focused()
        expect(again).to_have_accessible_description(WRONG)
        picture(laptop, "laptop-5-wrong-password")
        sign_in(laptop, "carol", "quite another one")
        expect(laptop.get_by_role("article")).to_have_count(2)


def test_an_expired_token_is_renewed_unseen(app: Flask, visit: Visit) -> None:
    page = visit(**PHONE)
    sign_in(page)
    app.extensions["jwt_revoke"].clock = lambda: time.time() + 20 * 60
    page.get_by_role("link", name="Password").click()
    expect(page.get_by_role("heading", name="Change password")).to_be_visible()
    page.get_by_role("link", name="Devices").click()
    has_cards(page, "Chrome Mobile on Android")
    app.extensions["jwt_revoke"].clock = lambda: time.time() + 50 * 60
    page.get_by_role("button", name="Sign out everywhere").click()
    says(page, "You are signed out everywhere.")


def test_the_keyboard_alone(visit: Visit) -> None:
    page = visit(**LAPTOP)
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(DEMO["alice"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()

    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    picture(page, "laptop-6-keyboard")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(
        page.get_by_role("button", name="Sign out this device, Firefox on Linux")
    ).to_be_focused()
    page.keyboard.press("Enter")
    says(page, "You are signed out.")


def test_another_sites_form_signs_nobody_in(visit: Visit, site: str) -> None:
    page = visit(**LAPTOP)
    form = f"""<form method="post" action="{site}/sign-in">
        <input name="username" value="bob"><input name="password" value="{DEMO["bob"]}">
        <button>Win a prize</button></form>"""
    page.route(
        "http://evil.test/", lambda route: route.fulfill(body=form, content_type="text/html")
    )
    page.goto("http://evil.test/")
    page.get_by_role("button").click()
    expect(page.get_by_text("The form was sent by another site.")).to_be_visible()
    assert not [one for one in page.context.cookies(site) if one["name"] == "access_token"]


# For each text: the ratio of WCAG 2.2 section 1.4.3 between its colour and what is behind it.
CONTRASTS = """() => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number)
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
    const behind = element => {
        const [r, g, b, a = 1] = channels(getComputedStyle(element).backgroundColor)
        return a === 1 || !element.parentElement ? [r, g, b] : behind(element.parentElement)
    }
    const texts = [...document.body.querySelectorAll('*')].filter(
        e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    return texts.map(e => {
        const [one, two] = [light(channels(getComputedStyle(e).color)), light(behind(e))]
        return [e.textContent.trim(), (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05)]
    })
}"""

HEIGHTS = "all => all.map(one => [one.innerText, one.getBoundingClientRect().height])"
FIELDS = "all => all.map(one => [one.labels.length, one.getAttribute('autocomplete')])"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_and_used(visit: Visit, scheme: str) -> None:
    page = visit(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    usable(page, f"narrow-{scheme}-sign-in")
    sign_in(page, password="wrong")
    usable(page, f"narrow-{scheme}-wrong")
    page.goto("/register")
    page.get_by_label("User name").fill("x")
    page.get_by_label("Password").fill("long enough")
    page.get_by_role("button", name="Create account").click()
    usable(page, f"narrow-{scheme}-register")
    page.goto("/sign-in")
    sign_in(page)
    usable(page, f"narrow-{scheme}-devices")
    page.goto("/password")
    usable(page, f"narrow-{scheme}-password")
    page.goto("/nowhere")
    usable(page, f"narrow-{scheme}-problem")


def usable(page: Page, name: str) -> None:
    picture(page, name)
    assert page.title().removeprefix("Error: ") != page.title() or not name.endswith("wrong")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for landmark in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    wide, shown = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= shown == 320
    readable(page)
    for text, height in page.get_by_role("button").evaluate_all(HEIGHTS):
        assert height >= 44, text
    for labels, autocomplete in page.locator("input:visible").evaluate_all(FIELDS):
        assert labels == 1
        assert autocomplete


def readable(page: Page) -> None:
    low = {text: ratio for text, ratio in page.evaluate(CONTRASTS) if ratio < 4.5}
    assert not low, low
