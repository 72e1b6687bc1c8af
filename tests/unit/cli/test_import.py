from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

from smart_cron.wiring import House

CRONTAB = """\
# nightly things
MAILTO=ops@example.org
0 2 * * * /usr/local/bin/backup.sh --all
*/5 * * * * echo one%two
@reboot /usr/sbin/agent
"""


@pytest.fixture
def crontab(tmp_path: Path) -> Path:
    path = tmp_path / "crontab"
    path.write_text(CRONTAB)
    return path


def test_each_line_is_accounted_for(call: Call, house: House, crontab: Path) -> None:
    result = call("import", "crontab", str(crontab))

    assert result.code == 0, result.err
    for words in ("line 2: MAILTO", "line 3: became task 'backup'", "line 5: became task 'agent' (@reboot)"):
        assert words in result.out
    assert "3 tasks imported" in result.out
    assert "disabled while cron runs those lines" in result.out
    assert [task.definition.enabled for task in house.store.tasks.list()] == [False, False, False]


def test_a_second_import_changes_nothing(call: Call, house: House, crontab: Path) -> None:
    call("import", "crontab", str(crontab))
    before = house.store.tasks.list()

    result = call("import", "crontab", str(crontab))

    assert "0 tasks imported, 3 known before" in result.out
    assert house.store.tasks.list() == before


def test_a_fault_stops_the_whole_import(call: Call, house: House, crontab: Path) -> None:
    crontab.write_text(CRONTAB + "61 * * * * true\n")

    result = call("import", "crontab", str(crontab))

    assert result.code == 1
    assert "line 6" in result.err
    assert "--skip-invalid" in result.err
    assert "would become task 'backup'" in result.out
    assert house.store.tasks.list() == []


def test_faults_are_one_sentence_together(call: Call, house: House, crontab: Path) -> None:
    crontab.write_text("* * * * * no-such-user true\n61 * * * * root true\n")

    said = call("import", "crontab", str(crontab), "--with-users").err

    assert house.store.tasks.list() == []
    assert "2 problems: " in said
    assert ".;" not in said


def test_faults_are_skipped_where_asked(call: Call, house: House, crontab: Path) -> None:
    crontab.write_text(CRONTAB + "61 * * * * true\n")

    result = call("import", "crontab", str(crontab), "--skip-invalid")

    assert result.code == 0
    assert "line 6: cannot be used" in result.out
    assert len(house.store.tasks.list()) == 3


def test_a_dry_run_imports_nothing(call: Call, house: House, crontab: Path) -> None:
    assert "3 tasks would be imported" in call("import", "crontab", str(crontab), "--dry-run").out
    assert house.store.tasks.list() == []


def test_enable_also_enables_what_was_imported_before(call: Call, house: House, crontab: Path) -> None:
    call("import", "crontab", str(crontab))

    assert "3 enabled" in call("import", "crontab", str(crontab), "--enable").out
    assert all(task.definition.enabled for task in house.store.tasks.list())


def test_taking_over_comments_the_lines_out_and_keeps_a_copy(call: Call, house: House, crontab: Path) -> None:
    result = call("import", "crontab", str(crontab), "--take-over")

    lines = crontab.read_text().splitlines()
    assert result.code == 0, result.err
    assert all(line.startswith(("#", "MAILTO")) for line in lines)
    assert crontab.with_name("crontab.before-smart-cron").read_text() == CRONTAB
    assert all(task.definition.enabled for task in house.store.tasks.list())


def test_json_has_every_line(call: Call, house: House, crontab: Path) -> None:
    [document] = call("import", "crontab", str(crontab), "--json").document

    assert [line["kind"] for line in document["lines"]] == ["comment", "environment", "job", "job", "job"]
    assert document["lines"][2]["task"]["task_name"] == "backup"
    assert document["saved"] is True
    assert len(house.store.tasks.list()) == 3


def test_a_system_crontab_names_users(call: Call, house: House, tmp_path: Path) -> None:
    path = tmp_path / "cron.d"
    path.write_text("0 2 * * * root /usr/bin/true\n")

    assert call("import", "crontab", str(path), "--with-users").code == 0
    assert house.store.tasks.get("true").definition.run_as == "root"


@pytest.mark.parametrize("words", [[], ["--user", "--system"], ["/nonexistent"]])
def test_exactly_one_source_is_named(call: Call, home: Path, words: list[str]) -> None:
    assert home.is_dir()
    assert call("import", "crontab", *words).code == 2


@pytest.fixture
def crontab_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crontab(1) that keeps the crontab in a file."""
    folder, kept = tmp_path / "bin", tmp_path / "kept"
    folder.mkdir()
    command = folder / "crontab"
    command.write_text(
        f'#!/bin/sh\ncase "$1" in -l) cat {kept} 2>/dev/null || {{ echo "no crontab for you" >&2; exit 1; }};; '
        f'*) cp "$1" {kept};; esac\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return kept


def test_a_users_own_crontab_is_read_and_taken_over_through_crontab_1(
    call: Call, house: House, crontab_command: Path
) -> None:
    crontab_command.write_text("0 2 * * * /usr/bin/true\n")

    result = call("import", "crontab", "--user", "--take-over")

    assert result.code == 0, result.err
    assert crontab_command.read_text() == "#smart-cron# 0 2 * * * /usr/bin/true\n"
    [copy] = house.config.state_dir.glob("crontab-*")
    assert copy.read_text() == "0 2 * * * /usr/bin/true\n"
    [task] = house.store.tasks.list()
    assert task.definition.run_as is not None


def test_somebody_without_a_crontab_has_nothing_to_import(call: Call, home: Path, crontab_command: Path) -> None:
    assert home.is_dir()
    assert not crontab_command.exists()
    assert "0 tasks imported" in call("import", "crontab", "--user").out


def test_a_machine_without_crontab_1_is_said(call: Call, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))

    result = call("import", "crontab", "--user")

    assert result.code == 1
    assert "no 'crontab' command" in result.err
