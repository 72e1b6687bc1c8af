"""What findings mean: statuses, alerts, and the word for the whole system."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from smart_cron.core.alert import AlertType, Cause, Severity
from smart_cron.core.health import (
    CheckStatus,
    Finding,
    LatestHealth,
    Threshold,
    alarms_of,
    causes_over,
    is_healthy,
    without_answer,
    worst,
)

FULL = Finding(
    check="disk_space",
    status=CheckStatus.CRITICAL,
    message="the disk of /srv is 95 % full.",
    remedy="Make room.",
    measured=95.0,
    threshold=90.0,
    unit="%",
    node="web-1",
)
WELL = Finding(check="memory", status=CheckStatus.OK, message="fine.", node="web-1")
PERCENT = Threshold(warning=80, critical=90, unit="%")
DAYS = Threshold(warning=21, critical=7, unit="days", falling=True)


@pytest.mark.parametrize(
    ("measured", "status", "crossed"),
    [
        (79.9, CheckStatus.OK, 80),
        (80, CheckStatus.WARNING, 80),
        (89.9, CheckStatus.WARNING, 80),
        (90, CheckStatus.CRITICAL, 90),
    ],
)
def test_what_is_at_a_threshold_is_beyond_it(measured: float, status: CheckStatus, crossed: float) -> None:
    assert (PERCENT.judge(measured), PERCENT.crossed(measured)) == (status, crossed)


@pytest.mark.parametrize(
    ("measured", "status"), [(22, CheckStatus.OK), (21, CheckStatus.WARNING), (7, CheckStatus.CRITICAL)]
)
def test_of_days_that_are_left_fewer_are_worse(measured: float, status: CheckStatus) -> None:
    assert DAYS.judge(measured) is status


def test_a_full_disk_is_an_alert_of_its_own_type_and_node() -> None:
    (alarm,) = alarms_of([FULL, WELL])

    assert alarm.cause == Cause(alert_type=AlertType.DISK_SPACE, subtype="disk_space", node="web-1")
    assert alarm.severity is Severity.CRITICAL
    assert alarm.message == "the disk of /srv is 95 % full. Make room."
    assert alarm.details["threshold"] == 90.0


def test_what_is_well_is_over() -> None:
    assert causes_over([FULL, WELL]) == [Cause(alert_type=AlertType.MEMORY, subtype="memory", node="web-1")]


def test_any_other_check_is_system_health_with_its_name() -> None:
    (alarm,) = alarms_of([replace(FULL, check="clock", status=CheckStatus.WARNING)])

    assert (alarm.cause.alert_type, alarm.cause.subtype) == (AlertType.SYSTEM_HEALTH, "clock")
    assert alarm.severity is Severity.WARNING


def test_what_was_not_asked_is_neither_raised_nor_resolved() -> None:
    left_out = without_answer("clock", "not looked into.", "", asked=False)

    assert alarms_of([left_out]) == []
    assert causes_over([left_out]) == []


def test_what_hangs_is_raised() -> None:
    assert [alarm.severity for alarm in alarms_of([without_answer("clock", "no answer.", "")])] == [Severity.WARNING]


def test_failing_tasks_are_told_by_their_own_alerts_and_not_twice() -> None:
    assert alarms_of([replace(FULL, check="critical_failures")]) == []


@pytest.mark.parametrize(
    ("status", "healthy"),
    [
        (CheckStatus.OK, True),
        (CheckStatus.WARNING, True),
        (CheckStatus.UNKNOWN, False),
        (CheckStatus.CRITICAL, False),
    ],
)
def test_a_warning_is_told_and_makes_nothing_unhealthy(status: CheckStatus, healthy: bool) -> None:
    assert is_healthy([WELL, replace(FULL, status=status)]) is healthy


def test_the_gravest_status_speaks_for_several() -> None:
    assert worst([CheckStatus.OK, CheckStatus.WARNING, CheckStatus.CRITICAL]) is CheckStatus.CRITICAL
    assert worst([]) is CheckStatus.OK


def test_nobody_knows_how_it_is_where_nobody_has_looked_lately() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)

    assert LatestHealth().word == "unknown"
    assert LatestHealth(findings=(WELL,), checked_at=now).word == "healthy"
    assert LatestHealth(findings=(WELL, FULL), checked_at=now).word == "unhealthy"
