"""`smart-cron health` as a person, a crontab and the built-in task call it, on machines that are well and that hang."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.process.cli import DEADLINE_SECONDS, Console
from tests.servers import MariaDb, PostgreSql, Server

from smart_cron import SmartCronHealth
from smart_cron.config import load_config
from smart_cron.core.builtin import BACKUP, CLEANUP, HEALTH
from smart_cron.wiring import open_house

pytestmark = pytest.mark.slow

CHECKS = {
    "database",
    "schema_version",
    "filesystem",
    "disk_space",
    "memory",
    "task_runner",
    "certificate",
    "start_lateness",
    "stuck_tasks",
    "critical_failures",
    "invalid_tasks",
    "unrecorded_results",
    "nodes",
    "clock",
    "undelivered_alerts",
    "backup_age",
    "holds",
}
# What a machine under test may be short of says nothing of us.
ROOMY = {
    "SMART_CRON_MISFIRE_GRACE_SECONDS": "86400",
    "SMART_CRON_HEALTH__DISK_WARNING_PERCENT": "100",
    "SMART_CRON_HEALTH__DISK_CRITICAL_PERCENT": "100",
    "SMART_CRON_HEALTH__MEMORY_WARNING_PERCENT": "100",
    "SMART_CRON_HEALTH__MEMORY_CRITICAL_PERCENT": "100",
    "SMART_CRON_HEALTH__DATABASE_WARNING_MS": "60000",
    "SMART_CRON_HEALTH__DATABASE_CRITICAL_MS": "60000",
    "SMART_CRON_HEALTH__PROBE_SECONDS": "60",
    "SMART_CRON_HEALTH__CLOCK_WARNING_SECONDS": "3600",
    "SMART_CRON_HEALTH__CLOCK_CRITICAL_SECONDS": "3600",
    "SMART_CRON_HEALTH__LATENESS_WARNING_SECONDS": "3600",
    "SMART_CRON_HEALTH__LATENESS_CRITICAL_SECONDS": "3600",
}
FULL = {
    "SMART_CRON_HEALTH__MEMORY_WARNING_PERCENT": "0.001",
    "SMART_CRON_HEALTH__MEMORY_CRITICAL_PERCENT": "0.001",
}


class Ward(Console):
    """A home whose commands may be given further settings."""

    def __init__(self, home: Path, **settings: str) -> None:
        super().__init__(home)
        self.settings = {**ROOMY, **settings}

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.settings}

    def ask(self, *words: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
        environment = {**self.environment, **settings}
        return warm.call(("health", *words), environment=environment, timeout=DEADLINE_SECONDS)

    def sql(self, text: str) -> list[Any]:
        with sqlite3.connect(self.home / "state" / "smart-cron.db", timeout=30) as connection:
            rows = connection.execute(text).fetchall()
        connection.close()
        return rows

    def open_alerts(self) -> list[Any]:
        return self.sql("SELECT alert_type, subtype, severity FROM smart_cron_alerts WHERE resolved = 0")


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path / "home")
    ward.sure("init")
    # Without a task nobody misses a master.
    ward.sure("task", "disable", HEALTH, CLEANUP, BACKUP)
    yield ward
    ward.close()


def test_init_enters_the_built_in_task_once(tmp_path: Path) -> None:
    ward = Ward(tmp_path / "home")

    assert b"entered the task smart_cron_health (*/5 * * * *)" in ward.sure("init")
    assert b"entered" not in ward.sure("init")
    assert b"Switch it off: smart-cron task disable" in ward.call("task", "remove", HEALTH, "--yes").stderr
    found = ward.sql("SELECT task_name, priority, origin FROM smart_cron_tasks_config")
    assert [row for row in found if row[0] == HEALTH] == [(HEALTH, 1, "builtin")]


def test_a_healthy_home_is_told_line_by_line_entered_and_logged(ward: Ward) -> None:
    done = ward.ask()

    *lines, last = done.stdout.decode().splitlines()
    assert (done.returncode, last) == (0, "healthy"), done
    assert {line.split()[1].rstrip(":") for line in lines} == CHECKS
    rows = ward.sql("SELECT check_name, status FROM smart_cron_health_checks")
    assert set(rows) == {(check, "ok") for check in {*CHECKS, "success_rates"}}
    (log,) = (ward.home / "log").glob("health-*.log")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert entries[-1]["message"] == "System is healthy"
    assert {entry["context"].get("check") for entry in entries} >= CHECKS
    assert done.stderr == b""


def test_quiet_says_nothing_while_all_is_well(ward: Ward) -> None:
    done = ward.ask("--quiet")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_is_critical_ends_with_1_and_an_alert_that_goes_when_it_is_over(ward: Ward) -> None:
    done = ward.ask("--json", **FULL)

    document = json.loads(done.stdout)
    found = {finding["check"]: finding for finding in document["findings"]}
    assert (done.returncode, document["healthy"]) == (1, False)
    assert (found["memory"]["status"], found["memory"]["severity"], found["memory"]["unit"]) == (
        "critical",
        "critical",
        "%",
    )
    assert "--memory-mb" in found["memory"]["remedy"]
    assert ward.open_alerts() == [("memory", "memory", "critical")]

    assert ward.ask("--json").returncode == 0
    assert ward.open_alerts() == []


def test_the_crontab_line_leaves_the_slot_to_whoever_was_first(ward: Ward) -> None:
    ward.ask("--quiet")
    # However near the end of its slot this test runs.
    ward.sql("UPDATE smart_cron_health_checks SET checked_at = datetime('now', '+1 hour')")

    done = ward.ask(**FULL)

    assert (done.returncode, done.stderr) == (0, b"")
    assert re.fullmatch(rb"Looked at [0-9:]{8}: healthy. Look again: smart-cron health --quiet\n", done.stdout)
    assert ward.ask("--quiet", **FULL).returncode == 1


def test_the_crontab_line_ends_with_the_verdict_of_whoever_was_first(ward: Ward) -> None:
    ward.ask("--quiet", **FULL)
    ward.sql("UPDATE smart_cron_health_checks SET checked_at = datetime('now', '+1 hour')")

    done = ward.ask()

    assert done.returncode == 1
    assert b": unhealthy (1 critical). Look again: smart-cron health --quiet\n" in done.stdout


def test_the_built_in_task_fails_only_where_it_could_not_look(ward: Ward) -> None:
    assert ward.ask(SMART_CRON_TASK=HEALTH, **FULL).returncode == 0

    (ward.home / "state" / "smart-cron.db").rename(ward.home / "away.db")

    done = ward.ask(SMART_CRON_TASK=HEALTH)
    assert done.returncode == 1
    assert b"nothing was entered" in done.stderr


def test_a_database_that_is_gone_is_told_and_not_made_anew(ward: Ward) -> None:
    path = ward.home / "state" / "smart-cron.db"
    path.unlink()

    done = ward.ask("--json")

    found = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert (done.returncode, found["database"]["status"]) == (1, "critical")
    assert "since the database does not serve" in found["nodes"]["message"]
    assert not path.exists()


def test_tables_of_another_version_are_told_once(ward: Ward) -> None:
    ward.sql("DELETE FROM django_migrations WHERE app LIKE '%store%' OR app LIKE '%smart_cron%'")

    done = ward.ask()

    assert done.returncode == 1
    assert b"critical  schema_version:" in done.stdout
    assert done.stdout.count(b"critical  ") == 1


def test_without_a_home_it_says_how_to_make_one(tmp_path: Path) -> None:
    done = Ward(tmp_path / "none").ask()

    assert (done.returncode, done.stdout) == (1, b"")
    assert b"smart-cron init" in done.stderr


def test_the_built_in_task_runs_as_any_other(ward: Ward) -> None:
    ward.sure("task", "enable", HEALTH)

    done = ward.sure("task", "run", HEALTH, "--wait")

    assert b"database: the database answers" in done
    assert ward.sql("SELECT id FROM smart_cron_health_checks WHERE check_name = 'nodes'")


def test_a_scheduled_run_is_its_own_canary(ward: Ward) -> None:
    ward.sure("task", "enable", HEALTH)
    ward.sure("master", "--once")  # Plans it.
    ward.sql("UPDATE smart_cron_tasks_config SET next_run_at = datetime('now')")

    ward.sure("master", "--once")

    # A slot of its own may have come meanwhile: then there are two.
    messages = ward.sql("SELECT message FROM smart_cron_health_checks WHERE check_name = 'start_lateness'")
    assert messages
    assert all("after its slot" in message for (message,) in messages)
    assert set(ward.sql("SELECT status FROM smart_cron_executions WHERE scheduled_for IS NOT NULL")) == {("success",)}


@pytest.fixture(params=[MariaDb, PostgreSql])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as server:
        yield server
        server.thaw()


@pytest.fixture
def hanging_file(tmp_path: Path) -> Path:
    """A file whose opening waits for ever, as everything on a mount whose server is gone does."""
    path = tmp_path / "server.pem"
    os.mkfifo(path)
    return path


def test_a_hanging_database_and_a_hanging_file_are_findings(tmp_path: Path, server: Server, hanging_file: Path) -> None:
    ward = Ward(
        tmp_path / "home",
        SMART_CRON_DATABASE__URL=server.create_database("smart_cron"),
        SMART_CRON_HEALTH__CERTIFICATES=json.dumps([str(hanging_file)]),
        SMART_CRON_HEALTH__PROBE_SECONDS="5",
        # Whatever ends the wait, it is not the database's own patience.
        SMART_CRON_DATABASE__TIMEOUT_SECONDS="3600",
    )
    ward.sure("init")
    server.freeze()

    done = ward.ask("--json")

    found = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert (found["database"]["status"], found["certificate"]["status"]) == ("critical", "unknown")
    assert "no answer within 5 s" in found["database"]["message"]
    assert found["memory"]["measured"] > 0
    assert "since the database does not serve" in found["nodes"]["message"]


def test_the_specification_s_class_says_the_same(ward: Ward) -> None:
    environment = {name: text for name, text in ward.environment.items() if name.startswith("SMART_CRON_")}
    house = open_house(load_config(environment))
    try:
        health = SmartCronHealth(house)
        status = health.get_system_status()

        assert (health.is_system_healthy(), health.get_issues()) == (True, [])
        assert (status["status"], status["issues"], set(status["checks"])) == ("healthy", 0, CHECKS)
    finally:
        house.close()


def test_the_specification_s_class_names_the_issues(ward: Ward) -> None:
    environment = {name: text for name, text in (ward.environment | FULL).items() if name.startswith("SMART_CRON_")}
    house = open_house(load_config(environment))
    try:
        (issue,) = SmartCronHealth(house).get_issues()

        assert (issue["check"], issue["status"], issue["severity"]) == ("memory", "critical", "critical")
    finally:
        house.close()
