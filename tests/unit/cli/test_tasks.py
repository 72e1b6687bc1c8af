from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call, Result

from smart_cron.core.run import Status
from smart_cron.core.task import Limits, OnOverlap
from smart_cron.wiring import House

Add = Callable[..., Result]


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "job.sh"
    path.write_text("#!/bin/sh\ntrue\n")
    tmp_path.chmod(0o755)
    path.chmod(0o755)
    return str(path)


def test_a_task_is_defined_with_every_option(call: Call, house: House, script: str) -> None:
    options = [
        "--arg=--month",
        "--arg",
        "10",
        "--zone",
        "Europe/Berlin",
        "--priority",
        "2",
        "--timeout",
        "5m",
        "--kill-grace",
        "3",
        "--disabled",
        "--on-missed",
        "all",
        "--on-overlap",
        "queue",
        "--start-deadline",
        "1h",
        "--max-retries",
        "3",
        "--retry-delay",
        "30s",
        "--retry-lost",
        "--failure-threshold",
        "2",
        "--success-exit-codes",
        "0,3",
        "--group",
        "imports",
        "--umask",
        "027",
        "--env",
        "A=1",
        "--env",
        "B=x=y",
        "--memory-mb",
        "64",
        "--cpu-seconds",
        "10",
        "--open-files",
        "50",
        "--nice",
        "5",
        "--output-bytes",
        "1000",
        "--no-alert",
        "--merge-output",
        "--alert-email",
        "ops@example.org",
        "--keep-processes",
    ]

    result = call("task", "add", "invoices", "--script", script, "--schedule", "*/5 * * * *", *options)

    assert result.code == 0, result.err
    d = house.store.tasks.get("invoices").definition
    assert (d.script, d.arguments, d.time_zone) == (script, ("--month", "10"), "Europe/Berlin")
    assert (d.timeout, d.start_deadline) == (timedelta(minutes=5), timedelta(hours=1))
    assert (d.on_overlap, d.enabled, d.success_exit_codes) == (OnOverlap.QUEUE, False, (0, 3))
    assert dict(d.environment) == {"A": "1", "B": "x=y"}
    assert d.limits == Limits(memory_mb=64, cpu_seconds=10, open_files=50, nice=5, output_bytes=1000)
    assert not d.alert_on_failure


def test_adding_says_when_it_runs(add: Add) -> None:
    assert "at 02:00 every day, next on " in add("nightly").out


def test_all_problems_come_at_once_and_nothing_is_saved(call: Call, house: House) -> None:
    result = call(
        "task", "add", "no good", "--script", "backup.sh", "--schedule", "61 * * * *", "--priority", "11",
        "--run-as", "nobody-here", "--working-directory", "/nonexistent",
    )  # fmt: skip

    assert result.code == 1
    for word in ("task name", "backup.sh", "minute", "priority", "nobody-here", "/nonexistent", "Nothing was saved"):
        assert word in result.err
    assert house.store.tasks.list() == []


def test_a_script_that_is_not_there_is_refused_when_it_is_saved(call: Call, home: Path) -> None:
    result = call("task", "add", "a", "--script", str(home / "no.sh"), "--schedule", "@daily")

    assert result.code == 1
    assert "no.sh" in result.err


@pytest.mark.parametrize(
    "options",
    [
        ["--schedule", "@daily"],
        ["--command", "true"],
        ["--command", "true", "--script", "/bin/true", "--schedule", "@daily"],
        ["--command", "true", "--schedule", "@daily", "--timeout", "soon"],
    ],
)
def test_what_must_be_given_is_a_matter_of_usage(call: Call, home: Path, options: list[str]) -> None:
    assert home.is_dir()
    result = call("task", "add", "a", *options)

    assert result.code == 2


def test_a_name_that_is_taken_is_refused(call: Call, add: Add) -> None:
    add("nightly")

    result = call("task", "add", "nightly", "--command", "true", "--schedule", "@daily")

    assert result.code == 1
    assert "exists already" in result.err


