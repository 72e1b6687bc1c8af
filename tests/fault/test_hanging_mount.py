"""A mount that hangs takes along what is on it and nothing else, and whoever looks is told which it is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from benchmarks.mounts import hanging_mount, mounts_can_hang
from tests.process.cli import Console

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not mounts_can_hang(), reason="only root can mount, and only where there is /dev/fuse"),
]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    with hanging_mount(tmp_path / "mount") as path:
        yield path


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = Console(tmp_path / "home")
    try:
        console.sure("init")
        yield console
    finally:
        console.close()


def put(console: Console, **folders: Path) -> None:
    """Let these folders be there from now on."""
    settings = console.home / "smart-cron.toml"
    lines = [f'{key} = "{path}"\n' for key, path in folders.items()]
    # Keys of the top have to stand before the first table.
    settings.write_text("".join(lines) + settings.read_text())


def findings(console: Console) -> dict[str, Any]:
    done = console.call("health", "--json")
    return {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_tasks_run_while_the_mount_of_the_backups_hangs(console: Console, mount: Path) -> None:
    put(console, backup_dir=mount)
    console.add("nightly", "echo worked")

    assert b"worked" in console.sure("task", "run", "nightly", "--wait")

    found = findings(console)
    assert (found["filesystem"]["status"], found["disk_space"]["status"]) == ("critical", "unknown")
    assert f"{mount} does not answer: its disk or mount hangs" in found["filesystem"]["message"]
    assert f"umount -l {mount}" in found["filesystem"]["remedy"]
    assert str(mount) in found["disk_space"]["message"]
    assert found["disk_space"]["measured"] > 0
    assert found["database"]["status"] == "ok"
    assert b"filesystem" in console.sure("alert", "list")


def test_doctor_names_the_mount_and_looks_at_the_rest(console: Console, mount: Path) -> None:
    put(console, backup_dir=mount)

    document = json.loads(console.call("doctor", "--json").stdout)

    (wrong,) = [each for each in document["findings"] if each["verdict"] == "wrong"]
    assert wrong["sentence"].startswith(f"{mount} does not answer within")
    assert document["remedies"][0]["remedy"].endswith(f"umount -l {mount}")
    assert {"database", "tasks", "runs"} <= {each["subject"] for each in document["findings"]}


def test_commands_say_which_mount_they_cannot_do_without(console: Console, mount: Path) -> None:
    put(console, log_dir=mount)

    done = console.call("task", "list")
    found = findings(console)

    assert done.returncode == 1
    assert f"{mount} does not answer within 10 s: its disk or mount hangs.".encode() in done.stderr
    assert str(mount) in found["filesystem"]["message"]
    # The rows are there although the log could not be written.
    with closing(sqlite3.connect(console.home / "state" / "smart-cron.db")) as database:
        rows = database.execute("SELECT status FROM smart_cron_health_checks WHERE check_name = 'filesystem'")
        assert rows.fetchall() == [("critical",)]


def test_a_hanging_state_directory_is_named_too(console: Console, mount: Path) -> None:
    put(console, state_dir=mount)

    document = json.loads(console.call("doctor", "--json").stdout)
    found = findings(console)

    assert [each["sentence"] for each in document["findings"]] == [
        f"{mount} does not answer within 2.5 s: its disk or mount hangs."
    ]
    assert (found["database"]["status"], found["nodes"]["status"]) == ("critical", "unknown")
    assert f"{mount} does not answer" in found["filesystem"]["message"]
