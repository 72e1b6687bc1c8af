"""Whether the time of an answer tells who has an account: a name that nobody has against a wrong password, by turns.

The least of many is compared: what a busy machine adds is left out, and what is left is the work itself.
"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from benchmarks.dashboards import add_user, dashboard
from benchmarks.house import Ground
from benchmarks.options import Options
from benchmarks.programs import TRUE
from benchmarks.report import Figure, Target

TRIES, QUICK_TRIES = 200, 8
# A name is locked after a hundred wrong passwords from one address, whatever the settings say.
USERS, TRIES_EACH = 4, 50
SECTION = "Who has an account, by the time of an answer"
# Nothing of it is to be locked or slowed here: that is another protection, and hides what is measured.
SETTINGS = {
    "web__logins_per_minute_and_address": 100_000,
    "web__failures_until_locked": 100,
    "web__login_failures_per_hour": 100_000,
}


def measure(ground: Ground, options: Options) -> list[Figure]:
    """Measure on SQLite: the hashes are the same before every database, and so are the questions."""
    tries = QUICK_TRIES if options.quick else TRIES
    differences, known, unknown = [], [], []
    for repeat in range(options.repeats):
        options.say(f"logins: repeat {repeat + 1} of {options.repeats}")
        with _served(ground) as port:
            with_account, without = _timed(port, tries)
        known.append(1000 * min(with_account))
        unknown.append(1000 * min(without))
        differences.append(100 * abs(min(with_account) - min(without)) / min(with_account))

    def figure(quantity: str, unit: str, values: list[float], target: Target | None = None) -> Figure:
        return Figure(section=SECTION, subject="log in", quantity=quantity, unit=unit, values=values, target=target)

    return [
        figure(f"least of {tries}, a wrong password", "ms", known),
        figure(f"least of {tries}, a name that nobody has", "ms", unknown),
        figure("difference of the two", "%", differences, Target(5)),
    ]


def _timed(port: int, tries: int) -> tuple[list[float], list[float]]:
    """Return the seconds of each try, with an account and without one; which comes first takes turns, too."""
    form = _Form(port)
    for number in range(3):
        form.post(f"warming{number}")
    spent: tuple[list[float], list[float]] = ([], [])
    for number in range(tries):
        user = number // TRIES_EACH % USERS
        for which in (0, 1) if number % 2 else (1, 0):
            began = time.perf_counter()
            form.post(f"{('known', 'nobody')[which]}{user}")
            spent[which].append(time.perf_counter() - began)
    return spent


class _Form:
    """The form of the login, asked over one connection that stays."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.request("GET", "/login")
        answer = self._connection.getresponse()
        page = answer.read()
        found = re.search(rb'csrfmiddlewaretoken" value="([A-Za-z0-9]+)"', page)
        assert found is not None
        self._token = found[1].decode()
        self._cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]

    def post(self, name: str) -> None:
        body = urlencode({"csrfmiddlewaretoken": self._token, "login": name, "password": "wrong"})
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/login", body=body, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 200, f"{name}: {answer.status}"


@contextmanager
def _served(ground: Ground) -> Iterator[int]:
    """Start a dashboard that knows some users, and yield its port."""
    home = ground.home("sqlite", TRUE, **SETTINGS)
    for number in range(USERS):
        add_user(home, f"known{number}")
    with dashboard(home) as served:
        yield served.port
    home.connection.close()