def test_a_dry_run_saves_nothing(call: Call, house: House) -> None:
    result = call("task", "add", "a", "--command", "true", "--schedule", "@daily", "--dry-run")

    assert result.code == 0
    assert "would be defined" in result.out
    assert house.store.tasks.list() == []


def test_edit_changes_only_what_is_given(call: Call, add: Add, house: House) -> None:
    add("nightly", "true", "--env", "A=1", "--priority", "3")

    result = call("task", "edit", "nightly", "--timeout", "5m", "--env", "B=2")

    d = house.store.tasks.get("nightly").definition
    assert result.code == 0
    assert "timeout: 1 h -> 5 min" in result.out
    assert (d.priority, d.timeout, dict(d.environment)) == (3, timedelta(minutes=5), {"A": "1", "B": "2"})


def test_edit_renames_clears_and_removes(call: Call, add: Add, house: House) -> None:
    add("nightly", "true", "--env", "A=1", "--group", "g")

    assert call("task", "edit", "nightly", "--name", "daily", "--unset-env", "A", "--group", "").code == 0

    d = house.store.tasks.get("daily").definition
    assert (dict(d.environment), d.group) == ({}, None)


def test_edit_without_a_change_is_wrong_usage(call: Call, add: Add) -> None:
    add("nightly")

    assert call("task", "edit", "nightly").code == 2


def test_edit_that_makes_a_task_unsound_saves_nothing(call: Call, add: Add, house: House) -> None:
    add("nightly")

    assert call("task", "edit", "nightly", "--priority", "0", "--timeout", "0").code == 1
    assert house.store.tasks.get("nightly").definition.priority == 5


def test_a_dry_edit_shows_the_change_and_makes_none(call: Call, add: Add, house: House) -> None:
    add("nightly")

    assert "priority: 5 -> 1" in call("task", "edit", "nightly", "--priority", "1", "--dry-run").out
    assert house.store.tasks.get("nightly").definition.priority == 5


def test_a_slot_set_by_hand_is_the_next_one(call: Call, add: Add, house: House) -> None:
    add("nightly", "true", "--zone", "Europe/Berlin")

    assert call("task", "edit", "nightly", "--next-run-at", "2099-07-01 12:00").code == 0

    assert house.store.tasks.get("nightly").next_run_at == datetime(2099, 7, 1, 10, tzinfo=UTC)
    assert call("task", "next", "nightly", "-n", "2", "--json").document == [
        "2099-07-01T10:00:00.000000Z",
        "2099-07-02T00:00:00.000000Z",
    ]


def test_the_list_is_empty_in_words(call: Call, home: Path) -> None:
    assert home.is_dir()
    assert "There are no tasks yet" in call("task", "list").out


def test_the_list_shows_each_task_on_a_line(call: Call, add: Add) -> None:
    add("nightly")
    add("off", "true", "--disabled")

    lines = call("task", "list", "--verbose").out.splitlines()

    assert lines[1].split()[0] == "nightly"
    assert "At 02:00 every day" in lines[1]
    assert "disabled" in lines[2]
    assert len(call("task", "list", "--enabled").out.splitlines()) == 2


def test_json_has_the_names_of_the_columns(call: Call, add: Add) -> None:
    add("nightly")

    [task] = call("task", "list", "--json").document

    assert (task["task_name"], task["schedule_pattern"], task["timeout_seconds"]) == ("nightly", "0 2 * * *", 3600)
    assert task["enabled"] is True
    assert call("task", "show", "nightly", "--json").document == task


def test_security_33_secrets_are_not_shown(call: Call, add: Add) -> None:
    add("nightly", "true", "--env", "API_TOKEN=hunter2", "--env", "MODE=fast",
        "--alert-slack-webhook", "https://hooks.slack.com/services/T0/B0/hunter2")  # fmt: skip

    shown = call("task", "show", "nightly").out + call("task", "show", "nightly", "--json").out
    shown += call("task", "edit", "nightly", "--env", "API_TOKEN=hunter23", "--dry-run").out

    assert "hunter2" not in shown
    assert "MODE=fast" in shown


