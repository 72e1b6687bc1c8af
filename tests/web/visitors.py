"""People who log in: over plain HTTP, and with a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.web.conftest import Answer, Dashboard

if TYPE_CHECKING:
    from collections.abc import Sequence

PASSWORD = "correct horse battery"
ROLES = ("viewer", "operator", "editor", "admin")
CHROMIUM = "/usr/bin/chromium"
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 390, "height": 844}


def add_users(dashboard: Dashboard, names: Sequence[str] = ROLES, *, role: str = "") -> None:
    """Make users, each of the role that it is named as, or of this one."""
    for name in names:
        dashboard.house.sure_with(f"{PASSWORD}\n", "user", "add", name, "--role", role or name)


@dataclass
class Visitor:
    """Keeps cookies and the CSRF token, as a browser does."""

    dashboard: Dashboard
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""
    # What stands before every path, where a proxy shows the dashboard below one of its own.
    prefix: str = ""

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self._kept(self.dashboard.ask(self.prefix + path, headers={**self._headers(), **(headers or {})}))

    def post(self, path: str, headers: Mapping[str, str] | None = None, **fields: str | list[str]) -> Answer:
        """Send a form with the token of the last page that had one; a list is a field given several times."""
        body = urlencode({"csrfmiddlewaretoken": self.token, **fields}, doseq=True).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded", **self._headers(), **(headers or {})}
        if self.dashboard.is_secure:
            # Over TLS a form says where it stands, and Django wants to know.
            form["Referer"] = f"https://localhost:{self.dashboard.port}{self.prefix}{path}"
        return self._kept(self.dashboard.ask(self.prefix + path, "POST", body=body, headers=form))

    def log_in(self, name: str, password: str = PASSWORD) -> Answer:
        self.get("/login")
        answer = self.post("/login", login=name, password=password)
        self.get("/")  # A login makes another token.
        return answer

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def _kept(self, answer: Answer) -> Answer:
        for line in answer.cookie_lines:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        if found := re.search(rb'csrfmiddlewaretoken" value="([A-Za-z0-9]+)"', answer.body):
            self.token = found[1].decode()
        return answer


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser of the machine; it ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, and whatever went wrong in it: console errors, requests off this host, answers of 500."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(f"{self.url}{path}")
        return self.page


def watched(context: BrowserContext, dashboard: Dashboard) -> Watched:
    """Open a page of this context that notes its faults."""
    url = f"http://127.0.0.1:{dashboard.port}"
    seen = Watched(context.new_page(), url)
    page = seen.page
    page.on("console", lambda message: seen.faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.faults.append(str(error)))
    page.on("request", lambda request: None if _is_ours(request.url, url) else seen.faults.append(request.url))
    return seen


def _is_ours(asked: str, url: str) -> bool:
    return asked.startswith((url, "data:", "blob:"))


def logged_in_by_form(context: BrowserContext, dashboard: Dashboard, name: str) -> Watched:
    """Log in as a person does and return a page that stands at home."""
    seen = watched(context, dashboard)
    page = seen.go("/login")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(f"{seen.url}/")
    return seen


def let_in(context: BrowserContext, dashboard: Dashboard, name: str) -> Watched:
    """Log in without showing the form, which takes a second each time, and return a page that shows nothing yet."""
    seen = watched(context, dashboard)
    form = context.request.get(f"{seen.url}/login").text()
    token = re.search(r'csrfmiddlewaretoken" value="([A-Za-z0-9]+)"', form)
    assert token, form
    fields = {"login": name, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    answer = context.request.post(f"{seen.url}/login", form=fields, max_redirects=0)  # type: ignore[arg-type]
    assert answer.status == 302, answer.text()
    return seen


def logged_in(context: BrowserContext, dashboard: Dashboard, name: str) -> Watched:
    """Return a page that stands at home, and whose visitor is logged in."""
    seen = let_in(context, dashboard, name)
    seen.go("/")
    return seen
