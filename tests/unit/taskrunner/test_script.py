from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smart_cron.taskrunner import script as scripts
from smart_cron.taskrunner.script import (
    ScriptFaultError,
    check_script,
    command_line,
    examine_script,
    find_program,
)

ME = os.geteuid()
STRANGER = 54_321


def fault(path: Path | str, directories: list[str] | None = None, *, uid: int = ME) -> str:
    return check_script(str(path), run_as_uid=uid, service_uid=uid, directories=directories) or ""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "job"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_plain_script_and_a_program_may_run(script: Path) -> None:
    assert fault(script) == ""
    assert fault("/bin/true") == ""


def test_security_27_paths_that_lead_nowhere_each_have_their_sentence(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")

    assert "does not exist" in fault(tmp_path / "gone")
    assert "leads nowhere" in fault(tmp_path / "dangling")
    assert "in a circle" in fault(tmp_path / "loop")
    assert "not an absolute path" in fault("job.sh")
    assert "not an absolute path" in fault("")
    assert "NUL" in fault("/bin/\0true")
    assert "cannot be looked at" in fault("/bin/true/under")


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(("make", "words"), [(Path.mkdir, "directory"), (os.mkfifo, "fifo"), (_make_socket, "socket")])
def test_security_27_what_is_no_regular_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path / "thing")

    assert words in fault(tmp_path / "thing")


def test_security_27_devices_are_refused_without_being_opened() -> None:
    assert "is a device" in fault("/dev/zero")


@pytest.mark.parametrize(
    ("mode", "words"), [(0o4755, "setuid"), (0o2755, "setgid"), (0o777, "others"), (0o757, "others")]
)
def test_security_27_modes_that_are_not_safe_are_refused(script: Path, mode: int, words: str) -> None:
    script.chmod(mode)

    assert words in fault(script)


def test_security_27_a_directory_that_others_can_write_is_refused_sticky_or_not(script: Path) -> None:
    for mode in (0o777, 0o1777):
        script.parent.chmod(mode)
        assert "can be written by others" in fault(script)


def test_security_27_a_shared_sticky_ancestor_is_tolerated(script: Path) -> None:
    deeper = script.parent / "mine"
    deeper.mkdir(mode=0o755)
    script.rename(deeper / "job")
    script.parent.chmod(0o1777)

    assert fault(deeper / "job") == ""
    script.parent.chmod(0o777)
    assert "can be written by others" in fault(deeper / "job")


def test_security_27_a_script_of_a_stranger_is_refused(script: Path) -> None:
    if ME == 0:
        os.chown(script, STRANGER, STRANGER)
        assert f"belongs to user {STRANGER}" in fault(script)
        assert fault(script, uid=STRANGER) == ""
        os.chown(script.parent, STRANGER + 1, STRANGER)
        assert "the directory" in fault(script, uid=STRANGER)
    else:
        assert "belongs to" in fault(script, uid=STRANGER)


def test_security_27_links_are_followed_before_the_directories_are_asked(script: Path, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "inside").write_bytes(script.read_bytes())
    (allowed / "inside").chmod(0o755)
    (allowed / "escape").symlink_to(script)
    alias = tmp_path / "alias"
    alias.symlink_to(allowed)

    assert fault(allowed / "inside", [str(allowed)]) == ""
    assert fault(alias / "inside", [str(alias)]) == ""
    assert "outside" in fault(allowed / "escape", [str(allowed)])
    assert "outside" in fault(allowed / ".." / "job", [str(allowed)])
    assert "outside" in fault(script, [])
    assert fault(script, ["/"]) == ""


def test_a_directory_of_a_longer_name_is_not_inside(tmp_path: Path, script: Path) -> None:
    (tmp_path / "jobs-old").mkdir()
    moved = script.rename(tmp_path / "jobs-old" / "job")

    assert "outside" in fault(moved, [str(tmp_path / "jobs")])


def test_what_cannot_be_executed_needs_a_known_ending(tmp_path: Path) -> None:
    for name, mode, wrong in (
        ("a.txt", 0o755, True),
        ("a.py", 0o644, False),
        ("a.PY", 0o644, True),
        ("a", 0o644, True),
    ):
        path = tmp_path / name
        path.write_text("words\n")
        path.chmod(mode)
        assert bool(fault(path)) is wrong, name


def test_an_executable_without_a_shebang_goes_by_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "a.sh"
    path.write_text("echo\n")
    path.chmod(0o755)

    assert examine_script(str(path), run_as_uid=ME, service_uid=ME, directories=None) is False


