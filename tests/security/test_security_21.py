"""SECURITY 21: hostile words wherever somebody may write some are words on every page, and act on none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.security.ground import Ground, furnished_ground
from tests.web.api_callers import Caller, make_key
from tests.web.furniture import opened
from tests.web.visitors import PASSWORD, WIDE, chromium, logged_in

pytestmark = pytest.mark.slow
# Each would call `hit`, which every page of this browser has; one is for each place where words may end up.
HOSTILE = (
    "<script>hit(1)</script>",
    "<img src=x onerror=hit(2)>",
    "\"'><svg onload=hit(3)>",
    "</script><script>hit(4)</script>",
    "javascript:hit(5)",
    "{{ hit(6) }}${hit(7)}",
    "' onmouseover='hit(8)' autofocus onfocus='hit(9)",
    '<a href="javascript:hit(10)" hx-get="/logout" hx-on:load="hit(11)">x</a>',
    "-->\u2028<b>\u202e\x1b[31m",
)
WORDS = " ".join(HOSTILE)
PATHS = (
    "/", "/tasks", "/tasks/new", "/tasks/{key}", "/tasks/{key}/edit", "/tasks/{key}/statistics", "/tasks/{key}/slots",
    "/tasks/{key}/why", "/tasks/{key}/revisions", "/runs", "/runs/{run}", "/alerts", "/alerts/{number}", "/logs",
    "/health", "/backups", "/audit", "/settings", "/settings/keys", "/settings/users", "/settings/channels", "/tv",
    "/account/sessions", "/search?q=hit",
)  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Everything that is text says the words, written by SQL where no form would take them."""
    with furnished_ground(tmp_path_factory.mktemp("hostile")) as ground:
        ground.dashboard.house.sure("task", "edit", "printer", "--description", WORDS.replace("\x1b", ""))
        ground.visitor("admin").get("/tasks", {"User-Agent": WORDS.encode("ascii", "replace").decode()})
        ground.dashboard.house.sure("backup", "create", "--label", HOSTILE[0])
        with opened(ground.dashboard) as store:
            for table, columns in (
                ("smart_cron_tasks_config", ("task_group", "description", "last_status", "invalid_reason", "node_tag")),
                ("smart_cron_executions", ("task_group", "error_message", "node", "requested_by", "stdout_output")),
                ("smart_cron_alerts", ("message", "acknowledged_by", "resolution_note", "task_name")),
                ("smart_cron_health_checks", ("message", "remedy", "check_name", "node")),
                ("smart_cron_backups", ("label", "error")),
                ("smart_cron_nodes", ("tags", "version")),
                ("smart_cron_users", ("email",)),
                ("usersessions_usersession", ("user_agent",)),
            ):
                there = {row[1] for row in store.session.rows(f"PRAGMA table_info({table})")}
                for column in set(columns) & there:
                    store.session.execute(f"UPDATE {table} SET {column} = %s", [WORDS])
            store.audit.note("update", actor=WORDS, entity=("task", 1, WORDS), old={"a": WORDS}, new={WORDS: "b"})
        yield ground


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def test_no_page_lets_them_act(hostile: Ground, browser: Browser) -> None:
    with browser.new_context(viewport=WIDE) as context:  # type: ignore[arg-type]
        hits: list[str] = []
        context.expose_function("hit", lambda *words: hits.append(str(words)))
        seen = logged_in(context, hostile.dashboard, "admin")
        shouted: list[str] = []
        seen.page.on("dialog", lambda dialog: shouted.append(dialog.message))
        acted = {}
        for path in PATHS:
            page = seen.go(path.format(**hostile.values))
            page.wait_for_load_state("load")
            acted[path] = page.evaluate(
                """[...document.querySelectorAll('*')].filter((each) => each.matches(
                     'main svg[onload], img[src=x], [onerror], [onmouseover], [onfocus], a[href^="javascript:" i]')
                   || [...each.attributes].some((one) => one.name.startsWith('hx-on'))).length"""
            )

        assert {path: count for path, count in acted.items() if count} == {}
        assert (hits, shouted) == ([], [])
        assert [fault for fault in seen.faults if "Content Security Policy" in fault] == []


def test_pages_that_show_them_show_them_as_words(hostile: Ground) -> None:
    """So that the walk above is not one past empty pages."""
    admin = hostile.visitor("admin")

    for path in ("/tasks/printer", "/alerts", f"/alerts/{hostile.values['number']}", "/audit", "/health"):
        assert b"&lt;script&gt;hit(1)" in admin.get(path).body, path


def test_json_csv_and_streams_hold_them_as_values(hostile: Ground) -> None:
    admin = hostile.visitor("admin")
    caller = Caller(hostile.dashboard, make_key(hostile.dashboard.house, "admin", "admin"))

    for answer in (caller.ask("GET", "/tasks/printer"), caller.ask("GET", "/alerts"), caller.ask("GET", "/audit")):
        assert answer.headers["content-type"].partition(";")[0] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert HOSTILE[0] in json.dumps(json.loads(answer.body), ensure_ascii=False)
    found = admin.get("/search?q=printer", {"Accept": "application/json"})
    assert found.headers["content-type"] == "application/json"
    assert b"<script" not in found.body or found.headers["x-content-type-options"] == "nosniff"


def test_nobody_has_such_a_name_and_no_task_a_path_of_a_page(hostile: Ground) -> None:
    house = hostile.dashboard.house
    for name in HOSTILE[:3]:
        with pytest.raises(AssertionError, match="no name for a user"):
            house.sure_with(f"{PASSWORD}\n", "user", "add", name)
    assert Path(house.home).is_dir()


def test_no_mark_drives_a_terminal_or_turns_a_page_round(hostile: Ground) -> None:
    admin = hostile.visitor("admin")
    admin.get("/settings/keys")
    admin.post("/settings/keys/add", label="spare\u202eyek", role="viewer", lives="90")
    caller = Caller(hostile.dashboard, make_key(hostile.dashboard.house, "admin", "admin"))
    assert caller.ask("POST", "/stop", {"reason": "a fire\x1b[31m in\u202e <b>hall 2"}).status == 200
    number = hostile.values["number"]
    assert caller.ask("POST", f"/alerts/{number}/acknowledge", {"note": "seen\u202e\x1b"}).status == 200

    try:
        for path, shown in (
            ("/", "a fire in\\u202e &lt;b&gt;hall 2"),
            ("/settings/keys", "spare\\u202eyek"),
            (f"/alerts/{number}", '<dd class="words">seen\\u202e</dd>'),
        ):
            assert shown in admin.get(path).body.decode(), path
    finally:
        assert caller.ask("POST", "/resume").status == 200
