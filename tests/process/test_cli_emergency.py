"""Emergencies as a person meets them: stop everything, recover after a restore, strike a node out. All by commands."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.process.cli import DEADLINE_SECONDS, Console, wait_until
from tests.servers import MariaDb, PostgreSql, Server

import smart_cron.recovery.restore as recovery
from smart_cron.config import load_config
from smart_cron.recovery import look_for_restore, settle_restored
from smart_cron.taskrunner.records import read
from smart_cron.taskrunner.tree import read_process
from smart_cron.wiring import House, open_house, prepare

pytestmark = pytest.mark.slow

QUICK_BEATS = {"SMART_CRON_HEARTBEAT_SECONDS": "1", "SMART_CRON_NODE_SILENCE_SECONDS": "3"}
# Ignores SIGTERM, and so does what it leaves in a session of its own.
STUBBORN = (
    "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > {0}/grandchild; while :; do sleep 1; done' & "
    "echo $$ > {0}/main; while :; do sleep 1; done"
)


@dataclass
class Node(Console):
    """One home with settings of its own; several may share a database."""

    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.settings}

    @property
    def database(self) -> Path:
        return self.home / "state" / "smart-cron.db"

    def begin(self) -> subprocess.Popen[bytes]:
        """Start the master and return when this one is at work."""
        before = self.log().count(b"Master started")
        master = self.start("master")
        wait_until(lambda: self.log().count(b"Master started") > before or master.poll() is not None, "the master")
        assert master.poll() is None
        return master

    def end(self, master: subprocess.Popen[bytes]) -> None:
        """End a master in order; what it started goes on."""
        master.terminate()
        master.communicate(timeout=DEADLINE_SECONDS)

    def json(self, *words: str) -> Any:
        return json.loads(self.sure(*words, "--json"))

    def runs(self, task: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.json("run", "list", "--task", task)
        return rows

    def await_status(self, task: str, *statuses: str) -> dict[str, Any]:
        """Return the latest run of the task once it has one of these statuses."""
        found: dict[str, Any] = wait_until(
            lambda: next((row for row in self.runs(task)[:1] if row["status"] in statuses), None),
            f"'{task}' to be {' or '.join(statuses)}",
        )
        return found

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.sure("ledger", "--jsonl").splitlines()]

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
            return connection.execute(text, values).fetchall()

    def beats(self) -> int:
        path = self.home / "state" / "heartbeats"
        return int(path.read_text()) if path.exists() else 0

    def await_beats(self, more: int) -> None:
        goal = self.beats() + more
        wait_until(lambda: self.beats() >= goal, "heartbeats")


MakeNode = Callable[..., Node]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("p")
    prepare(load_config({"SMART_CRON_HOME": str(path)}))
    return path


@pytest.fixture
def make_node(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeNode]:
    with ExitStack() as ends:

        def make(**settings: str) -> Node:
            home = tmp_path_factory.mktemp("c") / "h"
            shutil.copytree(prepared, home)
            node = Node(home, settings={**QUICK_BEATS, **settings})
            # Each whatever becomes of the others: a master that `recover` detached would outlive the test.
            ends.callback(node.close)
            return node

        yield make


@pytest.fixture
def node(make_node: MakeNode) -> Node:
    return make_node()


@pytest.fixture
def pair(make_node: MakeNode, node: Node) -> tuple[Node, Node]:
    """Two nodes on one SQLite file."""
    node.settings["SMART_CRON_NODE_NAME"] = "one"
    url = f"sqlite:///{str(node.database).lstrip('/')}"
    return node, make_node(SMART_CRON_DATABASE__URL=url, SMART_CRON_NODE_NAME="two")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where tasks leave their marks, and their main processes the files that say their pids."""
    yield tmp_path
    # A test that failed leaves its tasks; a pid may be a stranger's by then.
    (tmp_path / "gate").touch()
    for mark in (tmp_path / "main", tmp_path / "grandchild"):
        if written(mark) and str(tmp_path) in command_line(int(mark.read_text())):
            os.kill(int(mark.read_text()), signal.SIGKILL)


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def lives(path: Path) -> bool:
    process = read_process(int(path.read_text()))
    return process is not None and not process.is_dead


def written(*paths: Path) -> bool:
    return all(path.exists() and path.read_text().strip() for path in paths)


# stop-all ------------------------------------------------------------------------------------------------------