@pytest.mark.parametrize(("ending", "program"), [(".sh", "sh"), (".pl", "perl")])
def test_interpreters_are_found_in_the_tasks_own_path(ending: str, program: str) -> None:
    argv = command_line(f"/x/a{ending}", ["-n", "1"], runs_itself=False, search_path="/nowhere:/usr/bin")

    assert argv == [f"/usr/bin/{program}", f"/x/a{ending}", "-n", "1"]


def test_a_missing_interpreter_is_named() -> None:
    with pytest.raises(ScriptFaultError, match="needs 'node'"):
        command_line("/x/a.js", [], runs_itself=False, search_path="/nowhere")


def test_relative_entries_of_a_path_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sh").write_text("#!/bin/sh\n")
    (tmp_path / "sh").chmod(0o755)
    monkeypatch.chdir(tmp_path)

    assert find_program("sh", ".:/usr/bin") == "/usr/bin/sh"


def runs_itself(path: Path | str) -> bool:
    return examine_script(str(path), run_as_uid=ME, service_uid=ME, directories=None)


@pytest.fixture
def known(script: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A script that was looked at, and remembered although it is only a moment old."""
    monkeypatch.setattr(scripts, "SETTLED_NANOSECONDS", -(1 << 62))
    folder = script.parent / "bin"
    folder.mkdir(mode=0o755)
    moved = script.rename(folder / "job")
    assert runs_itself(moved)
    assert is_remembered(moved)
    yield moved
    scripts._remembered.clear()


def is_remembered(path: Path | str) -> bool:
    return (str(path), ME, ME) in scripts._remembered


def test_an_unchanged_script_is_not_opened_again(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "open")

    assert runs_itself(known)


def test_security_27_modes_changed_since_the_last_start_are_seen(known: Path) -> None:
    for mode, words in ((0o4755, "setuid"), (0o757, "others")):
        known.chmod(mode)
        assert words in fault(known)
    known.chmod(0o755)
    known.parent.chmod(0o777)
    assert "can be written by others" in fault(known)


@pytest.mark.skipif(ME != 0, reason="only root gives files away")
def test_security_27_a_script_given_away_since_the_last_start_is_refused(known: Path) -> None:
    os.chown(known.parent, STRANGER, STRANGER)
    assert "the directory" in fault(known)
    os.chown(known.parent, ME, ME)
    os.chown(known, STRANGER, STRANGER)

    assert f"belongs to user {STRANGER}" in fault(known)


def test_security_27_what_took_the_place_of_a_known_script_is_looked_at(known: Path) -> None:
    known.unlink()
    assert "does not exist" in fault(known)
    os.mkfifo(known)
    assert "fifo" in fault(known)
    known.unlink()
    (known.parent / "new").write_text("no shebang\n")
    (known.parent / "new").rename(known)
    assert "not executable" in fault(known)


def test_security_27_a_known_script_that_moved_elsewhere_behind_a_link_is_looked_at(known: Path) -> None:
    link = known.parent.parent / "link"
    link.symlink_to(known)
    assert fault(link) == ""
    assert is_remembered(link)
    open_to_all = known.parent.parent / "shared"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    moved = known.parent.rename(open_to_all / "bin")
    link.unlink()
    link.symlink_to(moved / "job")

    assert "can be written by others" in fault(link)


def test_the_allowed_directories_are_asked_for_a_known_script_too(known: Path) -> None:
    assert "outside" in fault(known, ["/usr"])
    assert fault(known, [str(known.parent)]) == ""


def test_a_script_that_changed_a_moment_ago_is_looked_at_every_time(script: Path) -> None:
    assert runs_itself(script)

    assert not is_remembered(script)


def test_a_script_of_two_names_behind_a_link_is_looked_at_every_time(known: Path) -> None:
    (known.parent / "second").hardlink_to(known)
    link = known.parent / "link"
    link.symlink_to(known)
    assert runs_itself(link)
    assert not is_remembered(link)

    assert runs_itself(known.parent / "second")
    assert is_remembered(known.parent / "second")


def test_a_script_that_a_group_may_write_is_looked_at_every_time(known: Path) -> None:
    known.parent.chmod(0o775)

    assert not scripts._remembered[str(known), ME, ME].still_holds(str(known))
    scripts._remembered.clear()
    fault(known)  # whether it may run depends on who is in the group
    assert not is_remembered(known)
