"""Backups when something breaks: process, tool, server, rights or disk. What is told, and what is left."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.process.cli import Console, wait_until
from tests.servers import MariaDb

from smart_cron.config import load_config
from smart_cron.wiring import open_house, prepare

pytestmark = pytest.mark.slow
PASSWORD = "canary-p4ss"
REAL = shutil.which("mariadb-dump") or ""


class Cron(Console):
    """A home on the server, called with a dump tool of the test's in front of the real one."""

    tools: Path | None = None
    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        path = os.environ["PATH"] if self.tools is None else f"{self.tools}:{os.environ['PATH']}"
        return {**super().environment, **self.settings, "PATH": path}

    def backups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.sure("backup", "list", "--json"))
        return found

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.home / "backups").iterdir() if path.name.endswith(".sql.gz"))

    def put_in_front(self, script: str) -> Path:
        """Have this shell script called in place of mariadb-dump; it may exec $REAL."""
        self.tools = self.home / "tools"
        self.tools.mkdir(exist_ok=True)
        tool = self.tools / "mariadb-dump"
        tool.write_text(f"#!/bin/sh\nREAL={REAL}\nHOME_DIR={self.home}\n{script}\n")
        tool.chmod(0o755)
        return tool


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDb]:
    with MariaDb() as made:
        made.run_sql(
            f"""CREATE DATABASE cron; CREATE USER owner@localhost IDENTIFIED BY '{PASSWORD}';
            GRANT ALL ON cron.* TO owner@localhost; GRANT ALL ON `smart\\_cron\\_verify%`.* TO owner@localhost;
            CREATE USER plain@localhost IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON cron.* TO plain@localhost;
            CREATE USER reader@localhost IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON cron.* TO reader@localhost;"""
        )
        yield made


def url_of(server: MariaDb, user: str) -> str:
    return f"mariadb://{user}:{PASSWORD}@localhost/cron?unix_socket={quote(str(server.socket), safe='')}"


@pytest.fixture
def cron(server: MariaDb, tmp_path: Path) -> Iterator[Cron]:
    cron = Cron(tmp_path / "home")
    cron.settings = {"SMART_CRON_DATABASE__URL": url_of(server, "owner"), "SMART_CRON_DATABASE__TIMEOUT_SECONDS": "1"}
    server.run_sql("DROP DATABASE cron; CREATE DATABASE cron")
    prepare(load_config(cron.environment))
    yield cron
    cron.close()


def test_a_kill_in_the_middle_leaves_no_half_file_as_a_good_one(cron: Cron) -> None:
    cron.put_in_front('"$REAL" "$@" | head -c 3000; exec sleep 600')
    process = cron.start("backup", "create")
    folder = cron.home / "backups"
    wait_until(lambda: list(folder.glob(".*.part")), "the file to be begun")

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert cron.files() == []
    cron.tools = None
    assert cron.backups() == []
    cron.sure("backup", "create")
    assert len(cron.files()) == 2
    assert not list(folder.glob(".*"))


def test_a_tool_that_fails_is_told_in_its_own_words_and_alerted(cron: Cron) -> None:
    cron.put_in_front('"$REAL" "$@" | head -c 3000; echo "mysqldump: Got errno 28 on write" >&2; exit 2')

    done = cron.call("backup", "create")

    assert done.returncode == 1
    # What the real one says of the pipe that closed differs from time to time.
    assert re.search(rb"mariadb-dump failed: .*mysqldump: Got errno 28 on write\.", done.stderr)
    assert cron.files() == []
    (failed,) = cron.backups()
    assert (failed["status"], failed["is_there"]) == ("failed", False)
    (alert,) = json.loads(cron.sure("alert", "list", "--json"))
    assert (alert["alert_type"], alert["subtype"], alert["severity"]) == ("system_health", "backup", "critical")


def test_a_dump_that_is_cut_although_its_tool_says_nothing_is_not_called_good(cron: Cron) -> None:
    cron.put_in_front('"$REAL" "$@" | head -n 60')

    done = cron.call("backup", "create")

    assert done.returncode == 1
    (failed,) = cron.backups()
    assert failed["status"] == "failed"
    assert not (cron.home / "backups" / "latest.sql.gz").exists()


def test_a_tool_that_is_not_installed_is_named_with_its_package(cron: Cron, tmp_path: Path) -> None:
    cron.settings["PATH"] = str(tmp_path)
    done = subprocess.run(
        cron.argv("backup", "create"), env={**cron.environment, "PATH": str(tmp_path)}, capture_output=True, check=False
    )

    assert done.returncode == 1
    assert b"apt install mariadb-client" in done.stderr


