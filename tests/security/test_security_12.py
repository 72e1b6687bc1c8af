"""SECURITY 12: a name that nobody has is answered as a wrong password is: in words, and in what is done for it.

How long both take is measured by `python -m benchmarks logins`; here is held what makes it the same: so many hashes of
the same cost, the same questions to the database in the same order, and the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.security.peers import asking
from tests.web.conftest import Answer, House, make_house, served
from tests.web.visitors import PASSWORD, Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
WATCHED = """
import pathlib
_done = pathlib.Path({path!r})
def _note(line):
    with _done.open("a") as file: file.write(line.replace(chr(10), " ") + chr(10))
from django.contrib.auth.hashers import Argon2PasswordHasher as hasher
_encode, _verify = hasher.encode, hasher.verify
def encode(self, password, salt):
    _note(f"hash {{self.time_cost}} {{self.memory_cost}} {{self.parallelism}}")
    return _encode(self, password, salt)
def verify(self, password, encoded):
    told = self.decode(encoded)
    _note(f"hash {{told['time_cost']}} {{told['memory_cost']}} {{told['parallelism']}}")
    return _verify(self, password, encoded)
hasher.encode, hasher.verify = encode, verify
from django.db.backends.utils import CursorWrapper
_execute = CursorWrapper.execute
def execute(self, sql, params=None):
    _note(f"sql {{sql}}")
    return _execute(self, sql, params)
CursorWrapper.execute = execute
"""


class Watch:
    """A dashboard that writes down each hash and each question to its database."""

    def __init__(self, house: House) -> None:
        self.path = house.home / "done"
        self.dashboard = served(house, code=WATCHED.format(path=str(self.path)))

    def of(self, visitor: Visitor, name: str, password: str) -> tuple[Answer, list[str]]:
        """Try to log in; return the answer and what was done for it."""
        self.path.write_text("")
        answer = visitor.post("/login", login=name, password=password)
        # A savepoint is named after the thread that made it.
        done = re.sub(r"s\d+_x\d+", "NAME", self.path.read_text())
        return answer, [line for line in done.splitlines() if not is_heartbeat(line)]


def is_heartbeat(line: str) -> bool:
    """Whether this is what a server says each minute by itself, that it listens."""
    return "listened_at" in line or line.startswith(("sql PRAGMA", "sql BEGIN", "sql COMMIT"))


@pytest.fixture
def watch(make_house: Callable[..., House]) -> Watch:
    found = Watch(make_house())
    add_users(found.dashboard, ["known", "disabled", "factored", "other"], role="viewer")
    found.dashboard.house.sure("user", "disable", "disabled")
    return found


def dressed(answer: Answer, name: str) -> tuple[int, dict[str, str], bytes]:
    """Return all that a stranger sees, but for the name that they typed and the token of the form."""
    body = re.sub(rb'csrfmiddlewaretoken" value="[A-Za-z0-9]+"', b"token", answer.body).replace(name.encode(), b"NAME")
    headers = {
        key: value
        for key, value in answer.headers.items()
        if key not in ("date", "expires", "set-cookie", "content-length")
    }
    return answer.status, headers, body


def test_nobody_can_tell_who_has_an_account(watch: Watch) -> None:
    # The first of all tries makes what later ones find made, such as connections.
    watch.of(asking(watch.dashboard, "127.0.0.2"), "warming", "wrong")
    told, done = {}, {}
    for place, name in enumerate(("known", "nobodys", "disabled"), 3):
        answer, done[name] = watch.of(asking(watch.dashboard, f"127.0.0.{place}"), name, "wrong")
        told[name] = dressed(answer, name)

    assert told["known"] == told["nobodys"] == told["disabled"]
    assert told["known"][0] == 200
    assert done["known"] == done["nobodys"] == done["disabled"]
    assert len([line for line in done["known"] if line.startswith("hash ")]) == 1
    assert len(done["known"]) > 5


def test_who_is_disabled_hears_nothing_else_although_the_password_is_right(watch: Watch) -> None:
    right, _ = watch.of(asking(watch.dashboard, "127.0.0.7"), "disabled", PASSWORD)
    wrong, _ = watch.of(asking(watch.dashboard, "127.0.0.8"), "disabled", "wrong")

    assert dressed(right, "disabled") == dressed(wrong, "disabled")


@pytest.mark.parametrize("password", ["", "x" * 5000, "\u0000", "ünï"])
def test_odd_passwords_tell_no_more(watch: Watch, password: str) -> None:
    watch.of(asking(watch.dashboard, "127.0.0.2"), "warming", password)
    known, nobodys = (
        watch.of(asking(watch.dashboard, f"127.0.1.{n}"), name, password) for n, name in ((1, "known"), (2, "nobodys"))
    )

    assert dressed(known[0], "known") == dressed(nobodys[0], "nobodys")
    assert known[1] == nobodys[1]


def test_a_check_of_ones_own_is_asked_for_names_that_nobody_has_too(
    make_house: Callable[..., House], tmp_path: Path
) -> None:
    (tmp_path / "asked_directory.py").write_text(
        f"def check(name, *_):\n    open({str(tmp_path / 'asked')!r}, 'a').write(name + ' ')\n    return False\n"
    )
    house = make_house(WEB__LOGIN_CHECK="asked_directory:check")
    dashboard = served(house, code=f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    add_users(dashboard, ["known"], role="viewer")

    statuses = [asking(dashboard).post("/login", login=name, password="wrong").status for name in ("known", "nobodys")]

    assert statuses == [200, 200]
    assert (tmp_path / "asked").read_text().split() == ["known", "nobodys"]
