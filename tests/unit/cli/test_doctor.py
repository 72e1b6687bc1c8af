"""`smart-cron doctor`: every finding a line, exit code 1 where one is wrong, and nothing changed by looking."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

pytestmark = pytest.mark.slow  # It runs bubblewrap where there is one.


def test_a_sound_home_ends_with_0_and_a_line_for_each_finding(home: Path, call: Call) -> None:
    result = call("doctor")

    assert (result.code, result.err) == (0, "")
    findings, _, _ = result.out.partition("\n\n")
    assert all(line.split()[0] in {"ok", "note"} for line in findings.splitlines())
    assert f"{home}/state/runs can be written" in result.out
    assert "its tables fit this version" in result.out


def test_json_has_every_finding_with_its_remedy(home: Path, call: Call) -> None:
    document = call("doctor", "--json").document

    assert document["sound"] is True
    assert {"node", "runs", "log", "task runner", "database", "clock", "containment", "limits", "sandbox"} <= {
        finding["subject"] for finding in document["findings"]
    }
    assert all({"subject", "verdict", "sentence", "remedy", "case"} < set(finding) for finding in document["findings"])


def test_a_database_that_is_gone_is_told_and_not_made_anew(home: Path, call: Call) -> None:
    database = home / "state" / "smart-cron.db"
    database.unlink()

    result = call("doctor")

    assert result.code == 1
    assert f"wrong  Database connection – database: the database file {database} is not there." in result.out
    assert "ok     log: " in result.out
    assert not database.exists()


def test_a_server_that_is_down_leaves_the_other_findings(
    home: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMART_CRON_DATABASE__URL", "mysql://someone:secret@127.0.0.1:1/none")

    result = call("doctor", "--json")

    wrong = [finding for finding in result.document["findings"] if finding["verdict"] == "wrong"]
    assert result.code == 1
    assert [finding["subject"] for finding in wrong] == ["database"]
    assert "secret" not in result.out


def test_a_folder_open_to_others_is_wrong_and_the_database_is_left_alone(home: Path, call: Call) -> None:
    (home / "state").chmod(0o777)

    result = call("doctor")

    assert result.code == 1
    assert f"chmod 750 {home}/state" in result.out
    assert "not opened while others can write" in result.out


def test_a_home_that_is_not_there_is_told_with_all_that_is_missing(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMART_CRON_HOME", str(tmp_path / "none"))

    result = call("doctor")

    assert result.code == 1
    assert result.out.count("is not there.") == 5
    assert not (tmp_path / "none").exists()
