"""The master under real trouble: full disks, locked databases, enormous output, homes that are not its own."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.engine.conftest import Home, MakeHome, wait_until
from tests.servers import MariaDb, Server

pytestmark = pytest.mark.slow

INSERT = """INSERT INTO smart_cron_tasks_config (
    task_name, task_description, task_script, schedule_pattern, priority, timeout_seconds, enabled, alert_on_failure,
    alert_email
) VALUES ('my_task_name', 'Processes daily reports', '{script}', '0 2 * * *', 5, 300, 1, 1, 'admin@example.org');"""
RETRIES = """UPDATE smart_cron_tasks_config
SET max_retries = 3, retry_delay_seconds = 0, failure_threshold = 5, alert_on_failure = 1
WHERE task_name = 'my_task_name';"""
DATABASE = "smart_cron"


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    with MariaDb() as server:
        yield server


@contextlib.contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[None]:
    """Lay a file system of so many kilobytes over a folder and copy into it what was there."""
    kept = place.with_name(f"{place.name}.kept")
    subprocess.run(["cp", "-a", str(place), str(kept)], check=True)
    options = f"size={kilobytes}k,mode=750"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    subprocess.run(["cp", "-a", f"{kept}/.", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def root_only() -> None:
    if os.geteuid() != 0:
        pytest.fail("this test mounts a small disk: run it as root, or under 'unshare --map-root-user --mount'")


def fill(place: Path) -> Path:
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    return filler


def test_the_specifications_insert_and_updates_are_honoured_within_five_seconds(
    mariadb: Server, make_home: MakeHome
) -> None:
    mariadb.drop_database(DATABASE)
    home = make_home(mariadb.create_database(DATABASE))
    home.start_master()

    begun = datetime.now(UTC)
    mariadb.run_sql(INSERT.format(script=home.script("report.sh", "exit 3")), DATABASE)
    wait_until(lambda: home.house.store.tasks.get("my_task_name").next_run_at, "the row to be planned")
    assert datetime.now(UTC) - begun < timedelta(seconds=5)

    mariadb.run_sql(RETRIES, DATABASE)
    mariadb.run_sql("UPDATE smart_cron_tasks_config SET next_run_at = NOW(6)", DATABASE)
    begun = datetime.now(UTC)
    home.await_runs(1)
    assert datetime.now(UTC) - begun < timedelta(seconds=5)

    assert [run["exit_code"] for run in home.await_runs(4)] == [3, 3, 3, 3]
    wait_until(lambda: home.house.store.tasks.get("my_task_name").consecutive_failures == 1, "one failed slot")
    mariadb.run_sql("UPDATE smart_cron_tasks_config SET enabled = 0 WHERE task_name = 'my_task_name';", DATABASE)
    wait_until(lambda: home.house.store.tasks.get("my_task_name").next_run_at is None, "the task to be at rest")


def test_a_script_deleted_between_claim_and_start_fails_alone_with_its_path(home: Home) -> None:
    """The claim is made and on its way when the file goes: the task runner is stopped until it is gone."""
    path = Path(home.script("gone.sh", "true"))
    home.add("gone", "", shell_command=None, script=str(path))
    home.add("stays", "echo here")
    home.start_master()
    runner = home.runner_pid()
    assert runner is not None
    os.kill(runner, 19)
    try:
        home.due("gone", "stays")
        home.await_runs(2, status="claimed")
        path.unlink()
    finally:
        os.kill(runner, 18)

    runs = {run["task_name"]: run for run in home.await_runs(2)}

    assert (runs["gone"]["status"], runs["stays"]["status"]) == ("start_failed", "success")
    assert str(path) in runs["gone"]["error_message"]


def test_a_gigabyte_of_output_is_counted_whole_and_kept_in_part(home: Home) -> None:
    home.add("flood", "head -c 1073741824 /dev/zero; echo the end", timeout=timedelta(minutes=5))
    home.start_master()
    home.due("flood")

    [run] = home.await_runs(1)

    assert (run["status"], run["output_bytes"], run["output_truncated"]) == ("success", 1_073_741_824 + 8, 1)
    assert len(run["stdout_output"].encode()) <= 65_535
    assert run["stdout_output"].endswith("the end\n")
    assert sum(file.stat().st_size for file in (home.path / "log").rglob("*.out*")) < 12_000_000


def test_a_full_log_disk_stops_no_run_and_loses_no_result(home: Home, root_only: None) -> None:
    home.add("printing", "head -c 300000 /dev/zero | tr '\\0' x; echo done >&2; exit 3")
    with small_disk(home.path / "log", 200):
        home.start_master()
        fill(home.path / "log")
        home.due("printing")

        [run] = home.await_runs(1)

        assert (run["status"], run["exit_code"], run["output_bytes"]) == ("failed", 3, 300_005)
        assert run["output_truncated"] == 1
        home.stop_masters()


def test_a_full_state_disk_stops_starts_and_goes_on_when_there_is_room_again(
    mariadb: Server, make_home: MakeHome, root_only: None
) -> None:
    """The database is elsewhere: only run files cannot be made. What runs ends as it does, and is recorded."""
    mariadb.drop_database(DATABASE)
    home = make_home(mariadb.create_database(DATABASE))
    gate = home.path / "gate"
    os.mkfifo(gate)
    home.add("running", f"cat {gate}; exit 5")
    home.add("next", "echo ok")
    with small_disk(home.path / "state", 400):
        home.start_master()
        home.due("running")
        home.await_runs(1, status="running")
        filler = fill(home.path / "state")
        home.due("next")
        refused = home.await_runs(1, status="start_failed")[1]
        gate.write_text("")
        ended = home.await_runs(2)[0]
        filler.unlink()
        home.due("next")
        last = home.await_runs(3)[2]
        home.stop_masters()

    assert "No space left" in refused["error_message"]
    assert (ended["status"], ended["exit_code"]) == ("failed", 5)
    assert (last["status"], last["stdout_output"]) == ("success", "ok\n")


def test_a_database_locked_for_longer_than_the_timeout_delays_and_loses_nothing(make_home: MakeHome) -> None:
    home = make_home(SMART_CRON_DATABASE__TIMEOUT_SECONDS="1")
    home.add("patient", "echo ran")
    home.start_master()
    slot = datetime.now(UTC) + timedelta(seconds=1)
    home.due("patient", at=slot)
    lock = sqlite3.connect(home.path / "state" / "smart-cron.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    wait_until(lambda: "Failed to connect to database" in home.log_text(), "the lock to be noticed")
    lock.execute("ROLLBACK")
    lock.close()

    [run] = home.await_runs(1)

    assert (run["status"], run["scheduled_for"]) == ("success", slot)
    assert home.log_text().count("Failed to connect to database") == 1
    assert '"level":"CRITICAL"' in home.log_text().replace(" ", "")


def test_a_home_that_this_user_cannot_write_is_told_with_its_remedy(home: Home) -> None:
    (home.path / "state").chmod(0o550)
    # Root may write everywhere, unless that very capability is taken from it.
    without = "-dac_override,-dac_read_search"
    humbly = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"] if os.geteuid() == 0 else []

    done = subprocess.run(
        [*humbly, sys.executable, "-m", "smart_cron", "master", "--once"],
        env=home.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert f"{home.path / 'state'} cannot be written by this user" in done.stderr
    assert "SMART_CRON_HOME" in done.stderr


def test_a_pass_with_nothing_due_writes_one_line_of_json(home: Home) -> None:
    home.once()
    before = home.log_text()

    home.once()

    [line] = home.log_text().removeprefix(before).splitlines()
    assert "Pass completed" in line
    assert all(f'"{name}"' in line for name in ("timestamp", "level", "message", "context", "pid", "memory", "utc"))


def test_a_failed_run_writes_the_line_that_the_specification_greps_for(home: Home) -> None:
    home.add("broken", "exit 3")
    home.due("broken")

    home.once()

    [line] = [line for line in home.log_text().splitlines() if "Task completed with status failed: broken" in line]
    flat = line.replace(" ", "")
    assert '"level":"ERROR"' in flat
    assert '"exit_code":3' in flat
    assert '"execution_time":' in flat
