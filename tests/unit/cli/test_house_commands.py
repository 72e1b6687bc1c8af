"""init, config, db, explain, logs and demo, as far as they need no processes."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

from smart_cron.faces.cli.demo_tasks import INTENTS
from smart_cron.wiring import House


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "fresh"
    monkeypatch.setenv("SMART_CRON_HOME", str(path))
    return path


@pytest.mark.slow
def test_init_prepares_once_and_changes_nothing_the_second_time(call: Call, empty: Path) -> None:
    assert "would create or update the tables" in call("init", "--dry-run").out
    assert not empty.exists()

    first, second = call("init"), call("init")

    assert "applied migration" in first.out
    assert second.out.splitlines() == first.out.splitlines()[-1:]
    assert "prepared already" in call("init", "--dry-run").out
    assert call("db", "check").code == 0


@pytest.mark.parametrize("words", ["task list", "run list", "db check", "db migrate", "master", "master --once"])
def test_without_a_home_every_command_says_what_to_do(call: Call, empty: Path, words: str) -> None:
    result = call(*words.split())

    assert result.code == 1
    assert "Run 'smart-cron init'" in result.err
    assert not empty.exists()


def test_settings_are_shown_as_toml_and_json(call: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tomllib

    monkeypatch.setenv("SMART_CRON_GROUP_LIMITS", '{"shop.io": 2}')
    monkeypatch.setenv("SMART_CRON_ALERTS__EMAIL__QUIET_HOURS", "22:00-06:00")
    shown = tomllib.loads(call("config", "show").out)
    document = call("config", "show", "--json").document

    assert shown["max_concurrent"] == document["max_concurrent"] == 10
    assert shown["state_dir"] == str(home / "state")
    assert shown["group_limits"] == {"shop.io": 2}
    assert shown["alerts"]["email"]["quiet_hours"] == "22:00-06:00"


@pytest.mark.slow
def test_security_33_the_database_password_is_never_shown(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home.is_dir()
    monkeypatch.setenv("SMART_CRON_DATABASE__URL", "mysql://cron:hunter2@127.0.0.1:1/x")

    said = [call(*words.split()) for words in ("config show", "config show --json", "db check", "config check")]

    assert all("hunter2" not in result.out + result.err for result in said)
    assert [result.code for result in said] == [0, 0, 1, 1]


def test_faulty_settings_come_all_at_once(call: Call, home: Path) -> None:
    path = home / "smart-cron.toml"
    path.write_text("max_concurrent = 0\nmax_execution_time = -1\nnonsense = 1\n")

    result = call("config", "check")

    assert result.code == 1
    head, *problems, remedy = result.err.splitlines()
    assert head.endswith("3 problems:")
    assert {each.split()[0].rstrip(":") for each in problems} == {"max_concurrent", "max_execution_time", "nonsense"}
    assert remedy.startswith("The settings")


def test_missing_folders_are_found(call: Call, home: Path) -> None:
    (home / "backups").rmdir()

    result = call("config", "check", "--json")

    assert result.code == 1
    assert "backups" in result.document["problems"][0]


def test_security_36_a_folder_that_others_can_write_is_found_and_no_database_opened_there(
    call: Call, home: Path
) -> None:
    (home / "state").chmod(0o777)

    result = call("config", "check", "--json")

    assert result.document["problems"] == [f"{home}/state can be written by others: chmod 750 {home}/state"]
    assert "chmod 750" in call("task", "list").err


@pytest.mark.slow
def test_a_database_out_of_reach_is_one_sentence_among_the_problems(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMART_CRON_DATABASE__URL", f"sqlite:///{home}/nowhere/x.db")
    (home / "backups").rmdir()

    problems = call("config", "check", "--json").document["problems"]

    assert [problem.partition(":")[0] for problem in problems] == ["backup_dir", "database"]
    assert not problems[1].endswith(".")


def test_init_for_everyone_takes_no_home_of_ones_own(call: Call, home: Path) -> None:
    result = call("init", "--user")

    assert result.code == 2
    assert "unset the variable" in result.err


def test_sound_settings_are_said_to_be_sound(call: Call, home: Path) -> None:
    assert home.is_dir()
    assert "are sound" in call("config", "check").out
    assert "up to date" in call("db", "migrate", "--dry-run").out
    assert "up to date already" in call("db", "migrate").out
    assert call("db", "check", "--json").document["fits"] is True


def test_a_view_that_is_missing_is_told_and_made_anew(call: Call, house: House) -> None:
    house.store.session.execute("DROP VIEW smart_cron_active_alerts")
    house.close()

    checked, document = call("db", "check"), call("db", "check", "--json")
    assert (checked.code, document.code) == (1, 1)
    assert "the view smart_cron_active_alerts is missing" in checked.err
    assert "Run 'smart-cron db migrate'." in checked.err
    assert len(document.document["missing"]) == 1
    assert "Would make anew:\nthe view smart_cron_active_alerts" in call("db", "migrate", "--dry-run").out
    assert call("db", "check").code == 1

    assert call("db", "migrate").code == 0
    assert call("db", "check").code == 0


def test_a_view_that_cannot_be_made_is_told_with_the_reason(call: Call, house: House) -> None:
    house.store.session.execute("DROP VIEW smart_cron_active_alerts")
    house.store.session.execute("CREATE TABLE smart_cron_active_alerts (mine integer)")
    house.close()

    migrated = call("db", "migrate")

    assert migrated.code == 0
    assert "up to date already" in migrated.out
    assert "the view smart_cron_active_alerts could not be made: use DROP TABLE" in migrated.err
    assert "The scheduler works without it" in migrated.err


def test_explain_gives_words_times_and_clock_changes(call: Call) -> None:
    result = call("explain", "30 2 * * *", "--zone", "Europe/Berlin", "-n", "3")

    assert result.out.splitlines()[0] == "At 02:30 every day (Europe/Berlin)."
    assert result.out.count("02:30:00 CE") == 3
    assert result.out.count("Clock change: ") == 2


def test_explain_as_json(call: Call) -> None:
    document = call("explain", "@hourly", "--zone", "UTC", "--json").document

    assert len(document["next"]) == 10
    assert document["remarks"] == []


@pytest.mark.parametrize(("expression", "word"), [("* * *", "five"), ("0 0 30 2 *", "never"), ("61 * * * *", "minute")])
def test_explain_says_what_is_wrong_with_a_pattern(call: Call, expression: str, word: str) -> None:
    result = call("explain", expression)

    assert result.code == 1
    assert word in result.err


def test_explain_refuses_an_unknown_zone(call: Call) -> None:
    assert "Mars/Olympus" in call("explain", "@daily", "--zone", "Mars/Olympus").err


def test_logs_show_the_latest_lines_by_level_and_text(call: Call, house: House) -> None:
    for number in range(5):
        house.log.info("Task completed successfully", task=f"t{number}", exit_code=0)
    house.log.error("Task completed with status failed", task="bad", exit_code=3)
    house.log.flush()

    assert len(call("logs", "--lines", "3").out.splitlines()) == 3
    [line] = call("logs", "--level", "error").out.splitlines()
    assert "ERROR" in line
    assert "exit_code=3" in line
    [entry] = map(json.loads, call("logs", "--search", "T4", "--json").out.splitlines())
    assert entry["message"] == "Task completed successfully: t4"


def test_security_22_a_log_line_cannot_act_upon_the_terminal(call: Call, house: House) -> None:
    path = house.config.log_dir / f"master-{datetime.now():%Y-%m-%d}.log"  # noqa: DTZ005  files turn at local midnight
    path.write_text('not json \x1b[2J\n{"level": "INFO\\u001b[31m", "message": "a\\u001b]0;x\\u0007"}\n')

    out = call("logs").out

    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_no_log_yet_is_no_error(call: Call, home: Path) -> None:
    assert home.is_dir()
    result = call("logs", "--kind", "cleanup")

    assert result.code == 0
    assert "no such line" in result.err


def test_the_demo_refuses_a_folder_that_holds_something_else(call: Call, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()

    result = call("demo", "--home", str(tmp_path))

    assert result.code == 1
    assert "something else than a demo" in result.err


def test_a_dry_demo_makes_nothing(call: Call, tmp_path: Path) -> None:
    result = call("demo", "--home", str(tmp_path / "d"), "--dry-run")

    assert all(name in result.out for name in INTENTS)
    assert not (tmp_path / "d").exists()


def test_the_demos_intents_ask_for_what_the_scripts_do() -> None:
    good = {"status": "success", "leftovers": None}
    left = {"status": "success", "leftovers": '{"leftovers": ["1:sleep"]}'}

    assert INTENTS["backup"].is_met([good])
    assert not INTENTS["invoices"].is_met([good])
    assert INTENTS["invoices"].is_met([{"status": "failed", "leftovers": None}, good])
    assert not INTENTS["image-worker"].is_met([good])
    assert INTENTS["image-worker"].is_met([left])


def test_logs_of_a_home_that_does_not_exist_are_no_empty_logs(call: Call, empty: Path) -> None:
    result = call("logs")

    assert result.code == 1
    assert f"there are no logs: {empty}" in result.err
