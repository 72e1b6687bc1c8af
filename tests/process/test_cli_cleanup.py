"""`smart-cron cleanup` as a person, a crontab and the built-in task call it; killed anywhere it loses nothing."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests import warm
from tests.fault.disks import SmallDisk, small_disk
from tests.process.cli import DEADLINE_SECONDS, Console, wait_until

from smart_cron.config import load_config
from smart_cron.core.builtin import CLEANUP, HEALTH
from smart_cron.wiring import prepare
from smart_cron.wiring.builtin import enter_builtin_tasks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=200)
# Old enough to be compressed, too young to be deleted.
OLD_DAY, OTHER_OLD_DAY = f"{NOW - timedelta(days=30):%Y-%m-%d}", f"{NOW - timedelta(days=31):%Y-%m-%d}"
TASKS, RUNS, KEPT = 3, 40, 5
HOURS = 60
LINE = b'{"timestamp": "2026-01-01 00:00:00.000000", "level": "INFO", "message": "line"}\n'
LOGS = ("master", "health", "cleanup")


class House(Console):
    """A home with a past: old runs and what they printed, old hours, old logs."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "SMART_CRON_RETENTION__KEEP_RUNS": str(KEPT)}

    def sql(self, text: str, params: tuple[object, ...] = ()) -> list[Any]:
        path = self.home / "state" / "smart-cron.db"
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            return connection.execute(text, params).fetchall()

    def fill(self) -> None:
        path = self.home / "state" / "smart-cron.db"
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            for number in range(TASKS * RUNS):
                self._enter_run(connection, number)
            for number in range(HOURS):
                at = f"{LONG_AGO + timedelta(hours=number):%Y-%m-%d %H}:00:00.000000"
                connection.execute(
                    """INSERT INTO smart_cron_metrics (period, bucket_at, task_id, task_name, node, runs, successes,
                        timed_runs, duration_sum, duration_histogram)
                     VALUES ('hour', ?, 1, 'a', 'n', 2, 2, 2, 1, '0:2')""",
                    [at],
                )
        for kind in LOGS:
            (self.home / "log" / f"{kind}-{OLD_DAY}.log").write_bytes(LINE * 50)

    def _enter_run(self, connection: sqlite3.Connection, number: int) -> None:
        at, run_id = LONG_AGO + timedelta(minutes=number), str(UUID(int=number))
        connection.execute(
            """INSERT INTO smart_cron_executions (task_id, task_name, status, started_at, completed_at, run_id)
             VALUES (?, 'a', 'success', ?, ?, ?)""",
            [number % TASKS + 100, f"{at:%Y-%m-%d %H:%M:%S.%f}", f"{at:%Y-%m-%d %H:%M:%S.%f}", run_id],
        )
        if number % 10 == 0:
            path = self.home / "log" / "output" / f"{at:%Y-%m-%d}" / f"{run_id}.out"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"printed")
            os.utime(path, (at.timestamp(), at.timestamp()))

    def runs(self) -> list[int]:
        return [row[0] for row in self.sql("SELECT id FROM smart_cron_executions ORDER BY id")]

    def counted_runs(self) -> int:
        (row,) = self.sql("SELECT SUM(runs) FROM smart_cron_metrics")
        return int(row[0])

    def outputs(self) -> list[Path]:
        return list((self.home / "log" / "output").glob("*/*"))

    def old_log_lines(self) -> dict[str, bytes]:
        """Return what a reader finds in the old logs: a plain file hides its .gz."""
        found = {}
        for path in sorted((self.home / "log").glob("*.log*")):
            if OLD_DAY in path.name and path.suffix == ".gz":
                found[path.stem] = gzip.decompress(path.read_bytes())
        for path in (self.home / "log").glob("*.log"):
            if OLD_DAY in path.name:
                found[path.name] = path.read_bytes()
        return found

    def is_clean(self) -> None:
        """Assert that all is as it should be after a whole clean-up."""
        assert self.runs() == NEWEST
        assert self.counted_runs() == 2 * HOURS
        assert {row[0] for row in self.sql("SELECT DISTINCT period FROM smart_cron_metrics")} == {"day"}
        assert self.outputs() == []
        assert [path.name for path in (self.home / "log").glob(".*")] == []
        assert not list((self.home / "log").glob(f"*-{OLD_DAY}.log"))