def test_stop_all_ends_whole_trees_and_nothing_starts_anywhere_until_it_is_undone(
    pair: tuple[Node, Node], place: Path
) -> None:
    one, two = pair
    one.add("stubborn", STUBBORN.format(place), "--kill-grace", "1s")
    one.add("later", "echo ran")
    one.begin()
    one.sure("task", "run", "stubborn")
    marks = place / "main", place / "grandchild"
    wait_until(lambda: written(*marks), "the tree")

    said = one.sure("stop-all", "--yes")

    assert b"1 run of this node was ended.\n" in said
    assert not any(lives(mark) for mark in marks)
    row = one.await_status("stubborn", "killed")
    assert one.json("run", "show", str(row["id"]))["error_type"] == "stopped"
    two.begin()
    one.sure("task", "run", "later")
    two.await_beats(2)
    one.await_beats(2)
    assert [run["status"] for run in one.runs("later")] == ["waiting"]
    assert one.sure("stop-all", "--resume") == b"Starts go on.\n"
    one.await_status("later", "success")


def stop_all_soon(node: Node, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Call stop-all with less than ten seconds beyond the grace, before it becomes forcible."""
    soon = "from smart_cron import emergency\nemergency.BEYOND_GRACE_SECONDS = 0.2\n"
    program = f"{soon}from smart_cron.faces.cli.main import main\nmain()"
    command = [sys.executable, "-c", program, "stop-all", "--yes", *words]
    return warm.run(command, env=node.environment, timeout=DEADLINE_SECONDS)


def run_stubborn(node: Node, place: Path, grace: str) -> dict[str, Any]:
    retried = ("--retry-lost", "--max-retries", "1", "--retry-delay", "0s")
    node.add("stubborn", STUBBORN.format(place), "--kill-grace", grace, *retried)
    node.begin()
    node.sure("task", "run", "stubborn")
    wait_until(lambda: written(place / "main", place / "grandchild"), "the tree")
    return node.await_status("stubborn", "running")


def test_stop_all_leaves_a_task_its_grace_whatever_the_patience(node: Node, place: Path) -> None:
    run_stubborn(node, place, "3s")
    began = time.monotonic()

    done = stop_all_soon(node, "--patience", "0")

    assert time.monotonic() - began >= 3
    assert b"Ended by force" not in done.stdout
    row = node.await_status("stubborn", "killed")
    assert node.json("run", "show", str(row["id"]))["error_type"] == "stopped"


@pytest.mark.parametrize("has_database", [True, False], ids=["with the database", "without it"])
def test_what_stop_all_ends_by_force_is_killed_and_not_begun_again(
    make_node: MakeNode, place: Path, has_database: bool
) -> None:
    """A supervisor that somebody froze cannot end its run; nothing of that is a loss."""
    node = make_node(SMART_CRON_DATABASE__TIMEOUT_SECONDS="1")
    run_id = run_stubborn(node, place, "0s")["run_id"]
    file = read(node.home / "state" / "runs", run_id)
    assert file is not None
    assert file.started is not None
    os.kill(file.started["supervisor_pid"], signal.SIGSTOP)

    with closing(sqlite3.connect(node.database, timeout=30, isolation_level=None)) as other:
        if not has_database:
            other.execute("BEGIN IMMEDIATE")
        done = stop_all_soon(node, "--patience", "0")

    assert f"Ended by force: {run_id}".encode() in done.stdout
    assert not any(lives(mark) for mark in (place / "main", place / "grandchild"))
    row = node.await_status("stubborn", "killed")
    assert node.json("run", "show", str(row["id"]))["error_type"] == "stopped"
    assert len(node.runs("stubborn")) == 1


def test_stop_all_ends_what_runs_here_although_the_database_is_locked(make_node: MakeNode, place: Path) -> None:
    node = make_node(SMART_CRON_DATABASE__TIMEOUT_SECONDS="1")
    node.add("stubborn", STUBBORN.format(place), "--kill-grace", "1s")
    node.begin()
    node.sure("task", "run", "stubborn")
    marks = place / "main", place / "grandchild"
    wait_until(lambda: written(*marks), "the tree")
    node.await_status("stubborn", "running")

    with closing(sqlite3.connect(node.database, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = node.call("stop-all", "--yes")

    assert done.returncode == 1
    assert b"Starts could not be held back" in done.stderr
    assert not any(lives(mark) for mark in marks)
    row = node.await_status("stubborn", "killed")
    assert node.json("run", "show", str(row["id"]))["error_type"] == "stopped"


def test_stop_all_ends_what_runs_here_although_the_database_server_is_down(make_node: MakeNode, place: Path) -> None:
    with MariaDb() as server:
        url = server.create_database("smart_cron")
        node = make_node(SMART_CRON_DATABASE__URL=url, SMART_CRON_DATABASE__TIMEOUT_SECONDS="2")
        node.sure("db", "migrate")
        node.add("stubborn", STUBBORN.format(place), "--kill-grace", "1s")
        node.begin()
        node.sure("task", "run", "stubborn")
        marks = place / "main", place / "grandchild"
        wait_until(lambda: written(*marks), "the tree")
        server.stop()

        done = node.call("stop-all", "--yes")

        assert (done.returncode, done.stdout) == (1, b"1 run of this node was ended.\n")
        assert not any(lives(mark) for mark in marks)
        server.start()
        node.await_status("stubborn", "killed")
        node.close()


def test_resuming_what_was_not_stopped_is_told(node: Node) -> None:
    done = node.call("stop-all", "--resume")

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"nothing to resume" in done.stderr


# recover -------------------------------------------------------------------------------------------------------


def backup(node: Node) -> Path:
    """Copy the database as a backup does."""
    path = node.home / "backup.db"
    with closing(sqlite3.connect(node.database)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return path


def restore(node: Node, path: Path) -> None:
    """Put the backup in the place of the database."""
    for end in ("", "-wal", "-shm"):
        Path(f"{node.database}{end}").unlink(missing_ok=True)
    shutil.copy(path, node.database)


def stamp(at: datetime) -> str:
    """Return an instant as the ledger prints it."""
    return text_of(at).replace(" ", "T") + "Z"


@contextmanager
def closing_house(node: Node) -> Iterator[House]:
    house = open_house(load_config({"SMART_CRON_HOME": str(node.home), "SMART_CRON_TIME_ZONE": "UTC"}))
    try:
        yield house
    finally:
        house.close()


def text_of(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")[:26]


def age(path: Path, task: str, at: datetime, *, slot: datetime) -> None:
    """Let a backup have looked at this task at that time for the last time, when *slot* was its next."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            """UPDATE smart_cron_tasks_config SET accounted_until = ?, next_run_at = ?, planned_next_run_at = ?
             WHERE task_name = ?""",
            (text_of(at), text_of(slot), text_of(slot), task),
        )


def half_a_day_before(now: datetime) -> datetime:
    """Return the beginning of an hour that is near now in no day."""
    return (now - timedelta(hours=12)).replace(minute=0, second=0, microsecond=0)


def awaited_restore(node: Node) -> subprocess.Popen[bytes]:
    """Start a master on a database that was restored, and return when it has said so."""
    before = node.log().count(b"Database was restored")
    master = node.start("master")
    wait_until(lambda: node.log().count(b"Database was restored") > before, "the master's word")
    return master


def outcomes(entries: list[dict[str, Any]]) -> Mapping[tuple[str, str], list[tuple[int | None, str]]]:
    """Return the attempts and statuses by task and slot."""
    found: dict[tuple[str, str], list[tuple[int | None, str]]] = {}
    for entry in entries:
        if entry["scheduled_for"]:
            found.setdefault((entry["task"], entry["scheduled_for"]), []).append((entry["attempt"], entry["status"]))
    return found


@dataclass
class Past:
    """A node with a backup, after which tasks came due, ran, and one goes on."""

    node: Node
    backup: Path
    slot: datetime
    place: Path

    def marks(self, name: str) -> str:
        path = self.place / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def past(node: Node, place: Path) -> Past:
    """The master of the node is dead and the task 'long' runs on until there is a gate."""
    now = datetime.now(UTC)
    # Sixty slots of a day, none of them near: whatever minute it is.
    node.sure(
        "task",
        "add",
        "hourful",
        "--command",
        f"echo x >> {place}/hourful",
        "--schedule",
        f"* {half_a_day_before(now).hour} * * *",
    )
    node.sure("task", "add", "boot", "--command", f"echo x >> {place}/boot", "--schedule", "@reboot")
    node.sql("UPDATE smart_cron_tasks_config SET updated_at = '2000-01-01 00:00:00.000000' WHERE task_name = 'boot'")
    node.add("short", f"echo x >> {place}/short")
    node.add("pending", f"echo x >> {place}/pending")
    node.add("long", f"echo $$ > {place}/long; while [ ! -e {place}/gate ]; do sleep 0.05; done; echo done")
    master = node.begin()
    node.await_status("boot", "success")
    node.await_beats(1)
    node.end(master)
    node.sure("task", "run", "pending")
    copy = backup(node)
    age(copy, "hourful", now - timedelta(days=1), slot=half_a_day_before(now))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("DELETE FROM smart_cron_executions WHERE task_name = 'boot'")
    node.sql("UPDATE smart_cron_tasks_config SET next_run_at = ? WHERE task_name IN ('long', 'short')", text_of(now))
    master = node.begin()
    wait_until(lambda: written(place / "long"), "the long task")
    node.await_status("short", "success")
    node.await_status("pending", "success")
    node.await_beats(1)
    master.kill()
    master.communicate()
    return Past(node, copy, now, place)


def test_after_a_restore_nothing_of_the_past_starts_and_what_runs_is_recorded(past: Past) -> None:
    node = past.node
    restore(node, past.backup)
    awaited_restore(node)
    looked = node.sure("recover", "--dry-run")

    steps = {step["step"]: step for step in node.json("recover", "--yes")}

    assert b"Would settle the time since the backup" in looked
    assert "60 slots" in steps["Database"]["done"]
    assert node.sql("SELECT * FROM smart_cron_holds") == []
    wait_until(lambda: node.log().count(b"Master started") == 3, "the master to go on by itself")
    (past.place / "gate").touch()
    long = node.await_status("long", "success")
    assert node.sure("run", "logs", str(long["id"])) == b"done\n"
    node.await_beats(1)
    told = outcomes(node.ledger())
    assert all(len(each) == 1 for each in told.values())
    assert told["long", stamp(past.slot)] == [(1, "success")]
    assert told["short", stamp(past.slot)][0][1] in ("success", "missed")
    assert [each for (task, _), each in told.items() if task == "hourful"] == [[(None, "missed")]] * 60
    assert next(each[0][1] for (task, _), each in told.items() if task == "boot") in ("success", "missed")
    assert (past.marks("short"), past.marks("pending"), past.marks("boot")) == ("x\n", "x\n", "x\n")
    assert past.marks("hourful") == ""


@pytest.fixture(params=[MariaDb, PostgreSql], ids=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as made:
        yield made


def test_a_database_server_that_lost_its_latest_hours_is_recovered_from(
    server: Server, make_node: MakeNode, place: Path
) -> None:
    url = server.create_database("smart_cron")
    node, now = make_node(SMART_CRON_DATABASE__URL=url), datetime.now(UTC)
    node.sure("db", "migrate")
    node.sure("task", "add", "hourful", "--command", "true", "--schedule", f"* {half_a_day_before(now).hour} * * *")
    node.add("long", f"echo x >> {place}/long; while [ ! -e {place}/gate ]; do sleep 0.05; done; echo done")
    master = node.begin()
    node.sure("task", "edit", "long", "--next-run-at", f"{now:%Y-%m-%dT%H:%M:%S}")
    wait_until(lambda: written(place / "long"), "the long task")
    node.await_beats(2)
    node.end(master)
    # What a backup of yesterday would say.
    seen, slot = text_of(now - timedelta(days=1)), text_of(half_a_day_before(now))
    in_utc = "SET time_zone = '+00:00'" if isinstance(server, MariaDb) else "SET TIME ZONE 'UTC'"
    server.run_sql(
        f"""{in_utc}; DELETE FROM smart_cron_executions; UPDATE smart_cron_nodes SET heartbeats = 1;
        UPDATE smart_cron_tasks_config SET accounted_until = '{seen}', next_run_at = '{slot}',
            planned_next_run_at = '{slot}' WHERE task_name = 'hourful'""",
        "smart_cron",
    )
    awaited_restore(node)

    steps = {step["step"]: step for step in node.json("recover", "--yes")}

    assert steps["Database"]["done"].startswith("1 run entered from run files; 0 recorded as lost; 60 slots")
    (place / "gate").touch()
    long = node.await_status("long", "success")
    assert node.sure("run", "logs", str(long["id"])) == b"done\n"
    told = outcomes(node.ledger())
    assert sorted(each[0][1] for each in told.values()) == ["missed"] * 60 + ["success"]
    assert (place / "long").read_text() == "x\n"
    node.close()


def test_a_second_recovery_finds_nothing_to_settle(past: Past) -> None:
    node = past.node
    restore(node, past.backup)
    node.sure("recover", "--yes")
    before = node.ledger()

    steps = {step["step"]: step for step in node.json("recover", "--yes")}

    assert steps["Database"]["done"] is None
    assert node.ledger() == before


def test_a_run_that_the_backup_shows_and_nobody_remembers_is_lost_and_not_repeated(node: Node, place: Path) -> None:
    node.add("long", f"echo x >> {place}/long; while [ ! -e {place}/gate ]; do sleep 0.05; done", "--max-retries", "2")
    node.sure("task", "edit", "long", "--retry-lost")
    master = node.begin()
    node.sure("task", "run", "long")
    node.await_status("long", "running")
    copy = backup(node)
    (place / "gate").touch()
    node.await_status("long", "success")
    node.await_beats(1)
    node.end(master)
    for file in (node.home / "state" / "runs").iterdir():
        file.unlink()

    restore(node, copy)
    node.sure("recover", "--yes")

    (row,) = node.runs("long")
    shown = node.json("run", "show", str(row["id"]))
    assert (shown["status"], shown["error_type"]) == ("lost", "lost")
    assert "may have run to its end after the backup" in shown["error_message"]
    assert (place / "long").read_text() == "x\n"


STAGES = ("enter_what_files_tell", "lose_what_has_no_file", "pass_slots_over", "pass_boot_over", "_finish")


def test_a_recovery_may_be_interrupted_before_and_after_each_stage(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    node = past.node
    restore(node, past.backup)

    with closing_house(node) as house:
        for stage in STAGES:
            for is_done in (False, True):
                with monkeypatch.context() as patch:
                    patch.setattr(recovery, stage, interrupted(getattr(recovery, stage), is_done=is_done))
                    settle_interrupted(house)
                # A master would still start nothing.
                assert [hold.kind for hold in house.store.holds.holds()] == ["restored"]
        settle_restored(house, look_for_restore(house), actor="test")

    told = outcomes(node.ledger())
    assert all(len(each) == 1 for each in told.values())
    assert len([task for task, _ in told if task == "hourful"]) == 60
    assert told["long", stamp(past.slot)][0][1] == "running"
    assert node.sql("SELECT COUNT(*) FROM smart_cron_executions WHERE status = 'waiting'") == [(0,)]
    assert node.sql("SELECT * FROM smart_cron_holds") == []


@pytest.mark.parametrize(("heard_later", "entered"), [(timedelta(minutes=5), 1), (timedelta(days=40), 0)])
def test_a_file_of_a_run_whose_row_was_deleted_long_ago_is_no_news(
    node: Node, heard_later: timedelta, entered: int
) -> None:
    node.add("old", "exit 3")
    node.call("task", "run", "old", "--wait")
    (path,) = (node.home / "state" / "runs").iterdir()
    records = read(path.parent, path.name)
    node.end(node.begin())
    node.sql("DELETE FROM smart_cron_executions")
    node.sql(
        "UPDATE smart_cron_nodes SET heartbeat_at = ?, started_at = ?, stopped_at = NULL", *2 * (later(heard_later),)
    )
    (node.home / "state" / "heartbeats").write_text("99\n")

    steps = {step["step"]: step for step in node.json("recover", "--yes")}

    assert records is not None
    assert records.finished is not None
    assert steps["Database"]["done"].startswith(f"{entered} run")
    assert len(node.runs("old")) == entered


def later(span: timedelta) -> str:
    return text_of(datetime.now(UTC) + span)


def interrupted(real: Callable[..., Any], *, is_done: bool) -> Callable[..., Any]:
    def stage(*arguments: Any, **named: Any) -> Any:
        if is_done:
            real(*arguments, **named)
        raise KeyboardInterrupt

    return stage


def settle_interrupted(house: House) -> None:
    found = look_for_restore(house)
    with pytest.raises(KeyboardInterrupt):
        settle_restored(house, found, actor="test")


def test_a_master_that_works_with_the_replaced_file_must_end_first(node: Node) -> None:
    node.add("any", "true")
    master = node.begin()
    copy = backup(node)
    node.await_beats(1)

    restore(node, copy)
    done = node.call("recover", "--yes")

    assert done.returncode == 1
    assert f"process {master.pid} still works with the old one".encode() in done.stderr
    node.end(master)
    node.sure("recover", "--yes")
    wait_until(lambda: node.log().count(b"Master started") == 2, "the master that it started")


def test_failures_in_a_row_are_counted_anew_and_starts_go_on(node: Node) -> None:
    node.add("failing", "exit 3", "--failure-threshold", "1")
    assert node.call("task", "run", "failing", "--wait").returncode == 3
    node.sql("UPDATE smart_cron_tasks_config SET is_running = 1")
    node.sure("stop-all", "--yes", "--reason", "maintenance")

    steps = {step["step"]: step for step in node.json("recover", "--yes")}

    assert steps["Failure counts"]["done"] is not None
    assert "maintenance" in steps["Schedule"]["found"]
    marks = "SELECT consecutive_failures, is_running FROM smart_cron_tasks_config WHERE task_name = 'failing'"
    assert node.sql(marks) == [(0, 0)]
    assert node.sql("SELECT alert_type FROM smart_cron_alerts WHERE resolved = 0") == [("task_failure",)]
    assert node.sql("SELECT * FROM smart_cron_holds") == []
    assert "none works on this node" in steps["Master"]["found"]


def test_a_master_that_is_down_is_started_and_goes_on_when_the_command_is_over(node: Node) -> None:
    node.add("any", "echo ran")
    node.sure("task", "run", "any")
    looked = node.sure("recover", "--dry-run")
    assert b"Would start one, which goes on when this command is over" in looked
    assert b"Master started" not in node.log()

    done = {step["step"]: step["done"] for step in node.json("recover", "--yes")}["Master"]

    pid = int(re.search(r"process (\d+)", done)[1])  # type: ignore[index]
    try:
        process = read_process(pid)
        assert process is not None
        # A session of its own: no terminal that is closed ends it.
        assert (process.session, process.is_dead) == (pid, False)
        node.await_status("any", "success")
        assert {step["step"]: step["done"] for step in node.json("recover", "--yes")}["Master"] is None
    finally:
        os.kill(pid, signal.SIGTERM)


def test_a_master_that_cannot_begin_is_told_with_its_words(node: Node) -> None:
    node.settings["SMART_CRON_NODE_NAME"] = "twin"
    node.sql(
        """INSERT INTO smart_cron_nodes
            (node_name, identity, boot_id, host, version, max_concurrent, tags, heartbeats, started_at, heartbeat_at)
         VALUES ('twin', 'other', 'boot', 'elsewhere', '1', 1, '', 1, ?, ?)""",
        *2 * (later(timedelta(hours=1)),),
    )

    done = {step["step"]: step["done"] for step in node.json("recover", "--yes")}["Master"]

    assert done.startswith("It was not started: the master ended at once: a node 'twin' takes part already")


def test_a_task_runner_that_is_down_is_started(node: Node) -> None:
    steps = {step["step"]: step for step in node.json("recover", "--yes")}

    assert "none is running" in steps["Task runner"]["found"]
    assert "It works" in steps["Task runner"]["done"]
    assert {step["step"]: step for step in node.json("recover", "--yes")}["Task runner"]["done"] is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be in a home that is another user's")
def test_root_recovers_what_it_may_in_another_users_home_and_says_who_does_the_rest(node: Node) -> None:
    node.add("failing", "exit 3")
    node.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 2 WHERE task_name = 'failing'")
    node.sql("INSERT INTO smart_cron_holds (kind, reason, actor) VALUES ('restored', 'a test', 'test')")
    owner = pwd.getpwnam("nobody")
    for path in (node.home, *node.home.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)

    steps = {step["step"]: step for step in node.json("recover", "--yes")}

    for name in ("Database", "Task runner", "Master"):
        assert steps[name]["done"] is None
        assert steps[name]["found"].endswith("and not for root: runuser -u nobody -- smart-cron recover")
    assert "begins to count anew" in steps["Failure counts"]["done"]
    assert {path.owner() for path in node.home.rglob("*")} == {"nobody"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("recover",), 2, b"--yes"),
        (("recover", "--from", "x.sql.gz", "--yes"), 1, b"there is no backup 'x.sql.gz'"),
    ],
)
def test_recover_says_what_it_cannot_do(node: Node, words: tuple[str, ...], code: int, said: bytes) -> None:
    done = node.call(*words)

    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr


# nodes ---------------------------------------------------------------------------------------------------------


def listed(node: Node) -> dict[str, dict[str, Any]]:
    return {record["name"]: record for record in node.json("node", "list")}


def await_state(node: Node, name: str, state: str) -> None:
    wait_until(lambda: listed(node).get(name, {}).get("state") == state, f"'{name}' to be {state}")


def strike_out(one: Node, two: Node, place: Path) -> None:
    """The second of two nodes dies with a run in hand and is struck out: its run is lost until the node is back."""
    one.add("long", f"echo $$ > {place}/long; while [ ! -e {place}/gate ]; do sleep 0.05; done; exit 5")
    master = two.begin()
    two.sure("task", "run", "long")
    two.await_status("long", "running")
    one.begin()
    await_state(one, "two", "alive")
    assert b"is alive" in one.call("node", "forget", "two", "--yes").stderr
    master.kill()
    master.communicate()
    await_state(one, "two", "silent")

    assert b"settle 1 run of it as lost" in one.sure("node", "forget", "two", "--dry-run")
    assert one.sure("node", "forget", "two", "--yes").startswith(b"Node 'two' is forgotten; 1 run was")

    assert one.await_status("long", "lost")
    assert listed(one)["two"]["state"] == "forgotten"
    (place / "gate").touch()
    two.begin()
    assert two.await_status("long", "failed")["exit_code"] == 5
    assert listed(one)["two"]["state"] == "alive"
    asked = one.call("node", "forget", "two")
    assert (asked.returncode, b"no terminal" in asked.stderr) == (2, True)
    assert b"there is no node 'three'" in one.call("node", "forget", "three", "--yes").stderr


def test_a_node_whose_runs_live_on_this_machine_is_not_struck_out(node: Node, place: Path) -> None:
    node.add("long", f"echo $$ > {place}/long; while [ ! -e {place}/gate ]; do sleep 0.05; done; exit 5")
    master = node.begin()
    node.sure("task", "run", "long")
    node.await_status("long", "running")
    node.end(master)
    (name,) = listed(node)

    refused = node.call("node", "forget", name, "--yes")

    assert refused.returncode == 1
    assert b"1 run of node" in refused.stderr
    assert b"lives on this machine: 'long'." in refused.stderr
    assert [run["status"] for run in node.runs("long")] == ["running"]
    (place / "gate").touch()


def test_a_node_on_the_same_file_is_listed_struck_out_and_corrected_when_it_is_back(
    pair: tuple[Node, Node], place: Path
) -> None:
    strike_out(*pair, place)


def test_a_node_on_the_same_server_is_listed_struck_out_and_corrected_when_it_is_back(
    make_node: MakeNode, place: Path
) -> None:
    with MariaDb() as server:
        url = server.create_database("smart_cron")
        nodes = [make_node(SMART_CRON_DATABASE__URL=url, SMART_CRON_NODE_NAME=name) for name in ("one", "two")]
        nodes[0].sure("db", "migrate")
        strike_out(*nodes, place)
        for node in nodes:
            node.close()


def test_two_nodes_of_one_name_are_refused_with_both_identities(pair: tuple[Node, Node]) -> None:
    one, two = pair
    one.begin()

    done = two_of_one_name(two)

    identities = [(node.home / "state" / "incarnation").read_text().strip() for node in pair]
    assert done.returncode == 1
    assert all(identity.encode() in done.stderr for identity in identities)
    assert b"node_name" in done.stderr


def two_of_one_name(two: Node) -> subprocess.CompletedProcess[bytes]:
    two.settings["SMART_CRON_NODE_NAME"] = "one"
    return two.call("master", "--once")


# task held -----------------------------------------------------------------------------------------------------


def test_held_slots_are_listed_run_and_dropped(node: Node) -> None:
    now = datetime.now(UTC)
    slot = half_a_day_before(now)
    node.sure(
        "task", "add", "hold", "--command", "true", "--schedule", f"*/30 {slot.hour} * * *", "--on-missed", "hold"
    )
    node.end(node.begin())
    age(node.database, "hold", now - timedelta(days=1), slot=slot)
    node.begin()
    (found,) = wait_until(lambda: node.json("task", "held", "list"), "held slots")
    assert found["count"] == 2

    assert b"1 slot of 'hold' will run." in node.sure("task", "held", "run", "hold", "--newest")

    node.await_status("hold", "success")
    assert node.sure("task", "held", "drop", "hold", "--all", "--yes") == b"1 slot of 'hold' will not run.\n"
    assert node.json("task", "held", "list") == []
    assert sorted(each[0][1] for each in outcomes(node.ledger()).values()) == ["skipped", "success"]
