"""Findings as rows, and the figures that only the database knows, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.conformance.scene import Scene

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.alert_rules import read_severities
from smart_cron.core.builtin import DEFINITIONS, HEALTH, ORIGIN
from smart_cron.core.errors import SmartCronError
from smart_cron.core.health import FRESH, CheckStatus, Finding
from smart_cron.core.ports.health import Backlog, Lateness
from smart_cron.services.health import tell
from smart_cron.store.gateway import Store

HOUR = timedelta(hours=1)
FULL = Finding(
    check="disk_space",
    status=CheckStatus.CRITICAL,
    message="the disk is 95 % full.",
    remedy="Make room.",
    measured=95.0,
    threshold=90.0,
    unit="%",
    node="web-1",
    details={"/srv": 95.0},
    response_time_ms=1.5,
)
WELL = replace(FULL, status=CheckStatus.OK, message="well.", remedy="", measured=10.0, details={})


@pytest.fixture(autouse=True)
def _emptied(store: Store) -> None:
    for table in ("smart_cron_health_checks", "smart_cron_metrics", "smart_cron_deliveries"):
        store.session.execute(f"DELETE FROM {table}")


def test_a_finding_comes_back_as_it_was(store: Store) -> None:
    store.health.note([FULL])

    latest = store.health.latest(within=FRESH)

    assert latest.findings == (FULL,)
    assert latest.word == "unhealthy"
    assert latest.checked_at is not None
    assert abs(store.database.now() - latest.checked_at) < FRESH


def test_nothing_noted_is_nothing_known(store: Store) -> None:
    store.health.note([])

    assert store.health.latest(within=FRESH).word == "unknown"


def test_the_latest_finding_of_each_check_and_node_counts(store: Store) -> None:
    store.health.note([FULL, replace(FULL, node="web-2")])
    store.health.note([WELL])

    latest = store.health.latest(within=FRESH)

    assert {(each.node, each.status) for each in latest.findings} == {
        ("web-1", CheckStatus.OK),
        ("web-2", CheckStatus.CRITICAL),
    }


def test_old_findings_say_nothing_of_now(store: Store) -> None:
    store.health.note([FULL])
    long_ago = store.session.dialect.instant(store.database.now() - HOUR)
    store.session.execute("UPDATE smart_cron_health_checks SET checked_at = %s", [long_ago])

    assert store.health.latest(within=FRESH).word == "unknown"
    assert not store.health.checked_since(store.database.now() - FRESH)


def test_somebody_who_looked_in_a_slot_is_seen(store: Store) -> None:
    slot = store.database.now() - timedelta(minutes=4)
    assert not store.health.checked_since(slot)

    store.health.note([FULL])

    assert store.health.checked_since(slot)
    assert store.health.checked_since(slot, node="web-1")
    assert not store.health.checked_since(slot, node="web-2")


def test_the_last_details_are_of_one_check_and_node(store: Store) -> None:
    store.health.note([FULL])
    store.health.note([replace(FULL, details={"/srv": 96.0}), replace(FULL, node="web-2", details={"/srv": 1.0})])

    assert store.health.last_details("disk_space", node="web-1") == {"/srv": 96.0}
    assert store.health.last_details("memory", node="web-1") == {}


def test_rows_written_by_sql_are_read_as_far_as_they_go(store: Store) -> None:
    store.session.execute(
        "INSERT INTO smart_cron_health_checks (check_name, status, details) VALUES ('theirs', 'odd', '[not json')"
    )

    (found,) = store.health.latest(within=FRESH).findings

    assert (found.status, found.message, found.details) == (CheckStatus.UNKNOWN, "", {})


def test_messages_are_cut_to_what_the_column_takes(store: Store) -> None:
    store.health.note([replace(FULL, message="ä" * 5000, remedy="\0" * 5000)])

    (found,) = store.health.latest(within=FRESH).findings

    assert (len(found.message), len(found.remedy)) == (1000, 1000)


def test_what_is_wrong_is_raised_once_and_over_when_it_is_well(store: Store) -> None:
    assert tell([FULL], store.alerts) == (1, 0)
    tell([FULL], store.alerts)

    (alert,) = store.alerts.open_causes()
    assert (alert.cause.alert_type, alert.cause.node, alert.occurrences) == ("disk_space", "web-1", 2)
    assert tell([replace(WELL, node="web-2")], store.alerts) == (0, 0)
    assert tell([WELL], store.alerts) == (0, 1)
    assert list(store.alerts.open_causes()) == []


def test_the_settings_may_say_how_grave_a_type_is(store: Store) -> None:
    tell([FULL], store.alerts, read_severities({"disk_space": "error"}))

    assert [alert.severity for alert in store.alerts.open_causes()] == ["error"]


def test_runs_past_their_time_are_named_and_others_are_not(scene: Scene) -> None:
    scene.add("report")
    scene.sql(
        """INSERT INTO smart_cron_executions (task_id, task_name, status, claimed_at, allowed_seconds)
         VALUES (1, 'old', 'running', %s, 10), (1, 'new', 'running', %s, 7200), (1, 'done', 'success', %s, 10)""",
        [scene.store.session.dialect.instant(scene.store.database.now() - HOUR)] * 3,
    )

    assert scene.store.health_facts.overdue(patience=timedelta(minutes=10)) == ["old"]
    assert scene.store.health_facts.overdue(patience=2 * HOUR) == []


def test_tasks_at_their_threshold_are_named_with_their_failures(scene: Scene) -> None:
    for name in ("at", "beyond", "below", "off", "well"):
        scene.add(name, failure_threshold=3)
    scene.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 3 WHERE task_name IN ('at', 'off')")
    scene.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 9 WHERE task_name = 'beyond'")
    scene.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 2 WHERE task_name = 'below'")
    scene.sql("UPDATE smart_cron_tasks_config SET enabled = 0 WHERE task_name = 'off'")

    assert scene.store.health_facts.failing() == [("beyond", 9), ("at", 3)]


def test_tasks_that_cannot_be_planned_are_named_with_the_reason(scene: Scene) -> None:
    scene.add("report")
    scene.add("well")
    scene.sql("UPDATE smart_cron_tasks_config SET invalid_reason = 'minute 61' WHERE task_name = 'report'")

    assert scene.store.health_facts.invalid() == [("report", "minute 61")]
    assert scene.store.health_facts.enabled_tasks() == 2


def test_lateness_is_of_the_hours_asked_for(store: Store) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for hour, late in ((at, 9.0), (at - HOUR, 3.0), (at - 5 * HOUR, 1000.0)):
        store.session.execute(
            """INSERT INTO smart_cron_metrics
                (period, bucket_at, task_id, task_name, lateness_runs, lateness_sum, lateness_max)
             VALUES ('hour', %s, 1, 'report', 3, %s, %s)""",
            [store.session.dialect.instant(hour), late, late],
        )

    assert store.health_facts.lateness(since=at - HOUR) == Lateness(runs=6, mean=2.0, largest=9.0)
    assert store.health_facts.lateness(since=at + HOUR) == Lateness()


def test_messages_that_wait_or_failed_are_counted(store: Store) -> None:
    now = store.database.now()
    for status, age in (("pending", HOUR), ("pending", timedelta()), ("failed", HOUR), ("failed", 48 * HOUR)):
        store.session.execute(
            "INSERT INTO smart_cron_deliveries (kind, channel, subject, status, created_at) VALUES (%s,%s,%s,%s,%s)",
            ["alert", "mail", "s", status, store.session.dialect.instant(now - age)],
        )

    found = store.health_facts.undelivered(waiting_for=timedelta(minutes=10), failed_within=24 * HOUR)

    assert (found.pending, found.failed) == (1, 1)
    assert found.oldest >= HOUR
    assert store.health_facts.undelivered(waiting_for=2 * HOUR, failed_within=timedelta()) == Backlog()


def test_a_row_that_claims_to_be_built_in_starts_nothing(scene: Scene) -> None:
    scene.add("report", shell_command="id", script=None)
    scene.sql("UPDATE smart_cron_tasks_config SET origin = 'builtin' WHERE task_name = 'report'")

    task = scene.task()

    assert "is kept for smart_cron_health" in (task.invalid_reason or "")
    assert task.definition.shell_command is None
    assert task.definition.script is None


def test_the_built_in_task_is_switched_off_and_not_removed(store: Store) -> None:
    task = store.tasks.add(DEFINITIONS[0], actor="init")

    with pytest.raises(SmartCronError, match="is built in"):
        store.tasks.remove(task.id, actor="test", now=store.database.now())
    store.tasks.set_enabled(task.id, False, actor="test")

    assert not store.tasks.get(HEALTH).definition.enabled
    assert store.tasks.get(HEALTH).definition.origin == ORIGIN


def test_what_was_resolved_lately_is_known_by_its_cause(store: Store) -> None:
    fall = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="success_rate", task_id=7)
    other = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="clock", node="one")
    for cause in (fall, other):
        store.alerts.raise_alarms([Alarm(cause=cause, severity=Severity.WARNING, message="fell")])
    now = store.database.now()
    assert store.alerts.causes_resolved_since(now - HOUR, subtype="success_rate") == set()

    store.alerts.resolve_causes([fall, other], by="test")

    assert store.alerts.causes_resolved_since(now - HOUR, subtype="success_rate") == {fall}
    assert store.alerts.causes_resolved_since(now + HOUR, subtype="success_rate") == set()
