"""A restore under a working master, with a task that runs across it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.process.cli import Console, wait_until

from smart_cron.core.builtin import BACKUP, HEALTH


class Cron(Console):
    """A home on SQLite, looked into by a connection of its own."""

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        path = self.home / "state" / "smart-cron.db"
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            return connection.execute(text).fetchall()

    def json(self, *words: str) -> Any:
        return json.loads(self.sure(*words, "--json"))


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[Cron]:
    cron = Cron(tmp_path / "home")
    cron.sure("init")
    for name in (HEALTH, BACKUP):
        cron.sure("task", "disable", name)
    yield cron
    cron.close()


@pytest.mark.slow
def test_a_run_goes_on_across_a_restore_and_nothing_of_the_past_starts(cron: Cron, tmp_path: Path) -> None:
    gate, ran = tmp_path / "gate", tmp_path / "ran"
    os.mkfifo(gate)
    cron.add("long", f"echo begun >> {ran}; read x < {gate}; echo ended >> {ran}")
    master = cron.start_master()
    backup = cron.json("backup", "create")
    cron.sure("task", "run", "long")
    wait_until(ran.exists, "the task to run")
    (number,) = cron.sql("SELECT id FROM smart_cron_executions WHERE task_name = 'long'")[0]
    cron.add("later", "true")

    done = cron.json("backup", "restore", backup["file"], "--yes")

    assert "1 run entered from run files" in done["settled"]
    assert [task["task_name"] for task in cron.json("task", "list") if not task["task_name"].startswith("smart")] == [
        "long"
    ]
    assert cron.sql(f"SELECT status FROM smart_cron_executions WHERE id = {number}") == [("running",)]
    with gate.open("w") as file:
        file.write("go\n")
    ended = f"SELECT status, exit_code FROM smart_cron_executions WHERE id = {number}"
    wait_until(lambda: cron.sql(ended) == [("success", 0)], "the result")
    assert ran.read_text() == "begun\nended\n"
    # The master that saw the restore goes on by itself.
    assert master.poll() is None
    assert cron.sql("SELECT kind FROM smart_cron_holds") == []
    assert {each["reason"] for each in cron.json("backup", "list")} == {"initial", "manual", "restore"}
    assert cron.sql("SELECT action FROM smart_cron_audit_log WHERE action = 'restore'") == [("restore",)]


@pytest.mark.slow
def test_the_built_in_task_takes_a_backup_and_drills(cron: Cron) -> None:
    cron.sure("task", "enable", BACKUP)

    cron.sure("task", "run", BACKUP, "--wait")

    (daily,) = [backup for backup in cron.json("backup", "list") if backup["reason"] == "daily"]
    assert daily["status"] == "verified"
    assert daily["drilled_at"] is not None
    assert cron.json("run", "list")[0]["status"] == "success"
