"""The specification's commands, run as they are printed: on real logs, on real dumps, and on what really runs."""

from __future__ import annotations

import gzip
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.conformance.scene import FAILED, Scene
from tests.docs import commands
from tests.docs.stage import Stage
from tests.process.cli import Console
from tests.servers import MariaDb

from smart_cron.store.gateway import Store, open_store

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
PASSWORD = "it's secret"


@pytest.fixture(scope="module", autouse=True)
def noon() -> Iterator[None]:
    """It is about noon here, whatever the time: no day ends between a log line and the `date` of a command."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = f"NOON{datetime.now(UTC).hour - 12:+d}"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def insert(home: Path, name: str, command: str) -> None:
    """Add a task that is due now."""
    with closing(sqlite3.connect(home / "state" / "smart-cron.db", timeout=30)) as database, database:
        database.execute(
            """INSERT INTO smart_cron_tasks_config (task_name, shell_command, schedule_pattern, next_run_at)
             VALUES (?, ?, '0 0 1 1 *', CURRENT_TIMESTAMP)""",
            [name, command],
        )


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, noon: None) -> Iterator[Console]:
    """A home in which two tasks ran, one of them in vain, with logs that are older beside it."""
    home = tmp_path_factory.mktemp("logged") / "home"
    console = Console(home)
    try:
        console.sure("init")
        insert(home, "good", "echo fine")
        insert(home, "bad", "exit 3")
        console.sure("master", "--once")
        yield console
    finally:
        console.close()


@pytest.fixture
def stage(logged: Console, tmp_path: Path) -> Stage:
    return Stage(logged.home, tmp_path, logged.environment)


def test_the_log_is_followed(stage: Stage) -> None:
    assert "Task completed successfully: good" in stage.prints_until(commands.FOLLOW, "completed successfully: good")


def test_the_last_lines_are_shown_in_colours(stage: Stage) -> None:
    shown = stage.prints(commands.COLOURED)

    assert "\x1b[" in shown
    assert "Task completed successfully: good" in shown


def test_errors_are_found(stage: Stage) -> None:
    found = [json.loads(line) for line in stage.prints(commands.ERRORS).splitlines()]

    assert [(line["level"], line["message"]) for line in found] == [("ERROR", "Task completed with status failed: bad")]
    assert found[0]["context"]["exit_code"] == 3


def test_the_runs_of_today_are_counted(stage: Stage) -> None:
    assert stage.prints(commands.COUNT_TODAY).strip() == "2"


def test_the_last_fifty_lines_are_json_as_documented(stage: Stage) -> None:
    lines = [json.loads(line) for line in stage.prints(commands.LAST_LINES).splitlines()]

    assert lines
    assert all({"timestamp", "level", "message", "context", "pid", "memory"} <= set(line) for line in lines)


def test_room_and_sizes_are_told(stage: Stage) -> None:
    assert "/var/log/smart-cron" in stage.prints(commands.DISK)
    assert "/var/log/smart-cron/output" in stage.prints(commands.SIZES)
    assert int(stage.prints(commands.COUNT_LOGS)) >= 1


def test_old_logs_are_compressed_and_older_ones_removed_and_nothing_else(logged: Console, stage: Stage) -> None:
    log = logged.home / "log"
    output = next(path for path in (log / "output").rglob("*") if path.is_file())
    for path, days in ((log / "master-2001-01-01.log", 9), (log / "master-2001-01-02.log", 5), (output, 9)):
        path.touch()
        _age(path, days)
    for name, days in (("old", 91), ("new", 80)):
        (log / f"{name}.log.gz").write_bytes(gzip.compress(b"{}\n"))
        _age(log / f"{name}.log.gz", days)
    today = {path.name for path in log.glob("*.log")} - {"master-2001-01-01.log"}

    stage.prints(commands.COMPRESS)
    stage.prints(commands.REMOVE)

    assert {path.name for path in log.glob("*.log")} == today
    assert {path.name for path in log.glob("*.gz")} == {"master-2001-01-01.log.gz", "new.log.gz"}
    assert output.exists()
    assert logged.sure("run", "logs", "1") == b"fine\n"


def _age(path: Path, days: int) -> None:
    then = (datetime.now(UTC) - days * DAY).timestamp()
    os.utime(path, (then, then))


KILLED = f"""
smart-cron master >/dev/null 2>&1 &
until [ -s "$OUT/long" ] && [ -s "$OUT/short" ]; do sleep 0.05; done
touch /var/run/smart-cron/master.lock
{commands.CLEAR_LOCKS}
rm "$OUT/hold"
until [ -e "$OUT/ended" ]; do sleep 0.05; done
{commands.KILL}
lives() {{ pgrep -f 'smart[-_]cron' || kill -0 "$(cat "$OUT/long")"; }} >/dev/null 2>&1
for _ in $(seq 600); do lives || break; sleep 0.05; done
lives && ps -e -o pid,ppid,stat,etimes,args || echo 'nothing lives'
smart-cron master --once
"""
# As pip installs it: the command's name is among the words of its process.
PROGRAM = f"#!{sys.executable}\nfrom smart_cron.__main__ import main\nmain()\n"


def test_pkill_stops_everything_and_loses_no_record_and_locks_are_none(tmp_path: Path, noon: None) -> None:
    """In a process table of its own, which holds what this test started and nothing else."""
    console = Console(tmp_path / "home")
    console.sure("init")
    out, program = tmp_path / "out", tmp_path / "bin" / "smart-cron"
    for folder in (out, program.parent):
        folder.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (out / "hold").touch()
    insert(console.home, "long", f"echo $$ > {out}/long; echo begun; sleep 600")
    insert(
        console.home, "short", f"echo $$ > {out}/short; while [ -e {out}/hold ]; do sleep 0.05; done; touch {out}/ended"
    )
    path = f"{program.parent}:{os.environ['PATH']}"
    stage = Stage(console.home, tmp_path, {**console.environment, "OUT": str(out), "PATH": path})

    said = stage.prints(KILLED, own_pids=True)

    assert said.splitlines()[0] == "nothing lives", said
    runs = {run["task_name"]: run for run in json.loads(console.sure("run", "list", "--json"))}
    assert (runs["short"]["status"], runs["long"]["status"]) == ("success", "killed")
    assert runs["long"]["error_type"] == "stopped"
    assert console.sure("run", "logs", str(runs["long"]["id"])) == b"begun\n"


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as server:
        server.create_database("database_name")
        password = PASSWORD.replace("'", "''")
        server.run_sql(
            f"""CREATE USER user@localhost IDENTIFIED BY '{password}';
            GRANT ALL ON database_name.* TO user@localhost"""
        )
        yield server


@pytest.fixture(scope="module")
def kept(mariadb: MariaDb) -> Iterator[Store]:
    """A database with a history, which belongs to that user."""
    url = mariadb.url("database_name").replace("root@", f"user:{quote(PASSWORD)}@")
    store = open_store(url, alias="dumped", timeout_seconds=20)
    store.database.migrate()
    scene = Scene(store)
    for name in ("one", 'it\'s "two"', "drei 💥"):
        scene.ran(name, **FAILED, stdout_copy="Ünïcode\0 \\ ' \" \n; -- `", error_message="Exit code 3")
    yield store
    store.database.close()


@pytest.fixture
def dumps(mariadb: MariaDb, tmp_path: Path) -> Stage:
    """A person whose client knows the socket by its file of defaults, and asks for the password."""
    (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={mariadb.socket}\ndefault-character-set=utf8mb4\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SMART_CRON_", "MYSQL"))}
    return Stage(tmp_path / "home", tmp_path, {**environment, "HOME": str(tmp_path), "TERM": "dumb"})


TABLES = ("tasks_config", "executions", "alerts", "metrics")


def _content(store: Store) -> dict[str, object]:
    return {table: store.session.rows(f"SELECT * FROM smart_cron_{table} ORDER BY id") for table in TABLES}


def test_dumps_by_hand_are_restored_by_hand(kept: Store, dumps: Stage, tmp_path: Path) -> None:
    before = _content(kept)
    kept.database.close()
    for line in (commands.DUMP, commands.DUMP_CONFIG):
        dumps.answers(line, PASSWORD)
    backups = tmp_path / "home" / "backups"
    (whole,), (config,) = backups.glob("manual-backup-*.sql.gz"), backups.glob("config-backup-*.sql.gz")
    assert {whole.name, config.name} <= set(dumps.prints(commands.LIST_BACKUPS).split())
    for name in ("backup-YYYYMMDD-HHMMSS.sql.gz", "latest.sql.gz"):
        (backups / name).write_bytes(whole.read_bytes())
    (backups / "config-backup.sql.gz").write_bytes(config.read_bytes())

    for line, harmed in (
        (commands.RESTORE, TABLES),
        (commands.RESTORE_CONFIG, ["tasks_config"]),
        (commands.RESTORE_LATEST, TABLES),
    ):
        for table in harmed:
            kept.session.execute(f"DELETE FROM smart_cron_{table}")
        kept.database.close()
        dumps.answers(line, PASSWORD)
        assert _content(kept) == before, line

    assert kept.public.missing() == []
    kept.database.check()
    counted = dumps.answers(commands.VERIFY, PASSWORD)
    assert re.search(r"^\| +3 \|$", counted, re.MULTILINE), counted


def test_statements_by_the_client_have_their_effect(kept: Store, dumps: Stage) -> None:
    kept.session.execute("UPDATE smart_cron_tasks_config SET is_running = 1, consecutive_failures = 7")

    assert "1" in dumps.answers(commands.ASK, PASSWORD)
    for line in (commands.CLEAR_RUNNING, commands.CLEAR_FAILURES):
        dumps.answers(line, PASSWORD)

    rows = kept.session.rows("SELECT DISTINCT is_running, consecutive_failures FROM smart_cron_tasks_config")
    assert rows == [(0, 0)]


def test_every_command_that_is_said_to_work_as_printed_is_run_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    named = {name: value for name, value in vars(commands).items() if value in commands.AS_PRINTED}

    assert len(named) == len(commands.AS_PRINTED)
    assert [name for name in named if f"commands.{name}" not in source] == []
