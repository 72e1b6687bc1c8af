"""SECURITY 30: whatever is written down is one line of JSON with everything in it escaped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.web.conftest import House, make_house, served
from tests.web.furniture import opened
from tests.web.visitors import Visitor, add_users

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
FORGED = '{"message":"forged"}'
# Every end of a line that some reader knows, what a terminal obeys, and what ends a string early.
HOSTILE = f'a\r\n{FORGED}\n\x1b[2J\x1b]0;title\x07\x00\x08\x7f\x85\u2028\u2029\x0b\x0c"}}\\'


def lines_of(path: Path) -> list[dict[str, object]]:
    """Return each line of a log, split where the crudest reader would split it."""
    text = path.read_bytes()
    assert not set(text) & (set(range(32)) - {10}), "a control character stands in a log as it is"
    assert not {"\x85", "\u2028", "\u2029", "\x7f"} & set(text.decode())
    return [json.loads(line) for line in text.decode().splitlines()]


def test_no_value_of_a_request_or_a_row_makes_a_line_of_its_own(make_house: Callable[..., House]) -> None:
    house = make_house()
    serving = served(house)
    add_users(serving, ["viewer"])
    visitor = Visitor(serving)
    visitor.get("/login")
    visitor.post("/login", login=HOSTILE, password=HOSTILE)
    visitor.log_in("viewer")
    for path in ("/settings/users?%0d%0a", "/tasks/%0d%0aX/edit", "/audit/%1b%5b2J", "/settings/users/%00"):
        visitor.get(path)
    visitor.post("/alerts/change", note=HOSTILE, action=HOSTILE)
    house.add("odd", "exit 3", "--description", "plain")
    with opened(serving) as store:
        # By SQL anything is a name: what runs says so in the log.
        name = HOSTILE.replace("\x00", "")[:90]
        store.session.execute("UPDATE smart_cron_tasks_config SET task_name = %s WHERE task_name = 'odd'", [name])
        number = store.tasks.get(name).id
        store.tasks.request_run(number, arguments=None, actor="test", now=store.database.now())
    house.call("master", "--once")
    house.call("task", "run", HOSTILE.replace("\x00", ""))

    found = [line for path in sorted((house.home / "log").glob("*.log")) for line in lines_of(path)]

    assert len(found) > 3
    assert all({"timestamp", "level", "message", "context"} <= set(line) for line in found)
    assert [line for line in found if line["message"] == "forged"] == []
    assert any("forged" in json.dumps(line) for line in found), "it was written down, and as a value"


def test_what_the_console_prints_of_it_cannot_act_or_forge_a_line(make_house: Callable[..., House]) -> None:
    house = make_house()
    serving = served(house)
    visitor = Visitor(serving)
    visitor.get("/login")
    # With a NUL it is no name at all, and nothing is tried.
    visitor.post("/login", login=HOSTILE.replace("\x00", ""), password="wrong")

    for words in (("audit", "list"), ("logs",), ("audit", "list", "--json")):
        said = house.sure(*words)
        assert not set(said) & (set(range(32)) - {10, 9})
        assert not [line for line in said.decode().splitlines() if line.startswith(FORGED[:20])]
    rows = json.loads(house.sure("audit", "list", "--json"))
    assert [row["action"] for row in rows if "forged" in json.dumps(row)] == ["log in failed"]