# The numbers of the executions that stay: the last of each task.
NEWEST = list(range(TASKS * (RUNS - KEPT) + 1, TASKS * RUNS + 1))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("p")
    config = load_config({"SMART_CRON_HOME": str(path)})
    prepare(config)
    enter_builtin_tasks(config)
    House(path).fill()
    return path


@pytest.fixture
def house(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("c") / "h"
    shutil.copytree(prepared, home)
    house = House(home)
    yield house
    house.close()


def test_what_is_old_goes_and_is_told_and_logged(house: House) -> None:
    would = json.loads(house.sure("cleanup", "--dry-run", "--json"))
    assert (len(house.runs()), len(house.outputs())) == (TASKS * RUNS, 12)

    printed = house.sure("cleanup").decode().splitlines()

    counts = {step["step"]: step["count"] for step in would["steps"] if step["count"]}
    gone = TASKS * (RUNS - KEPT)
    assert counts == {"executions": gone, "hourly_metrics": HOURS, "output_files": 12, "logs": 3}
    assert printed[:3] == [
        f"executions: {gone} deleted",
        "hourly metrics: 60 made into days",
        "output files: 12 deleted (84 B)",
    ]
    assert len(printed) == 4
    house.is_clean()
    assert set(house.old_log_lines().values()) == {LINE * 50}
    (log,) = (house.home / "log").glob("cleanup-*.log")
    entries = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert entries[0]["message"] == "Executions deleted"
    assert entries[-1]["message"] == "Clean-up completed"
    assert house.sql("SELECT action FROM smart_cron_audit_log WHERE entity_name = 'cleanup'") == [("cleanup",)]


KILLS = (
    "store.cleanup:Cleanup.delete_runs:after:2",
    # Within the transaction, right before its COMMIT.
    "store.cleanup:add_to_days:after:2",
    "store.cleanup:Cleanup.roll_up:after:2",
    "services.cleanup.folder:Folder.remove:after:3",
    "services.cleanup.packing:_finish:before:1",
    "services.cleanup.folder:Folder.rename:after:2",
    "store.cleanup_book:CleanupNotes.note:before:1",
)


@pytest.mark.parametrize("point", KILLS)
def test_killed_anywhere_it_loses_nothing_and_goes_on_the_next_time(house: House, point: str) -> None:
    before = house.old_log_lines()

    program = str(ROOT / "tests" / "process" / "killed_cleanup.py")
    killed = warm.run([sys.executable, program, point], env=house.environment, timeout=DEADLINE_SECONDS)

    assert killed.returncode == -9, killed.stderr
    assert set(NEWEST) <= set(house.runs())
    assert house.counted_runs() == 2 * HOURS
    assert house.old_log_lines() == before

    house.sure("cleanup")

    house.is_clean()
    assert house.old_log_lines() == before


def test_the_crontab_line_does_it_once_a_day(house: House) -> None:
    first, second = house.call("cleanup"), house.call("cleanup")

    assert (first.returncode, second.returncode) == (0, 0)
    assert b"executions: " in first.stdout
    assert re.fullmatch(rb"Cleaned up at [0-9:]{8} today. Clean up again: smart-cron cleanup --json\n", second.stdout)
    assert json.loads(house.sure("cleanup", "--json"))["steps"]


def test_what_was_done_in_part_is_done_again(house: House) -> None:
    planted = house.home / "log" / f"master-{OTHER_OLD_DAY}.log"
    planted.write_bytes(LINE)
    (house.home / "another name").hardlink_to(planted)
    first = house.call("cleanup")

    assert first.returncode == 1
    assert b"is not a regular file with one name" in first.stderr
    planted.unlink()
    assert house.call("cleanup").stdout == b"Nothing is old enough to go.\n"
    actions = house.sql("SELECT action FROM smart_cron_audit_log WHERE entity_name = 'cleanup' ORDER BY id")
    assert actions == [("cleanup_in_part",), ("cleanup",)]


def test_while_another_one_is_at_it_the_crontab_line_leaves_it_alone(house: House) -> None:
    holder = subprocess.Popen(
        ["flock", house.home / "state" / "cleanup.lock", "sh", "-c", "echo held; read end"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"

    from_cron, by_hand = house.call("cleanup"), house.call("cleanup", "--json")
    holder.communicate()

    assert (from_cron.returncode, from_cron.stdout) == (0, b"A clean-up of this node is under way already.\n")
    assert (by_hand.returncode, by_hand.stdout) == (1, b"")
    assert b"under way already. Wait for its end." in by_hand.stderr


def test_a_terminal_sees_progress_and_a_pipe_does_not(house: House) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        house.argv("cleanup"),
        env={**house.environment, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    os.close(theirs)
    shown = os.read(ours, 1_000_000)
    os.close(ours)

    assert done.returncode == 0
    # Which of the parts depends on how long each took: one that is over at once is never drawn.
    assert re.search(rb"[a-z]: \d", shown)
    assert house.call("cleanup", "--json").stderr == b""


def test_the_built_in_task_runs_as_any_other(house: House) -> None:
    assert house.sql("SELECT schedule_pattern, nice FROM smart_cron_tasks_config WHERE task_name = ?", (CLEANUP,)) == [
        ("0 2 * * *", 10)
    ]

    done = house.sure("task", "run", CLEANUP, "--wait")

    assert b"executions: " in done
    # Its own run is the newest of its task.
    assert len(house.runs()) == len(NEWEST) + 1


def test_a_database_that_came_from_a_backup_is_not_cleaned(house: House) -> None:
    house.sql("INSERT INTO smart_cron_holds (kind, reason, actor) VALUES ('restored', 'r', 'a')")

    done = house.call("cleanup")

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Run 'smart-cron recover' first." in done.stderr
    assert len(house.runs()) == TASKS * RUNS


def test_without_a_database_logs_are_looked_after_all_the_same(house: House) -> None:
    path = house.home / "state" / "smart-cron.db"
    path.unlink()
    path.write_bytes(b"this is no database")

    done = house.call("cleanup")

    assert (done.returncode, done.stdout) == (1, b"logs: 3 compressed (11.6 kB)\n")
    assert b"Only logs were looked after." in done.stderr
    assert len(house.outputs()) == 12


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size="4m") as disk:
        yield disk


def test_a_full_disk_is_told_and_keeps_no_other_step_from_its_work(house: House, disk: SmallDisk) -> None:
    logs = Path(disk.folder("log"))
    shutil.copytree(house.home / "log", logs, dirs_exist_ok=True)
    shutil.rmtree(house.home / "log")
    (house.home / "log").symlink_to(logs)
    big = logs / f"master-{OTHER_OLD_DAY}.log"
    big.write_bytes(os.urandom(300_000))
    disk.fill()

    done = house.call("cleanup")

    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert big.stat().st_size == 300_000
    assert house.runs() == NEWEST
    assert house.outputs() == []

    disk.make_room()
    house.sure("cleanup", "--files")
    assert not big.exists()


def test_a_node_that_others_cleaned_up_for_looks_after_its_own_files(house: House) -> None:
    house.sure("task", "disable", CLEANUP, HEALTH)
    house.sql("DELETE FROM smart_cron_metrics")
    house.sql(
        """INSERT INTO smart_cron_audit_log (actor, action, entity_type, entity_id, entity_name, created_at)
         VALUES ('x', 'cleanup', 'system', 0, 'cleanup', strftime('%Y-%m-%d %H:%M:%f000', 'now'))"""
    )
    lock = house.home / "state" / "cleanup.lock"
    lock.touch(0o640)
    os.utime(lock, (0, 0))

    house.start_master()

    wait_until(lambda: not house.outputs() and lock.stat().st_mtime > 0, "the files to be looked after")
    assert len(house.runs()) == TASKS * RUNS
