"""SECURITY 27: what is no script that only its owner can change is refused when a task is saved."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

from smart_cron.wiring import House


def _script(path: Path, mode: int = 0o755) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def _dangling(folder: Path) -> Path:
    path = folder / "dangling"
    path.symlink_to("gone")
    return path


def _loop(folder: Path) -> Path:
    path = folder / "loop"
    path.symlink_to("loop")
    return path


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def _in_a_shared_folder(folder: Path) -> Path:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    return _script(shared / "job")


def _link_out(folder: Path) -> Path:
    path = folder / "link"
    path.symlink_to("/bin/true")
    return path


UNSAFE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "dangling": (_dangling, "leads nowhere"),
    "loop": (_loop, "leads in a circle"),
    "fifo": (_fifo, "is a fifo"),
    "device": (lambda _: Path("/dev/null"), "is a device"),
    "directory": (lambda folder: folder, "is a directory"),
    "setuid": (lambda folder: _script(folder / "job", 0o4755), "setuid or setgid"),
    "setgid": (lambda folder: _script(folder / "job", 0o2755), "setuid or setgid"),
    "writable by others": (lambda folder: _script(folder / "job", 0o757), "can be changed by"),
    "in a folder that others can write": (_in_a_shared_folder, "can be written by others"),
    "outside": (lambda _: Path("/bin/true"), "outside the script directories"),
    "outside by a link": (_link_out, "outside the script directories"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder in which scripts may lie."""
    path = tmp_path / "scripts"
    path.mkdir(mode=0o755)
    monkeypatch.setenv("SMART_CRON_SCRIPT_DIRECTORIES", f'["{path}"]')
    return path


@pytest.mark.parametrize("kind", UNSAFE)
def test_security_27_an_unsafe_script_is_refused_at_save(call: Call, house: House, folder: Path, kind: str) -> None:
    make, words = UNSAFE[kind]
    unsafe = str(make(folder))
    sound = str(_script(folder / "sound"))
    assert call("task", "add", "sound", "--script", sound, "--schedule", "@daily").code == 0

    added = call("task", "add", "unsafe", "--script", unsafe, "--schedule", "@daily")
    edited = call("task", "edit", "sound", "--script", unsafe)

    for result in (added, edited):
        assert result.code == 1
        assert words in result.err
    assert [task.definition.script for task in house.store.tasks.list()] == [sound]
