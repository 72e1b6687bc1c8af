"""`audit list`, `audit verify`, and a task's definitions as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.emptying import unguarded
from tests.unit.cli.conftest import Call, Result

from smart_cron.services.audit import HeadMemory
from smart_cron.wiring import House
from smart_cron.wiring.auditing import audit_watch

Add = Callable[..., Result]
SECRET = "canary-5d1f"


@pytest.fixture(autouse=True)
def _by_ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")


@pytest.fixture
def report(add: Add, call: Call) -> None:
    """A task with three revisions."""
    add("report", "true", "--env", f"TOKEN={SECRET}-1")
    for options in (("--priority", "3", "--env", f"TOKEN={SECRET}-2"), ("--description", "by day\x1b[31m")):
        assert call("task", "edit", "report", *options).code == 0


def test_who_changed_what_from_where_is_listed_newest_first(call: Call, report: None) -> None:
    lines = call("audit", "list", "--task", "report").out.splitlines()

    assert [line.split()[3:7] for line in lines[1:]] == [
        ["cli:ann", "cli", "update", "task"],
        ["cli:ann", "cli", "update", "task"],
        ["cli:ann", "cli", "create", "task"],
    ]
    assert "priority: 5 -> 3" in lines[2]


def test_security_30_31_rows_are_shown_harmless_with_before_and_after_and_no_secret(call: Call, report: None) -> None:
    text = call("audit", "list").out
    documents = call("audit", "list", "--json", "--task", "report").document

    assert "\x1b" not in text
    assert "\\x1b[31m" in text
    assert SECRET not in text + json.dumps(documents)
    assert documents[1]["old_values"] == {"priority": 5, "environment": "(hidden)"}
    assert documents[1]["new_values"] == {"priority": 3, "environment": "(hidden)"}
    assert documents[1]["created_at"].endswith("Z")


def test_the_list_is_narrowed_and_paged(call: Call, report: None) -> None:
    newest = call("audit", "list", "--json", "-n", "1").document[0]["id"]

    assert len(call("audit", "list", "--json", "--before", str(newest), "--task", "report").document) == 2
    assert call("audit", "list", "--json", "--user", "bob").document == []
    assert len(call("audit", "list", "--json", "--user", "ann", "--action", "create").document) == 1
    assert call("audit", "list", "--since", "+1h").out == "The audit log has no such row.\n"
    assert call("audit", "list", "--since", "yore").code == 2


def test_a_log_as_it_was_written_is_said_to_be_so(call: Call, report: None) -> None:
    result = call("audit", "verify")

    assert result.code == 0
    assert result.out.startswith("The audit log is as it was written: ")
    assert call("audit", "verify", "--json").document["whole"] is True


def test_security_32_a_row_that_was_changed_by_hand_is_named(call: Call, report: None, house: House) -> None:
    with unguarded(house.store.session):
        house.store.session.execute("UPDATE smart_cron_audit_log SET actor = 'bob' WHERE id = 2")

    result = call("audit", "verify")

    assert (result.code, result.out) == (1, "Row 2: changed: its values are not those that were sealed.\n")
    document = call("audit", "verify", "--json").document
    assert (document["whole"], document["bad"][0]["id"], document["bad"][0]["fault"]) == (False, 2, "changed")


def test_what_this_node_remembers_must_still_be_there(call: Call, report: None, house: House) -> None:
    audit_watch(house).look()
    head = house.store.audit.head()
    assert HeadMemory(house.config.state_dir).read() == head
    assert head is not None
    with unguarded(house.store.session):
        house.store.session.execute("DELETE FROM smart_cron_audit_log")
    house.store.session.execute("DELETE FROM smart_cron_audit_head")

    assert (
        call("audit", "verify").out
        == f"Row {head.last_id}: head cut: this node remembers this row, and it is gone or another.\n"
    )
    call("task", "disable", "report")
    audit_watch(house).look()
    assert HeadMemory(house.config.state_dir).read() == head, "the proof is kept"


def test_db_check_says_where_nothing_guards_the_log(call: Call, house: House) -> None:
    assert "Note:" not in call("db", "check").out
    with unguarded(house.store.session):
        assert "can be changed and deleted by SQL" in call("db", "check").out
        assert "smart_cron_audit_no_update" in call("db", "check", "--json").document["audit_unguarded"]


def test_settings_that_changed_are_told_by_name_and_secrets_by_nothing_else(
    home: Path, house: House, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    from smart_cron.config import load_config
    from smart_cron.wiring import open_house

    def looked(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"SMART_CRON_{name}", value)
        fresh = open_house(load_config())
        audit_watch(fresh).look()
        fresh.close()

    looked(PING_URL=f"https://example.com/{SECRET}-1")
    assert call("audit", "list", "--json", "--action", "change settings").document == []
    looked()
    looked(PING_URL=f"https://example.com/{SECRET}-2", MAX_CONCURRENT="7")

    (entry,) = call("audit", "list", "--json", "--action", "change settings").document
    assert (entry["source"], entry["entity_type"]) == ("engine", "setting")
    assert entry["old_values"] == {"max_concurrent": 10, "ping_url": "(hidden)"}
    assert entry["new_values"] == {"max_concurrent": 7, "ping_url": "(hidden)"}
    seen = house.config.state_dir / "settings-seen.json"
    assert SECRET not in seen.read_text()
    assert seen.stat().st_mode & 0o777 == 0o600


def test_the_history_of_a_definition_names_what_each_revision_changed(call: Call, report: None) -> None:
    documents = call("task", "history", "report", "--definition", "--json").document

    assert [(each["revision"], each["changed"]) for each in documents] == [
        (3, ["task_description"]),
        (2, ["priority", "environment"]),
        (1, None),
    ]
    assert SECRET not in json.dumps(documents)
    text = call("task", "history", "report", "--definition", "-n", "1").out
    assert "cli:ann" in text
    assert len(text.splitlines()) == 2


def test_a_diff_is_unified_harmless_and_tells_of_secrets_that_they_differ(call: Call, report: None) -> None:
    last, all_of_it = call("task", "diff", "report").out, call("task", "diff", "report", "1", "2").out

    assert "+task_description: by day\\x1b[31m" in last
    assert "-priority: 5\n+priority: 3\n" in all_of_it
    assert all_of_it.startswith("--- report revision 1 (cli:ann)\n+++ report revision 2 (cli:ann)\n@@")
    assert '+environment: {"TOKEN": "***"} (another one)' in all_of_it
    assert SECRET not in last + all_of_it
    assert call("task", "diff", "report", "3", "3").out == "Revisions 3 and 3 of 'report' do not differ.\n"
    assert set(call("task", "diff", "report", "1", "--json").document["changed"]) == {
        "priority", "environment", "task_description",
    }  # fmt: skip
    assert call("task", "diff", "report", "9").code == 1


def test_a_task_with_one_definition_has_nothing_to_compare(call: Call, add: Add) -> None:
    add("report")

    assert "nothing to compare" in call("task", "diff", "report").err


def test_a_rollback_gives_the_definition_back_as_a_new_revision(call: Call, report: None, house: House) -> None:
    dry = call("task", "rollback", "report", "1", "--dry-run")
    assert "would be defined as in revision 1" in dry.out
    assert "+priority: 5" in dry.out
    assert house.store.tasks.get("report").definition.priority == 3

    assert call("task", "rollback", "report", "1").code == 0

    definition = house.store.tasks.get("report").definition
    assert (definition.priority, definition.description) == (5, "")
    assert definition.environment["TOKEN"] == f"{SECRET}-1"
    assert call("task", "history", "report", "--definition", "--json").document[0]["revision"] == 4
    assert call("audit", "list", "--json", "-n", "1").document[0]["action"] == "rollback to 1"
    assert house.store.session.rows(
        "SELECT needs_planning FROM smart_cron_tasks_config WHERE task_name = 'report'"
    ) == [(1,)]


def test_a_rollback_to_what_is_unsound_by_now_is_refused(call: Call, home: Path, tmp_path: Path, house: House) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert call("task", "add", "job", "--script", str(script), "--schedule", "@daily").code == 0
    assert call("task", "edit", "job", "--script", "", "--command", "true").code == 0
    script.unlink()

    result = call("task", "rollback", "job", "1")

    assert result.code == 1
    assert str(script) in result.err
    assert house.store.tasks.get("job").definition.shell_command == "true"
