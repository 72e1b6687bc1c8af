"""Passkeys in a real browser, with an authenticator that Chromium plays: added, and logged in with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect
from tests.web.conftest import Dashboard, dashboard
from tests.web.visitors import PASSWORD, WIDE, add_users, chromium

__all__ = ["dashboard"]
pytestmark = pytest.mark.slow
# One in the machine itself that knows its owner, as a phone or a laptop has it.
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def browser(dashboard: Dashboard) -> Iterator[Browser]:
    add_users(dashboard, ["viewer", "admin"])
    with chromium() as started:
        yield started


class Holder:
    """A browser with an authenticator. By its name: an address in numbers can be nobody's passkey."""

    def __init__(self, context: BrowserContext, dashboard: Dashboard) -> None:
        self.page: Page = context.new_page()
        self.url = f"http://localhost:{dashboard.port}"
        self.faults: list[str] = []
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self._devices: CDPSession = context.new_cdp_session(self.page)
        self._devices.send("WebAuthn.enable")
        self._number = self._devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})[
            "authenticatorId"
        ]

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def log_in(self, name: str) -> None:
        self.go("/login")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in", exact=True).click()
        self.page.wait_for_url(f"{self.url}/")

    def log_out(self) -> None:
        self.page.evaluate("document.querySelector('form[action$=\"/logout\"]').submit()")
        self.page.wait_for_url("**/login*")

    def add(self, name: str, *, alone: bool) -> None:
        page = self.go("/account/fresh?next=/account/passkeys/add")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url("**/passkeys/add")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Passwordless").set_checked(alone)
        page.get_by_role("button", name="Add it").click()
        page.wait_for_url(lambda url: not url.endswith("/passkeys/add"))

    def passkeys(self) -> int:
        found = self._devices.send("WebAuthn.getCredentials", {"authenticatorId": self._number})
        return len(found["credentials"])

    def is_itself(self, is_verified: bool) -> None:
        """Let it know its owner, or not."""
        told = {"authenticatorId": self._number, "isUserVerified": is_verified}
        self._devices.send("WebAuthn.setUserVerified", told)


@contextmanager
def holding(browser: Browser, dashboard: Dashboard) -> Iterator[Holder]:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        yield Holder(context, dashboard)


def test_a_passkey_is_added_and_logs_in_alone(dashboard: Dashboard, browser: Browser) -> None:
    with holding(browser, dashboard) as holder:
        holder.log_in("admin")
        holder.add("laptop", alone=True)
        assert holder.passkeys() == 1
        expect(holder.go("/account/passkeys").locator("main")).to_contain_text("laptop")
        holder.log_out()

        holder.page.get_by_role("button", name="Log in with a passkey").click()

        holder.page.wait_for_url(f"{holder.url}/")
        expect(holder.go("/account").locator("main")).to_contain_text("admin")
        assert holder.faults == []
    rows = json.loads(dashboard.house.sure("audit", "list", "--json"))
    # The passkey, and the recovery codes that come with the first one.
    factors = ["add second factor"] * 2
    assert [row["action"] for row in rows[:5]] == ["log in", "log out", *factors, "log in"]


def test_a_passkey_is_a_second_factor_after_the_password(dashboard: Dashboard, browser: Browser) -> None:
    with holding(browser, dashboard) as holder:
        holder.log_in("viewer")
        holder.add("key", alone=False)
        holder.log_out()
        page = holder.go("/login")
        page.get_by_label("Username").fill("viewer")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url("**/login/second*")

        page.get_by_role("button", name="Use a passkey").click()

        page.wait_for_url(f"{holder.url}/")
        assert holder.faults == []


def test_an_authenticator_that_does_not_know_its_owner_opens_nothing(dashboard: Dashboard, browser: Browser) -> None:
    add_users(dashboard, ["ada"], role="viewer")
    with holding(browser, dashboard) as holder:
        holder.log_in("ada")
        holder.add("phone", alone=True)
        holder.log_out()
        holder.is_itself(False)

        holder.page.get_by_role("button", name="Log in with a passkey").click()

        expect(holder.page.locator("#passkey_fault")).to_be_visible()
        holder.go("/account")
        assert "/login" in holder.page.url


def test_a_passkey_that_was_removed_opens_nothing(dashboard: Dashboard, browser: Browser) -> None:
    add_users(dashboard, ["eve"], role="viewer")
    with holding(browser, dashboard) as holder:
        holder.log_in("eve")
        holder.add("lost", alone=True)
        holder.log_out()
        dashboard.house.sure("user", "reset-mfa", "eve")

        # The answer of the authenticator is sent as a form, and refused by another page.
        with holder.page.expect_navigation():
            holder.page.get_by_role("button", name="Log in with a passkey").click()

        holder.go("/account")
        assert "/login" in holder.page.url