def test_show_tells_what_a_person_decided(call: Call, add: Add) -> None:
    add("nightly", "tar -cf /x /y", "--max-retries", "2", "--description", "packs things")

    out = call("task", "show", "nightly").out

    for words in ("tar -cf /x /y", "packs things", "At 02:00 every day", "2, the first after 1 min", "exit code 0"):
        assert words in out


def test_show_says_who_is_told_and_hides_the_address_to_ping(
    call: Call, add: Add, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMART_CRON_WEBHOOK_ALLOWED_HOSTS", '["hc-ping.com"]')
    add("plain")
    add("pinged", "true", "--ping-url", "https://hc-ping.com/secret", "--alert-email", "owner@example.org")
    assert "shown, and sent to nobody" in call("task", "show", "plain").out

    monkeypatch.setenv("SMART_CRON_ALERT_EMAIL", "ops@example.org")
    (home / "smart-cron.toml").write_text('[channels.night]\nkind = "email"\naddress = "n@example.org"\n')

    asking = "the channels that ask for them: night"
    assert f"ops@example.org (alert_email of the settings), {asking}" in call("task", "show", "plain").out
    out = call("task", "show", "pinged").out
    assert f"owner@example.org, {asking}" in out
    assert "Pings " in out
    assert " https://hc-ping.com/***\n" in out


def test_an_address_to_which_nothing_would_be_sent_is_refused_when_it_is_set(
    call: Call, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "ping_url: hc-ping.com is not allowed by webhook_allowed_hosts; add hc-ping.com to webhook_allowed_hosts"
    add("one", "true")
    for url, words in (
        ("https://hc-ping.com/hunter2", told),
        ("http://hooks.slack.com/hunter2", "ping_url: hooks.slack.com: plain http is refused; use https"),
        ("https://127.0.0.1/hunter2", "the host 127.0.0.1 is not allowed; put its network into"),
        ("https://[::ffff:127.0.0.1]/hunter2", "is not allowed"),
        ("https://hooks.slack.com@127.0.0.1/hunter2", "an address with a login in it is refused"),
        ("https://hooks.slack.com.evil.example/hunter2", "hooks.slack.com.evil.example is not allowed"),
        ("https://hooks.slack.com:0/hunter2", "port 0 cannot be called"),
    ):
        refused = call("task", "edit", "one", "--ping-url", url)
        assert (refused.code, words in refused.err, "hunter2" in refused.err) == (1, True, False), refused.err
    both = call("task", "edit", "one", "--alert-slack-webhook", "https://example.org/x", "--ping-url", "file:///x")
    assert "alert_slack_webhook: example.org is not allowed" in both.err
    assert both.err.count("ping_url") == 1
    assert call("task", "show", "one", "--json").document["ping_url"] is None

    monkeypatch.setenv("SMART_CRON_WEBHOOK_ALLOWED_HOSTS", '["hc-ping.com"]')
    saved = call("task", "edit", "one", "--ping-url", "https://hc-ping.com/y")
    assert (saved.code, saved.err) == (0, "")


def test_several_tasks_are_switched_all_or_none(call: Call, add: Add, house: House) -> None:
    add("a")
    add("b")

    assert call("task", "disable", "a", "nope", "b").code == 1
    assert house.store.tasks.get("a").definition.enabled

    assert call("task", "disable", "a", "b").code == 0
    assert not house.store.tasks.get("b").definition.enabled
    assert "already" in call("task", "disable", "a").out
    assert "would be enabled" in call("task", "enable", "a", "--dry-run").out
    assert not house.store.tasks.get("a").definition.enabled


def test_a_removed_task_leaves_its_history(call: Call, add: Add, house: House) -> None:
    add("a")
    execution_id = house.store.tasks.request_run(
        house.store.tasks.get("a").id, arguments=None, actor="test", now=datetime.now(UTC)
    )

    assert "Would remove 'a'" in call("task", "remove", "a", "--dry-run").out
    assert call("task", "remove", "a", "--yes").code == 0

    assert house.store.tasks.list() == []
    assert house.store.history.run(str(execution_id))["status"] == Status.SKIPPED


@pytest.mark.parametrize("words", ["show", "edit --priority 1", "enable", "run", "next", "history", "remove -y"])
def test_an_unknown_task_is_said_with_the_way_to_the_list(call: Call, home: Path, words: str) -> None:
    assert home.is_dir()
    command, *options = words.split()

    result = call("task", command, "nope", *options)

    assert result.code == 1
    assert result.err == "smart-cron: there is no task 'nope'. 'smart-cron task list' shows them all.\n"


def test_next_lists_slots_in_the_tasks_zone(call: Call, add: Add) -> None:
    add("nightly", "true", "--zone", "Asia/Kolkata")

    out = call("task", "next", "nightly", "-n", "3").out

    assert out.count("02:00:00 IST") == 3


def test_next_of_a_disabled_or_reboot_task_is_a_sentence(call: Call, add: Add) -> None:
    add("off", "true", "--disabled")
    add("boot", "true", schedule="@reboot")

    assert "is disabled" in call("task", "next", "off").out
    assert "after each boot" in call("task", "next", "boot").out


def test_running_without_a_master_says_that_nothing_will_start_it(call: Call, add: Add) -> None:
    add("a")

    result = call("task", "run", "a")

    assert result.code == 0
    assert "Run 1 of 'a' is asked for" in result.out
    assert "No master runs on this node" in result.err


def test_a_second_run_by_hand_of_a_busy_task_is_refused(call: Call, add: Add) -> None:
    add("a")
    call("task", "run", "a")

    result = call("task", "run", "a")

    assert result.code == 1
    assert "on_overlap is 'skip'" in result.err


def test_arguments_for_a_shell_command_are_refused(call: Call, add: Add) -> None:
    add("a")

    assert call("task", "run", "a", "--", "--month", "10").code == 2


def test_a_dry_run_by_hand_asks_for_nothing(call: Call, add: Add, house: House) -> None:
    add("a")

    assert "Would run 'a'" in call("task", "run", "a", "--dry-run").out
    assert house.store.history.runs() == []


def test_an_unsound_pattern_put_there_by_sql_hinders_no_list(call: Call, add: Add, house: House) -> None:
    import sqlite3

    add("good")
    add("bad")
    with sqlite3.connect(house.config.state_dir / "smart-cron.db") as connection:
        connection.execute("UPDATE smart_cron_tasks_config SET schedule_pattern = '61 * *' WHERE task_name = 'bad'")
    connection.close()

    result = call("task", "list", "--verbose")

    assert result.code == 0
    assert "cannot be read" in result.out
    assert call("task", "next", "bad").code == 1


def test_a_relative_script_is_one_problem(call: Call, home: Path) -> None:
    said = call("task", "add", "t", "--script", "jobs/x.sh", "--schedule", "@daily").err

    assert "must be an absolute path" in said
    assert "problems" not in said


@pytest.mark.parametrize("words", [("list",), ("show", "t")])
def test_a_task_that_no_master_has_seen_shows_its_next_run_all_the_same(
    call: Call, house: House, words: tuple[str, ...]
) -> None:
    call("task", "add", "t", "--command", "true", "--schedule", "0 0 1 1 *", "--zone", "UTC")
    next_year = datetime.now(UTC).year + 1
    assert house.store.tasks.get("t").next_run_at is None

    shown = call("task", *words).out

    assert f"{next_year}-01-01" in shown


@pytest.mark.parametrize("options", [("--schedule", "@reboot"), ("--schedule", "0 0 1 1 *", "--disabled")])
def test_what_has_no_next_run_shows_none(call: Call, house: House, options: tuple[str, ...]) -> None:
    call("task", "add", "t", "--command", "true", *options)

    assert "Next run         –" in call("task", "show", "t").out
