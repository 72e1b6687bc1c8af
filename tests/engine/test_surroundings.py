"""The master on each database, and while a database, a home or a disk does not do its part."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.engine.conftest import Home, MakeHome, is_alive, wait_until
from tests.servers import MariaDb, PostgreSql, Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[MariaDb, PostgreSql], ids=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as made:
        yield made


@pytest.fixture
def server_home(server: Server, make_home: MakeHome) -> Iterator[Home]:
    server.drop_database("smart_cron")
    home = make_home(server.create_database("smart_cron"), SMART_CRON_DATABASE__TIMEOUT_SECONDS="3")
    yield home
    home.stop()


def test_the_whole_way_works_on_a_server(server_home: Home) -> None:
    server_home.add("ok", "echo out")
    server_home.add("flaky", 'test "$SMART_CRON_ATTEMPT" = 2', max_retries=1, retry_delay=timedelta(0))
    server_home.start_master()
    server_home.due("ok", "flaky")

    runs = server_home.await_runs(3)

    assert sorted((run["task_name"], run["attempt"], run["status"]) for run in runs) == [
        ("flaky", 1, "failed"),
        ("flaky", 2, "success"),
        ("ok", 1, "success"),
    ]


def test_a_result_outlives_a_database_that_is_down_when_the_run_ends(
    server: Server, server_home: Home, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    server_home.add("long", f"echo before; cat {gate}; echo after")
    server_home.start_master()
    server_home.due("long")
    server_home.await_runs(1, status="running")

    server_home.house.store.database.close()
    server.stop()
    gate.write_text("")
    wait_until(lambda: "Failed to connect to database" in server_home.log_text(), "the outage to be noticed")
    server.start()

    [run] = server_home.await_runs(1)
    assert (run["status"], run["stdout_output"]) == ("success", "before\nafter\n")
    assert server_home.log_text().count("Failed to connect to database") == 1
    wait_until(lambda: "Database is back" in server_home.log_text(), "the recovery to be told")


def test_what_lost_its_supervisor_and_its_task_runner_is_ended_while_the_database_is_away(
    server: Server, server_home: Home, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    server_home.add("long", f"echo $$ >{pid_file}; exec sleep 600")
    server_home.start_master()
    server_home.due("long")
    server_home.await_runs(1, status="running")
    task = int(wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), "the task's pid"))
    supervisor = parent_of(task)

    server_home.house.store.database.close()
    server.stop()
    try:
        wait_until(lambda: "Failed to connect to database" in server_home.log_text(), "the outage to be noticed")
        # Both at once: the one would end it for the other.
        for pid in (parent_of(supervisor), supervisor):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(task), "the task to be ended")
    finally:
        server.start()

    [run] = server_home.await_runs(1)
    assert (run["status"], run["exit_code"]) == ("lost", None)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_frozen_database_is_waited_for_and_nothing_is_doubled(server: Server, server_home: Home) -> None:
    server_home.add("once", "echo ran")
    server_home.start_master()
    slot = datetime.now(UTC) + timedelta(seconds=2)
    server_home.due("once", at=slot)

    server.freeze()
    try:
        wait_until(lambda: "Failed to connect to database" in server_home.log_text(), "the freeze to be noticed")
    finally:
        server.thaw()

    server_home.await_runs(1)
    assert [(run["status"], run["scheduled_for"]) for run in server_home.runs()] == [("success", slot)]


def test_a_locked_database_delays_and_loses_nothing(make_home: MakeHome) -> None:
    home = make_home(SMART_CRON_DATABASE__TIMEOUT_SECONDS="1")
    home.add("patient", "echo ran")
    home.start_master()
    slot = datetime.now(UTC) + timedelta(seconds=1)
    home.due("patient", at=slot)
    lock = sqlite3.connect(home.path / "state" / "smart-cron.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    # Until the slot is past and the master has met the lock: then the lock alone keeps the task from starting.
    wait_until(lambda: "Failed to connect to database" in home.log_text(), "the lock to be met")
    wait_until(lambda: datetime.now(UTC) > slot, "the slot")
    free_at = datetime.now(UTC)
    assert home.runs() == []
    lock.execute("ROLLBACK")
    lock.close()

    [run] = home.await_runs(1)
    assert (run["status"], run["scheduled_for"]) == ("success", slot)
    assert run["started_at"] > free_at


def fail(home: Home, *words: str) -> str:
    """Run a command that must fail and return what it says."""
    done = home.smart_cron(*words)
    assert done.wait(30) == 1
    return home.errors()


def test_a_missing_database_is_told_with_its_remedy(home: Home) -> None:
    home.house.close()
    for file in (home.path / "state").glob("smart-cron.db*"):
        file.unlink()

    assert "smart-cron db migrate" in fail(home, "master")


def test_a_database_of_a_newer_version_is_refused_by_name(home: Home) -> None:
    home.sql("INSERT INTO django_migrations (app, name, applied) VALUES ('smart_cron', '9999_future', '2030-01-01')")

    assert "newer version of Smart Cron (it has '9999_future')" in fail(home, "master")


def test_a_password_is_never_told_when_a_database_cannot_be_reached(home: Home) -> None:
    home.settings["SMART_CRON_DATABASE__URL"] = "mysql://scheduler:hunter2canary@127.0.0.1:9/none"

    said = fail(home, "master", "--once")

    assert "hunter2canary" not in said + home.log_text()
    assert "127.0.0.1" in said


def test_a_master_waits_for_a_database_that_cannot_be_reached_and_tells_no_password(home: Home) -> None:
    home.settings["SMART_CRON_DATABASE__URL"] = "mysql://scheduler:hunter2canary@127.0.0.1:9/none"

    master = home.smart_cron("master")
    wait_until(lambda: "Failed to connect to database" in home.log_text(), "the outage in the log")
    wait_until(lambda: "127.0.0.1" in home.errors(), "the outage on the screen")

    assert master.poll() is None
    assert "hunter2canary" not in home.errors() + home.log_text()


def test_a_home_that_does_not_exist_is_told_with_its_remedy(home: Home, tmp_path: Path) -> None:
    home.settings["SMART_CRON_HOME"] = str(tmp_path / "nowhere")

    assert "smart-cron init" in fail(home, "master")


def test_a_second_master_loop_on_the_node_is_refused(home: Home) -> None:
    home.start_master()

    assert "already" in fail(home, "master")


def test_a_crontab_line_ends_although_it_started_the_task_runner(home: Home) -> None:
    home.add("long", "sleep 600")
    home.settings["SMART_CRON_MAX_EXECUTION_TIME"] = "1"
    home.due("long")

    # A pipe as cron has it: it is at its end only when nobody holds it any more.
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m smart_cron master --once"],
        env=home.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert home.runs()[0]["status"] == "running"