def test_no_password_stands_on_a_command_line_in_the_environment_or_in_a_file(cron: Cron) -> None:
    cron.put_in_front('printf "%s\\n" "$@" > "$HOME_DIR/seen"; env >> "$HOME_DIR/seen"; exec "$REAL" "$@"')

    done = cron.call("backup", "create", "--json")

    assert done.returncode == 0, done.stderr
    assert PASSWORD not in (cron.home / "seen").read_text()
    for path in (cron.home / "backups").iterdir():
        assert PASSWORD.encode() not in path.read_bytes()
    assert PASSWORD.encode() not in done.stdout + done.stderr


def test_a_server_that_freezes_in_the_middle_is_told_and_leaves_nothing(cron: Cron, server: MariaDb) -> None:
    os.mkfifo(cron.home / "go")
    cron.put_in_front('read go < "$HOME_DIR/go"; exec "$REAL" "$@"')
    process = cron.start("backup", "create")
    with (cron.home / "go").open("w") as go:
        server.freeze()
        go.write("go\n")
    try:
        _, said = process.communicate(timeout=60)
    finally:
        server.thaw()

    assert process.returncode == 1
    assert b"the dump stood still for 4 s" in said
    assert cron.files() == []


def test_a_server_that_dies_in_the_middle_is_told_and_leaves_nothing(cron: Cron, server: MariaDb) -> None:
    os.mkfifo(cron.home / "go")
    cron.put_in_front('read go < "$HOME_DIR/go"; exec "$REAL" "$@"')
    process = cron.start("backup", "create")
    with (cron.home / "go").open("w") as go:
        server.stop(signal.SIGKILL)
        go.write("go\n")
    _, said = process.communicate(timeout=60)
    server.start()

    assert process.returncode == 1
    assert b"mariadb-dump failed" in said
    assert cron.files() == []
    cron.tools = None
    cron.sure("backup", "create")


def test_without_the_right_to_a_scratch_database_a_backup_is_unverified_and_the_grant_is_named(
    cron: Cron, server: MariaDb
) -> None:
    cron.settings["SMART_CRON_DATABASE__URL"] = url_of(server, "plain")

    done = cron.call("backup", "create")

    grant = "GRANT ALL PRIVILEGES ON `smart\\_cron\\_verify\\_cron`.* TO 'plain'@'localhost';"
    assert done.returncode == 1
    assert grant in done.stderr.decode()
    (backup,) = cron.backups()
    assert backup["status"] == "unverified"
    assert backup["tables"]["smart_cron_tasks_config"]["rows"] == 0
    (alert,) = json.loads(cron.sure("alert", "list", "--json"))
    assert (alert["subtype"], alert["severity"]) == ("backup", "warning")
    refused = cron.call("backup", "restore", "latest.sql.gz", "--yes", "--no-backup")
    assert refused.returncode == 1
    assert grant in refused.stderr.decode()
    assert json.loads(cron.sure("node", "list", "--json")) == []
    server.run_sql(grant)
    cron.sure("backup", "verify")
    assert json.loads(cron.sure("alert", "list", "--json")) == []


def test_a_user_that_may_only_read_takes_a_backup_that_is_unverified(cron: Cron, server: MariaDb) -> None:
    cron.settings["SMART_CRON_DATABASE__URL"] = url_of(server, "reader")

    done = cron.call("backup", "create")

    assert done.returncode == 1
    assert b"not verified" in done.stderr
    assert len(cron.files()) == 2
    (backup,) = cron.backups()
    assert backup["status"] == "unverified"


@pytest.mark.parametrize(
    ("size", "status", "left"), [("1m", "failed", 0), ("4600k", "failed", 0), ("5500k", "unverified", 1)]
)
def test_a_full_disk_is_told_and_leaves_nothing_half(size: str, status: str, left: int, tmp_path: Path) -> None:
    """Where the copy finds no room, where the packed file finds none, and where only the trial finds none."""
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o750)
    cron = Cron(tmp_path / "home")
    cron.settings = {"SMART_CRON_BACKUP_DIR": str(folder)}
    config = load_config(cron.environment)
    prepare(config)
    with closing(open_house(config)) as house:
        insert = "INSERT INTO smart_cron_executions (task_id, task_name, stdout_output) VALUES (1, 'x', %s)"
        house.store.session.execute(insert, [os.urandom(1_800_000).hex()])
    # In a name space of its own, and a user's where somebody may not mount.
    words = f"mount -t tmpfs -o size={size},mode=750 tmpfs {folder} && {shlex.join(cron.argv('backup', 'create'))}"
    script = f"{words}; echo code $?; find {folder} -type f -name '*.gz' | wc -l; find {folder} -name '.*' | wc -l"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "/bin/sh", "-c", script],
        env=cron.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.splitlines()[-3:] == ["code 1", str(left), "0"]
    assert "Make room" in done.stderr
    row = "SELECT status FROM smart_cron_backups"
    with closing(sqlite3.connect(cron.home / "state" / "smart-cron.db")) as database:
        assert database.execute(row).fetchall() == [(status,)]
    assert json.loads(cron.sure("alert", "list", "--json"))[0]["subtype"] == "backup"
