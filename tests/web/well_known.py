"""Somebody who may log in by all that there is: a password with a code of an app or of paper, and an API key."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.web.api_callers import Caller, make_key
from tests.web.conftest import Dashboard, House
from tests.web.factors import totp
from tests.web.visitors import PASSWORD, Visitor

# A code is good once: as if the half minute of the last one were over.
FORGET = """
from smart_cron.config import load_config
from smart_cron.store.gateway import open_store
open_store(load_config().database_url).session.execute("DELETE FROM smart_cron_rate_limits")
"""
REVOKE = """
import sys
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
store = open_web_store(load_config())
from smart_cron.store.people.keys import KeyBook
book = KeyBook(store.session, store.audit)
assert all(book.revoke(key.id, user_id=None, actor="test") for key in book.keys())
"""


@dataclass(frozen=True)
class WellKnown:
    """What they have: the secret of the app, a code on paper, a key, and a browser that is logged in."""

    name: str
    secret: str
    paper: str
    key: str
    browser: Visitor

    def gets_in(self, dashboard: Dashboard) -> None:
        """Fail unless each of it opens this dashboard, and the browser's session does not."""
        stranger = Visitor(dashboard, cookies=dict(self.browser.cookies))
        assert stranger.get("/account").status == 302
        run(dashboard.house, FORGET)
        for code in (lambda: self.paper, lambda: totp(self.secret)):
            visitor = Visitor(dashboard)
            assert visitor.log_in(self.name).headers["location"].startswith("/login/second")
            visitor.get("/login/second")
            send_in_time(visitor, "/login/second", code)
            assert visitor.get("/account").status == 200
        assert Caller(dashboard, self.key).ask("GET", "/tasks").status == 200


def send_in_time(visitor: Visitor, path: str, code: Callable[[], str]) -> None:
    """Send a code that counts; another one where its half minute ended on the way."""
    while True:
        half_minute = time.time() // 30
        if visitor.post(path, code=code()).status == 302:
            return
        assert time.time() // 30 != half_minute, "the code does not count"


def make_well_known(dashboard: Dashboard, name: str, *, role: str = "admin") -> WellKnown:
    """Make a user, and let them set everything up."""
    dashboard.house.sure_with(f"{PASSWORD}\n", "user", "add", name, "--role", role)
    visitor = Visitor(dashboard)
    visitor.log_in(name)
    visitor.get("/account/fresh?next=/account/totp")
    visitor.post("/account/fresh", password=PASSWORD, next="/account/totp")
    found = re.search(r"<code[^>]*>([A-Z2-7]{32})</code>", visitor.get("/account/totp").body.decode())
    assert found
    send_in_time(visitor, "/account/totp", lambda: totp(found[1]))
    visitor.get("/account/codes")
    shown = re.search(r"<pre[^>]*>([^<]+)</pre>", visitor.post("/account/codes").body.decode())
    assert shown
    paper = html.unescape(shown[1]).split()[0]
    return WellKnown(name, found[1], paper, make_key(dashboard.house, name, "viewer"), visitor)


def revoke_keys(house: House) -> None:
    """Revoke every key, as the settings page does."""
    run(house, REVOKE)


def run(house: House, code: str) -> None:
    """Run this as a process of that home."""
    subprocess.run([sys.executable, "-c", code], env=house.environment, cwd=Path("/"), check=True)
