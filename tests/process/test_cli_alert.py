"""An incident from its first failure to its end, with the commands of a person in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.process.cli import Console

from smart_cron.config import load_config
from smart_cron.wiring import prepare

pytestmark = pytest.mark.slow


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    home = tmp_path / "h"
    prepare(load_config({"SMART_CRON_HOME": str(home)}))
    console = Console(home)
    yield console
    console.close()


def alerts(console: Console, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(console.sure("alert", "list", "--json", *options))
    return found


def test_a_failing_task_is_one_incident_until_it_is_well_again(console: Console, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    console.add("report", f"test -e {mended}", "--failure-threshold", "2")
    for _ in range(2):
        assert console.call("task", "run", "report", "--wait").returncode == 1

    in_a_row, failure = alerts(console)
    assert (failure["alert_type"], failure["severity"], failure["occurrences"]) == ("task_failure", "error", 2)
    assert (in_a_row["alert_type"], in_a_row["severity"]) == ("consecutive_failures", "critical")
    assert "failed 2 times in a row" in in_a_row["message"]
    listed = console.sure("alert", "list", "--task", "report").decode()
    assert listed.count("report") >= 2
    console.sure("alert", "ack", str(failure["id"]), "--note", "looking into it")
    assert {each["state"] for each in alerts(console)} == {"seen", "open"}

    mended.touch()
    assert console.call("task", "run", "report", "--wait").returncode == 0

    assert alerts(console) == []
    assert [each["resolved_by"] for each in alerts(console, "--resolved")] == ["recovered", "recovered"]


def test_what_a_person_resolves_or_takes_away_is_over(console: Console) -> None:
    console.add("one", "exit 3")
    console.add("two", "exit 3")
    for name in ("one", "two"):
        console.call("task", "run", name, "--wait")
    two, one = alerts(console)

    shown = console.sure("alert", "show", str(one["id"])).decode()
    assert "Exit code 3" in shown
    console.sure("alert", "resolve", str(one["id"]))
    console.sure("task", "disable", "two")

    assert alerts(console) == []
    by = {each["id"]: each["resolved_by"] for each in alerts(console, "--all")}
    assert by[one["id"]].startswith("cli:")
    assert by[two["id"]] == "task disabled"


def test_severities_are_settings_and_unknown_words_are_refused_with_the_known_ones(console: Console) -> None:
    settings = console.home / "smart-cron.toml"
    settings.write_text('[alerts.severities]\ntask_failure = "info"\n')
    console.add("report", "exit 3")
    console.call("task", "run", "report", "--wait")
    assert [each["severity"] for each in alerts(console)] == ["info"]

    settings.write_text('[alerts.severities]\ntask = "info"\nmemory = "red"\n')
    refused = console.call("config", "check")

    assert refused.returncode != 0
    told = (refused.stdout + refused.stderr).decode()
    assert "'task' is no type of alert; 'red' is no severity; types are task_failure, task_timeout, " in told


def test_a_wrong_number_is_told_in_one_sentence(console: Console) -> None:
    done = console.call("alert", "show", "17")

    assert done.returncode == 1
    assert done.stderr.decode() == (
        "smart-cron: there is no alert 17. 'smart-cron alert list --all' shows the latest.\n"
    )
