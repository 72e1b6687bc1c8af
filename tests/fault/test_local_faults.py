"""What can happen to the files of a node at work: locked, full, read-only, deleted, torn, of another version."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

import pytest
from benchmarks.chaos_ground import Ground
from benchmarks.chaos_verdict import ACTIVE
from benchmarks.processes import wait_until

from smart_cron.taskrunner import runfile

from .conftest import PATIENCE_SECONDS, GroundMaker, Mishap, lasting, said, through, undo_of_database
from .disks import SmallDisk, closed, small_disk

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LOST = "Failed to connect to database"
BACK = "Database is back"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", size="4m") as made:
        yield made


def assert_told_once(ground: Ground) -> None:
    assert [entry["level"] for entry in said(ground, LOST)] == ["CRITICAL"]
    assert len(said(ground, BACK)) == 1


def test_a_database_locked_for_longer_than_any_timeout_loses_nothing(make_ground: GroundMaker) -> None:
    ground = make_ground()

    verdict = through(
        ground,
        Mishap(harm=lambda: undo_of_database(ground, "lock database"), noticed=lambda: bool(said(ground, LOST))),
    )

    assert verdict.is_clean, verdict.faults
    assert_told_once(ground)


def filled(disk: SmallDisk) -> Callable[[], object]:
    disk.fill()
    return disk.make_room


@pytest.mark.parametrize("database", ["sqlite", "mariadb", "postgresql"])
def test_a_full_disk_under_the_database_is_told_once_and_loses_nothing(tmp_path: Path, database: str) -> None:
    program = [sys.executable, "-m", "tests.fault.full_database", str(tmp_path), database]
    # Whoever may not mount does so in a user namespace of their own.
    namespaces = ["--mount"] if os.geteuid() == 0 else ["--map-root-user", "--mount"]
    done = subprocess.run(
        ["unshare", *namespaces, *program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found["faults"] == {}
    assert found["runs"]
    # A server that cannot write its log gives up, and who asks it then hears of a lost connection alone.
    words = ("full",) if database == "sqlite" else ("full", "connection")
    assert [any(word in reason for word in words) for reason in found["lost"]] == [True], found["lost"]
    assert found["back"] == 1


def heartbeats_are_told(ground: Ground, _disk: SmallDisk) -> bool:
    return any(
        "No space left" in entry["context"]["reason"] for entry in said(ground, "Heartbeats cannot be remembered")
    )


def output_is_marked_as_cut(ground: Ground, _disk: SmallDisk) -> bool:
    return bool(ground.connection.number("SELECT COUNT(*) FROM smart_cron_executions WHERE output_truncated = 1"))


def disk_is_full(_ground: Ground, disk: SmallDisk) -> bool:
    """Sockets and pid files are there already: nothing has to be written, so there is nothing to be told."""
    return os.statvfs(disk.path).f_bavail == 0


# What a full disk does there, and how that shows.
EFFECTS = {"STATE_DIR": heartbeats_are_told, "LOG_DIR": output_is_marked_as_cut, "RUN_DIR": disk_is_full}


@pytest.mark.parametrize("place", EFFECTS)
def test_a_full_disk_under_one_of_the_directories_loses_no_slot(
    make_ground: GroundMaker, disk: SmallDisk, place: str
) -> None:
    """Starts may fail, and say so; the output that nobody could write may be cut, and its sum is still right."""
    ground = make_ground(**{f"SMART_CRON_{place}": disk.folder("x")})

    def shows() -> bool:
        return EFFECTS[place](ground, disk)

    assert not shows()
    verdict = through(ground, Mishap(harm=lambda: filled(disk), noticed=lasting(2.0, shows)))

    assert verdict.is_clean, verdict.faults


def without_inodes(disk: SmallDisk) -> Callable[[], object]:
    disk.take_inodes()
    return disk.give_inodes


def without_permission(disk: SmallDisk) -> Callable[[], object]:
    return _kept(closed(disk.path / "x"), closed(disk.path / "x" / "runs"))


def _kept(*contexts: AbstractContextManager[None]) -> Callable[[], object]:
    stack = ExitStack()
    for context in contexts:
        stack.enter_context(context)
    return stack.close


@pytest.mark.parametrize("harm", [without_inodes, without_permission])
def test_a_state_directory_in_which_no_file_can_be_made_loses_no_slot_and_is_told_once(
    make_ground: GroundMaker, disk: SmallDisk, harm: Callable[[SmallDisk], Callable[[], object]]
) -> None:
    """What runs ends and is recorded, starts fail with the reason, and all goes on by itself."""
    ground = make_ground(SMART_CRON_STATE_DIR=disk.folder("x"))

    def shows() -> bool:
        return bool(said(ground, "Heartbeats cannot be remembered"))

    verdict = through(ground, Mishap(harm=lambda: harm(disk), noticed=lasting(3.0, shows)))

    assert verdict.is_clean, verdict.faults
    assert len(said(ground, "Heartbeats cannot be remembered")) == 1


def test_whatever_is_deleted_in_the_run_directory_while_tasks_run_harms_nothing(make_ground: GroundMaker) -> None:
    ground = make_ground()

    def delete_all() -> Callable[[], object]:
        for path in ground.nodes[0].run_dir.iterdir():
            path.unlink()
        return lambda: None

    verdict = through(ground, *[Mishap(harm=delete_all, noticed=lasting(0.5)) for _ in range(3)])

    assert verdict.is_clean, verdict.faults
    assert verdict.statuses["lost"] == 0


def test_a_row_that_sql_broke_fails_alone_and_goes_on_once_it_is_mended(make_ground: GroundMaker) -> None:
    ground = make_ground()

    def break_row() -> Callable[[], object]:
        found = ground.connection.execute(
            "SELECT task_name, task_arguments FROM smart_cron_tasks_config WHERE task_name = 'chaos_4'"
        )
        change = "UPDATE smart_cron_tasks_config SET task_arguments = %s WHERE task_name = %s"
        ground.connection.execute(change, ["[broken", found[0][0]])
        return lambda: ground.connection.execute(change, [found[0][1], found[0][0]])

    def refused() -> dict[str, str]:
        """Return what is said of the tasks that were set aside, and of runs that could not be started, by task."""
        rows = ground.connection.execute(
            """SELECT task_name, invalid_reason FROM smart_cron_tasks_config WHERE invalid_reason IS NOT NULL
             UNION SELECT task_name, error_message FROM smart_cron_executions WHERE status = 'start_failed'"""
        )
        return dict(rows)

    def told() -> bool:
        words = (
            "Task is invalid and left alone until it is mended: chaos_4",
            "Task completed with status start_failed: chaos_4",
        )
        return any(said(ground, message) for message in words)

    verdict = through(ground, Mishap(harm=break_row, noticed=lasting(1.5, lambda: "chaos_4" in refused() and told())))

    assert verdict.is_clean, verdict.faults
    # Alone, and over with the mending.
    assert set(refused()) <= {"chaos_4"}
    assert not ground.connection.number("SELECT COUNT(*) FROM smart_cron_tasks_config WHERE invalid_reason IS NOT NULL")


def test_a_master_refuses_a_database_made_by_a_newer_version_in_a_sentence(make_ground: GroundMaker) -> None:
    ground = make_ground()
    node = ground.nodes[0]
    ground.connection.execute(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('smart_cron', '9999_later', CURRENT_TIMESTAMP)"
    )

    node.start()
    wait_until(lambda: node.master_pid is None, what="the master to refuse", seconds=PATIENCE_SECONDS)

    assert "newer version of Smart Cron (it has '9999_later')" in node.last_words
    assert "Traceback" not in node.last_words


def test_a_torn_run_file_is_read_as_far_as_it_is_whole(make_ground: GroundMaker) -> None:
    """Task runner and supervisor die in the middle of a line: the run is lost and told so, once."""
    ground = make_ground()
    node = ground.nodes[0]
    ground.connection.execute(
        """INSERT INTO smart_cron_tasks_config (task_name, shell_command, schedule_pattern, retry_lost, max_retries)
           VALUES ('torn', 'echo out; sleep 300', '0 0 29 2 *', 0, 0)"""
    )
    node.start()
    wait_until(lambda: node.runner_pid() is not None, what="the task runner", seconds=PATIENCE_SECONDS)
    ground.connection.execute(
        "UPDATE smart_cron_tasks_config SET next_run_at = '2020-01-01 00:00:00.000000' WHERE task_name = 'torn'"
    )
    runs = node.state_dir / "runs"

    def spawned() -> runfile.RunFile | None:
        for name in runfile.list_runs(str(runs)):
            file = runfile.read(runs, name)
            if file is not None and file.spawned is not None:
                return file
        return None

    wait_until(lambda: spawned() is not None, what="the run", seconds=PATIENCE_SECONDS)
    file = spawned()
    assert file is not None
    assert file.started is not None
    for pid in (node.runner_pid(), file.started["supervisor_pid"]):
        with suppress(ProcessLookupError):
            os.kill(pid or 0, signal.SIGKILL)
    _tear(runs / file.run_id)
    wait_until(lambda: not _active(ground), what="the end", seconds=PATIENCE_SECONDS)

    rows = ground.connection.execute("SELECT status, run_id FROM smart_cron_executions")
    assert rows == [("lost", file.run_id)]


def _tear(path: Path) -> None:
    """Leave the first line and half of the second."""
    data = path.read_bytes()
    first = data.index(b"\n") + 1
    with path.open("r+b") as file:
        file.seek(first + 20)
        file.write(b"\0" * (len(data) - first - 20))


def _active(ground: Ground) -> bool:
    words = ", ".join(f"'{word}'" for word in ACTIVE)
    return bool(ground.connection.number(f"SELECT COUNT(*) FROM smart_cron_executions WHERE status IN ({words})"))
