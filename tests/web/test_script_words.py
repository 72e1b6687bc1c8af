"""Scripts speak the language of the page: another catalogue, other words."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route
from tests.web.conftest import Dashboard
from tests.web.visitors import add_users, chromium, logged_in

pytestmark = pytest.mark.slow


def test_times_are_told_in_the_words_that_the_page_brings(dashboard: Dashboard) -> None:
    add_users(dashboard, ["viewer"])

    def in_another_language(route: Route) -> None:
        answer = route.fetch()
        page = re.sub(r"\{span\} ago", "il y a {span}", answer.text())
        now = '<time datetime="2020-01-01T00:00:00Z" data-time="relative" id="probe"></time></body>'
        route.fulfill(response=answer, body=page.replace("</body>", now))

    with chromium() as browser:
        context = browser.new_context()
        seen = logged_in(context, dashboard, "viewer")
        context.route("**/health", in_another_language)
        page = seen.go("/health")
        words = page.locator("#probe").text_content() or ""
        no_script = page.locator("script:not([src]):not([type='application/json'])").count()

    assert re.fullmatch(r"il y a \d+ d", words), words
    assert (no_script, seen.faults) == (0, [])
