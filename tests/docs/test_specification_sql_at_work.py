"""The specification's SQL as a person types it, with a real master at work: each statement has its documented effect.

On MariaDB, verbatim, by the server's own client; the server's time zone is thirteen hours ahead.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pymysql
import pytest
from tests.docs.statements import (
    ACKNOWLEDGE,
    CLEAR_FAILURES,
    CLEAR_RUNNING,
    INSERT,
    LAST_DAY,
    MAIL,
    RESOLVE,
    RETRIES,
    RUNNING,
    SLACK,
    SUCCESS_RATE,
)
from tests.process.cli import Console, wait_until
from tests.servers import MariaDb

pytestmark = pytest.mark.slow

DATABASE = "smart_cron"
# The database is asked every few milliseconds; what is left of a second is this machine's.
NOTICED_SECONDS = 6.0


@dataclass
class House(Console):
    """A home on MariaDB."""

    server: MariaDb | None = None
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        # Nobody outside hears of what tests do: no mail server there, and no host that webhooks may go to.
        closed = {"SMART_CRON_SMTP__PORT": "9", "SMART_CRON_WEBHOOK_ALLOWED_HOSTS": '["example.invalid"]'}
        return {**super().environment, **closed, "SMART_CRON_DATABASE__URL": self.url}

    def types(self, statement: str) -> list[list[str]]:
        """Run a statement as a person does; return what the client prints, by columns."""
        assert self.server is not None
        return [line.split("\t") for line in self.server.run_sql(statement, DATABASE).splitlines()]

    def reads(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Run a statement by a connection of the test's own, whose time zone is UTC."""
        assert self.server is not None
        connection = pymysql.connect(
            unix_socket=str(self.server.socket),
            user="root",
            database=DATABASE,
            autocommit=True,
            init_command="SET time_zone = '+00:00'",
        )
        with closing(connection), connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def waits_for(self, statement: str, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = wait_until(lambda: self.reads(statement), what)
        return found

    def has(self, name: str, command: str, **columns: object) -> None:
        """Add a task that is not due for long, as SQL may: a dozen commands would take their time."""
        values = {"task_name": name, "shell_command": command, "schedule_pattern": "0 0 1 1 *", **columns}
        marks = ", ".join(["%s"] * len(values))
        self.reads(f"INSERT INTO smart_cron_tasks_config ({', '.join(values)}) VALUES ({marks})", *values.values())

    def runs(self, *names: str) -> list[dict[str, Any]]:
        """Make these due, and return their executions once all have ended."""
        marks = ", ".join(["%s"] * len(names))
        ended = f"SELECT * FROM smart_cron_executions WHERE completed_at IS NOT NULL AND task_name IN ({marks})"
        wanted = len(self.reads(ended, *names)) + len(names)
        self.reads(f"UPDATE smart_cron_tasks_config SET next_run_at = NOW(6) WHERE task_name IN ({marks})", *names)
        wait_until(lambda: len(self.reads(ended, *names)) == wanted, f"the end of {names}")
        return self.reads(f"{ended} ORDER BY id", *names)

    def alerts(self, name: str, *options: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.sure("alert", "list", "--task", name, "--json", *options))
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with MariaDb() as server:
        home = tmp_path_factory.mktemp("specification") / "home"
        house = House(home, server=server, url=server.create_database(DATABASE))
        try:
            house.sure("init")
            house.start_master()
            yield house
        finally:
            house.close()


def test_the_insert_is_scheduled_within_seconds_and_the_update_makes_it_try_again(house: House) -> None:
    house.types(INSERT)
    began = time.monotonic()
    planned = "SELECT next_run_at FROM smart_cron_tasks_config WHERE task_name = 'my_task_name' AND next_run_at > NOW()"
    (row,) = house.waits_for(planned, "the new task's next slot")
    assert time.monotonic() - began < NOTICED_SECONDS
    assert row["next_run_at"].time().isoformat() == "02:00:00"
    assert row["next_run_at"] - datetime.now(UTC).replace(tzinfo=None) <= timedelta(days=1)

    # Its script is not there: it fails, once without the update, and with it again and again.
    of_it = "FROM smart_cron_executions WHERE task_name = 'my_task_name'"
    house.types("UPDATE smart_cron_tasks_config SET next_run_at = NOW() WHERE task_name = 'my_task_name'")
    house.waits_for(f"SELECT id {of_it} AND completed_at IS NOT NULL", "the first run's end")
    assert house.reads(f"SELECT status, attempt {of_it}") == [{"status": "start_failed", "attempt": 1}]

    house.types(RETRIES)
    again = (
        "UPDATE smart_cron_tasks_config SET next_run_at = NOW() + INTERVAL 1 SECOND WHERE task_name = 'my_task_name'"
    )
    house.types(again)
    (retry,) = house.waits_for(f"SELECT attempt, due_at, scheduled_for {of_it} AND status = 'delayed'", "the retry")
    (failed,) = house.reads(
        f"SELECT completed_at {of_it} AND attempt = 1 AND scheduled_for = '{retry['scheduled_for']}'"
    )
    assert retry["attempt"] == 2
    assert 54 <= (retry["due_at"] - failed["completed_at"]).total_seconds() <= 66


def test_the_update_turns_alerts_on_and_says_who_gets_them(house: House) -> None:
    house.has("critical_task", "exit 3", alert_on_failure=0, failure_threshold=1)
    house.runs("critical_task")
    of_it = "SELECT alert_type FROM smart_cron_alerts WHERE task_name = 'critical_task' ORDER BY alert_type"
    assert house.reads(of_it) == []

    house.types(MAIL)
    house.runs("critical_task")

    assert [row["alert_type"] for row in house.reads(of_it)] == ["consecutive_failures", "task_failure"]
    letters = "SELECT channel, target FROM smart_cron_deliveries WHERE target = 'admin@ecigdis.co.nz'"
    assert house.waits_for(letters, "a letter to the address")[0]["channel"] == "email"


def test_the_webhook_of_the_update_hears_of_failures(house: House) -> None:
    house.has("important_task", "exit 3", failure_threshold=1)

    house.types(SLACK)
    house.runs("important_task")

    letters = "SELECT channel FROM smart_cron_deliveries WHERE target LIKE 'https://hooks.slack.com/%'"
    assert house.waits_for(letters, "a message for the webhook")[0]["channel"] == "slack"


def test_an_alert_is_acknowledged_and_resolved(house: House) -> None:
    house.has("noticed", "exit 3")
    house.runs("noticed")
    house.types("UPDATE smart_cron_alerts SET id = 123 WHERE task_name = 'noticed'")
    before = datetime.now(UTC).replace(tzinfo=None)

    house.types(ACKNOWLEDGE)

    (seen,) = house.alerts("noticed")
    assert (seen["id"], seen["state"], seen["acknowledged_by"]) == (123, "seen", 1)
    (row,) = house.reads("SELECT acknowledged, acknowledged_at FROM smart_cron_active_alerts WHERE id = 123")
    assert row["acknowledged"] == 1
    # Now is now, although the client's zone is another.
    assert abs((row["acknowledged_at"] - before).total_seconds()) < 60

    house.types(RESOLVE)

    assert house.alerts("noticed") == []
    assert [each["id"] for each in house.alerts("noticed", "--resolved")] == [123]
    assert house.reads("SELECT * FROM smart_cron_active_alerts WHERE id = 123") == []


def test_the_reports_have_the_figures_of_the_runs(house: House) -> None:
    house.has("quick", "sleep 0.1")
    house.has("wrong", "exit 4")
    house.runs("quick", "wrong")
    found = house.runs("quick", "wrong")
    quick, wrong = ([run for run in found if run["task_name"] == name] for name in ("quick", "wrong"))

    averages = {row[0]: row[1:] for row in house.types(LAST_DAY)}
    for runs in (quick, wrong):
        times = [run["execution_time"] for run in runs]
        count, average, longest = averages[runs[0]["task_name"]]
        assert int(count) == len(runs) == 2
        assert float(average) == pytest.approx(sum(times) / 2, rel=1e-5)
        assert float(longest) == pytest.approx(max(times), rel=1e-5)
    rates = {row[0]: row[1:] for row in house.types(SUCCESS_RATE)}
    assert rates["quick"] == ["2", "2", "100.00"]
    assert rates["wrong"] == ["2", "0", "0.00"]
    view = "SELECT task_name, executions_24h, failures_24h FROM smart_cron_task_performance WHERE task_name = 'wrong'"
    assert house.reads(view) == [{"task_name": "wrong", "executions_24h": 2, "failures_24h": 2}]


def test_clearing_the_flag_of_what_runs_neither_ends_nor_doubles_it(house: House) -> None:
    house.has("long", "exec sleep 600")
    house.reads("UPDATE smart_cron_tasks_config SET next_run_at = NOW(6) WHERE task_name = 'long'")
    running = f"{RUNNING[:-1]} AND task_name = 'long'"
    house.waits_for(running, "the run to be shown")
    assert "long" in {row[1] for row in house.types(RUNNING)}

    house.types(CLEAR_RUNNING)

    assert house.types(RUNNING) == [] or house.reads(running) != []  # A master may have healed it already.
    (run,) = house.reads("SELECT id, status FROM smart_cron_executions WHERE task_name = 'long'")
    assert run["status"] in ("claimed", "running")
    assert house.reads("SELECT running_tasks FROM smart_cron_system_status") == [{"running_tasks": 1}]
    refused = house.call("task", "run", "long")
    assert refused.returncode == 1, "a second run beside the first is not to be had by clearing a flag"
    house.sure("run", "kill", str(run["id"]))
    house.waits_for(f"SELECT 1 FROM smart_cron_executions WHERE id = {run['id']} AND status = 'killed'", "its end")
    assert house.reads(running) == []


def test_setting_failures_back_ends_the_alert_that_stands_for_them(house: House) -> None:
    house.has("flaky", "exit 3", failure_threshold=1)
    house.runs("flaky")
    open_ones = "SELECT * FROM smart_cron_active_alerts WHERE alert_type = 'consecutive_failures'"
    assert "flaky" in {row["task_name"] for row in house.reads(open_ones)}

    house.types(CLEAR_FAILURES)

    ended = """SELECT resolved_by FROM smart_cron_alerts
        WHERE task_name = 'flaky' AND alert_type = 'consecutive_failures' AND resolved = 1"""
    assert house.waits_for(ended, "the alert's end") == [{"resolved_by": "failures reset"}]
    assert house.reads("SELECT failing_tasks FROM smart_cron_system_status") == [{"failing_tasks": 0}]
