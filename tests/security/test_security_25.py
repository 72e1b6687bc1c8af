"""SECURITY 25: nothing that is typed is read by the database as its own language.

Whether a function was called is asked of the database, not of a clock: `sleep`, `pg_sleep` and others are there in this
dashboard's, and each call of one is written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.security.ground import Ground, furnished_ground
from tests.web.addresses import everything_in
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import served
from tests.web.visitors import Visitor

pytestmark = pytest.mark.slow
FUNCTIONS = """
import pathlib
_called = pathlib.Path({path!r})
def _note(*words):
    with _called.open("a") as file: file.write(repr(words) + chr(10))
    return 1
from django.db.backends.signals import connection_created
def _add(connection, **_):
    for name in ("sleep", "pg_sleep", "benchmark", "load_extension", "randomblob"):
        connection.connection.create_function(name, -1, _note)
    connection.connection.execute("SELECT sleep('made')")
connection_created.connect(_add, weak=False)
"""
CALLS = (
    "sleep(5)", "1 AND sleep(5)", "1' AND sleep(5) AND '1'='1", '1" OR sleep(5) OR "', "1) OR (SELECT sleep(5)",
    "(SELECT pg_sleep(5))", "1;SELECT pg_sleep(5)--", "1 UNION SELECT sleep(5)--", "name, (SELECT sleep(5))",
    "1' OR '1'='1", "%' OR 1=1 --", "'; DROP TABLE smart_cron_users; --", "name;DELETE FROM smart_cron_tasks_config",
    "1e999", "\\", "'", '"', "`", "--", "/*", "%25", "_", "0x41", "NULL",
)  # fmt: skip
MADE = "('made',)"
FIELDS = {
    "/tasks": ("q", "group", "tag", "state", "sort", "order", "page"),
    "/runs": (
        "task",
        "status",
        "since",
        "until",
        "trigger",
        "node",
        "exit",
        "after",
        "before",
        "sort",
        "order",
        "code",
    ),
    "/alerts": ("state", "severity", "type", "task", "after", "sort", "order"),
    "/audit": ("who", "action", "task", "from", "to", "before", "sort"),
    "/logs": ("kind", "level", "text", "day"),
    "/search": ("q",),
    "/tasks/printer/statistics": ("days", "since", "span"),
    "/tasks/printer/slots": ("day", "month", "year", "at"),
    "/tasks/printer/why": ("at",),
    "/tasks/printer/revisions": ("before", "a", "b"),
    "/runs/1": ("stream", "line"),
    "/runs/1/output": ("stream", "before", "after", "line"),
    "/runs/1/search": ("words",),
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A second server of the same home, in whose database those functions are."""
    most = str(100_000)
    with furnished_ground(
        tmp_path_factory.mktemp("home"), WEB__SEARCHES_PER_MINUTE=most, WEB__API_CALLS_PER_MINUTE=most,
        WEB__API_CALLS_PER_MINUTE_AND_ADDRESS=most,
    ) as ground:  # fmt: skip
        house = ground.dashboard.house
        path = house.home / "called"
        yield Ground(served(house, code=FUNCTIONS.format(path=str(path))), everything_in(house), ground.values)


def notes(ground: Ground) -> list[str]:
    return (ground.dashboard.house.home / "called").read_text().splitlines()


def called(ground: Ground) -> list[str]:
    """Return what was called but for the one call with which each connection begins."""
    return [note for note in notes(ground) if note != MADE]


def test_the_functions_are_there_and_their_calls_are_seen(watched: Ground) -> None:
    """So that nothing written down below is nothing called."""
    assert watched.visitor("admin").get("/").status == 200

    assert MADE in notes(watched)


def test_no_filter_order_or_page_of_a_page_is_read_as_sql(watched: Ground) -> None:
    admin, before = watched.visitor("admin"), watched.tables()
    wrong = []
    for path, names in FIELDS.items():
        for name in names:
            for words in CALLS:
                status = admin.get(f"{path}?{name}={quote(words)}").status
                if status not in (200, 400, 404):
                    wrong.append((path, name, words, status))

    assert wrong == []
    assert called(watched) == []
    assert watched.tables() == before


def test_no_id_in_an_address_is_read_as_sql(watched: Ground) -> None:
    admin, before = watched.visitor("admin"), watched.tables()
    pages = [page for page in watched.everything.pages if "<" in page.path and page.see != "None"]
    for page in pages:
        for words in CALLS[:8]:
            values = dict.fromkeys(watched.values, quote(words, safe=""))
            assert admin.get(page.address(values)).status in (302, 400, 404), (page, words)

    assert called(watched) == []
    assert watched.tables() == before


def test_no_parameter_of_an_operation_is_read_as_sql(watched: Ground) -> None:
    caller = Caller(watched.dashboard, make_key(watched.dashboard.house, "admin", "admin"))
    before = watched.tables()
    names = ("task", "status", "cursor", "limit", "since", "until", "at", "text", "kind", "q", "group", "action", "who")
    for each in watched.everything.operations:
        if each.method != "GET":
            continue
        path = each.address(watched.values).removeprefix("/api/v1")
        for name in names:
            for words in CALLS[:6]:
                assert caller.ask("GET", f"{path}?{name}={quote(words)}").status in (200, 400, 404, 403), (each, name)

    assert called(watched) == []
    assert watched.tables() == before


def test_no_field_of_a_login_is_read_as_sql(watched: Ground) -> None:
    stranger = Visitor(watched.dashboard)
    stranger.get("/login")

    for words in CALLS[:12]:
        assert stranger.post("/login", login=words, password=words).status in (200, 429)
    assert called(watched) == []
    assert watched.visitor("admin").get("/").status == 200
