from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.crontab_sources import CrontabFile
from smart_cron.faces.cli.import_crontab import read_all
from smart_cron.faces.cli.import_saving import require_can_take_over, save
from smart_cron.wiring import House

SRC = str(Path(__file__).parents[3] / "src")
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
    us = pwd.getpwuid(os.geteuid()).pw_name
    path.write_text(f"0 2 * * * {us} /usr/bin/true\n")

    assert call("import", "crontab", str(path), "--with-users").code == 0
    assert house.store.tasks.get("true").definition.run_as == us


@pytest.fixture
def nobodys(house: House) -> House:
    """The home as one of a service user that is not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a home to somebody else")
    for path in (house.config.home, *house.config.home.rglob("*")):
        shutil.chown(path, "nobody")
    return house


def test_a_line_that_this_home_cannot_run_is_not_taken_from_cron(call: Call, nobodys: House, tmp_path: Path) -> None:
    path = tmp_path / "cron.d"
    path.write_text("0 2 * * * root /usr/bin/true\n")

    result = call("import", "crontab", str(path), "--with-users", "--take-over")

    assert result.code == 1
    assert "only a master that is root can run tasks as 'root'" in result.err
    assert path.read_text() == "0 2 * * * root /usr/bin/true\n"
    assert nobodys.store.tasks.list() == []


def test_a_task_that_cannot_run_any_more_is_not_taken_from_cron(call: Call, house: House, crontab: Path) -> None:
    call("import", "crontab", str(crontab))
    [first, *_] = house.store.tasks.list()
    gone = replace(first.definition, working_directory="/no/such/folder")
    house.store.tasks.replace(first.id, gone, actor="test")

    result = call("import", "crontab", str(crontab), "--take-over")

    assert result.code == 1
    assert "/no/such/folder" in result.err
    assert crontab.read_text() == CRONTAB


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, as those of tests cannot be."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_script_of_the_service_user_is_right_whoever_saves_it(call: Call, nobodys: House, open_folder: Path) -> None:
    script = open_folder / "job.sh"
    script.write_text("true\n")
    for path in (open_folder, script):
        shutil.chown(path, "nobody")
    script.chmod(0o755)

    result = call("task", "add", "job", "--script", str(script), "--schedule", "@daily")

    assert result.code == 0, result.err
    assert nobodys.store.tasks.get("job").definition.script == str(script)


@pytest.fixture
def two_crontabs(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "first", tmp_path / "second"]
    for path in paths:
        path.write_text(f"0 2 * * * /usr/bin/{path.name}\n")
    return paths


def test_nothing_is_imported_where_one_of_several_crontabs_cannot_be_taken_over(
    house: House, two_crontabs: list[Path]
) -> None:
    link = two_crontabs[0].with_name("link")
    link.symlink_to(two_crontabs[1])
    imports = read_all(house, [CrontabFile(path=path, system=False) for path in (two_crontabs[0], link)])

    with pytest.raises(SmartCronError, match="link"):
        require_can_take_over(imports)


def test_a_crontab_that_refuses_has_those_before_it_given_back(house: House, two_crontabs: list[Path]) -> None:
    imports = read_all(house, [CrontabFile(path=path, system=False) for path in two_crontabs])
    # Somebody edits the second one between the reading and the taking over.
    two_crontabs[1].write_text("0 3 * * * /usr/bin/second\n")

    with pytest.raises(SmartCronError, match=r"has changed since.*Nothing was imported, and every crontab reads as it"):
        save(house, imports, actor="test", enable=True, take_over=True)

    assert two_crontabs[0].read_text() == "0 2 * * * /usr/bin/first\n"
    assert two_crontabs[1].read_text() == "0 3 * * * /usr/bin/second\n"
    assert sorted(path.name for path in two_crontabs[0].parent.iterdir()) == ["first", "home", "second"]
    assert house.store.tasks.list() == []


def test_a_link_is_refused_before_anything_is_imported(call: Call, house: House, crontab: Path) -> None:
    link = crontab.with_name("link")
    link.symlink_to(crontab)

    result = call("import", "crontab", str(link), "--take-over")

    assert result.code == 1
    assert "not a link" in result.err
    assert house.store.tasks.list() == []


def test_a_crontab_1_that_refuses_imports_nothing(call: Call, house: House, crontab_command: Path) -> None:
    crontab_command.write_text("0 2 * * * /usr/bin/true\n")
    command = crontab_command.with_name("bin") / "crontab"
    command.write_text(command.read_text().replace("cp ", "echo you may not >&2; exit 1; cp "))

    result = call("import", "crontab", "--user", "--take-over")

    assert result.code == 1
    assert "you may not. Nothing was imported" in result.err
    assert house.store.tasks.list() == []
    assert list(house.config.state_dir.glob("crontab-*")) == []


AS_NOBODY = """
import os, sys
from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.crontab_sources import file_source
from smart_cron.services.crontab import read_crontab
from pathlib import Path
os.setuid(65534)
for name in ("first", "second"):
    source = file_source(Path(sys.argv[1]) / name, with_users=False)
    lines = read_crontab(source.content(), system=False, source=source.source, user="nobody").jobs
    for work in (source.require_can_take_over, source.take_over):
        try:
            work(lines)
        except SmartCronError as fault:
            print(fault)
"""


@pytest.mark.slow
def test_files_that_this_user_cannot_write_are_refused_in_a_sentence(nobodys: House, open_folder: Path) -> None:
    assert nobodys
    for name in ("first", "second"):
        (open_folder / name).write_text("0 2 * * * /usr/bin/true\n")

    command = [sys.executable, "-c", AS_NOBODY, str(open_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": SRC})

    assert done.stdout.count("cannot be taken over: ") == 4


def test_a_line_that_is_left_out_does_not_hold_for_those_below(call: Call, house: House, crontab: Path) -> None:
    crontab.write_text("LD_PRELOAD=x\nA=1\n" + CRONTAB)

    said = call("import", "crontab", str(crontab)).out

    assert "line 1: LD_PRELOAD cannot be set" in said
    assert "LD_PRELOAD=x holds" not in said
    assert "A=1 holds for the lines below" in said


def test_a_file_that_is_no_crontab_is_refused_in_a_sentence_that_ends(call: Call, house: House, crontab: Path) -> None:
    crontab.write_bytes(b"\x7fELF\x00\xff\n" * 500)

    result = call("import", "crontab", str(crontab))

    assert result.code == 1
    assert "500 problems" in result.err
    assert "and 495 more" in result.err
    assert len(result.err) < 2000
    assert house.store.tasks.list() == []


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
