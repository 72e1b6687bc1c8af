"""Takes the pictures of `docs/dashboard.md` from a dashboard that runs: `python docs/screenshots.py URL USER`.

The password is read from the standard input. The pictures are of what that dashboard shows, so let some tasks run
there first (`smart-cron demo`). Chromium must be there; development's requirements hold the rest.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
WIDE, TALL, NARROW = {"width": 1280, "height": 800}, {"width": 1280, "height": 1240}, {"width": 390, "height": 780}
# Stands for the page of the last run that took a while.
LONG_RUN = "/runs?status=success&least=30"
# Name of the picture: address, size and theme.
PICTURES = {
    "home": ("/", WIDE, "light"),
    "home-dark": ("/", WIDE, "dark"),
    "home-phone": ("/", NARROW, "dark"),
    "tasks": ("/tasks", WIDE, "light"),
    "run": (LONG_RUN, TALL, "light"),
    "run-phone": (LONG_RUN, NARROW, "dark"),
    "alerts": ("/alerts", WIDE, "light"),
    "alert-phone": ("/alerts/1", NARROW, "light"),
    "health": ("/health", WIDE, "light"),
    "audit": ("/audit", WIDE, "light"),
    "backups": ("/backups", WIDE, "dark"),
    "wall-board": ("/tv", WIDE, "dark"),
}


def main(url: str, user: str, password: str) -> None:
    """Take every picture."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        cookies = _logged_in(browser, url, user, password)
        for name, (path, size, theme) in PICTURES.items():
            context = browser.new_context(viewport=size, color_scheme=theme, storage_state=cookies)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(f"{url}{path}")
            if path == LONG_RUN:
                page.locator("main tbody a[href*='/runs/']").first.click()
            _wait(page)
            page.screenshot(path=IMAGES / f"{name}.png")
            context.close()
        browser.close()


def _logged_in(browser: Browser, url: str, user: str, password: str) -> object:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/login")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(f"{url}/")
    return context.storage_state()


def _wait(page: Page) -> None:
    """Until fonts are there and charts are drawn: a drawn canvas has a size of its own."""
    page.evaluate("document.fonts.ready")
    expect(page.locator("figure[data-chart] canvas:not([style])")).to_have_count(0)


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2], sys.stdin.readline().rstrip("\n"))
