"""Who is told what, and when: from a stored alert and the time alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_cron.core.alert import Alert, AlertType, Cause, Severity
from smart_cron.core.message import MessageKind
from smart_cron.core.telling import (
    DAY,
    is_mailed,
    lives_for,
    next_try_after,
    reminder_delay,
    reminder_marks,
    severity_to_route,
    what_to_tell,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = 4 * HOUR


def alert(**changes: Any) -> Alert:
    known = Alert(
        id=1,
        cause=Cause(alert_type=AlertType.TASK_FAILURE, task_id=7),
        severity=Severity.ERROR,
        message="Task report failed: Exit code 1",
        task_name="report",
        execution_id=3,
        details={},
        occurrences=1,
        created_at=NOON,
        last_occurred_at=NOON,
    )
    return replace(known, **changes)


def told(**changes: Any) -> Alert:
    return alert(**({"told_severity": Severity.ERROR, "told_at": NOON, "told_occurrences": 1} | changes))


def tell(of: Alert, *, at: datetime = NOON) -> tuple[MessageKind, ...]:
    return what_to_tell(of, now=at, reminder_after=FIRST)


def test_a_new_alert_is_told() -> None:
    assert tell(alert()) == (MessageKind.ALERT,)


def test_what_happens_again_is_not_told_again() -> None:
    assert tell(told(occurrences=10_000), at=NOON + HOUR) == ()


def test_what_becomes_graver_is_told_again() -> None:
    assert tell(told(severity=Severity.CRITICAL)) == (MessageKind.ALERT,)


def test_a_reminder_comes_when_its_time_has_come_and_not_before() -> None:
    assert tell(told(), at=NOON + FIRST - timedelta(seconds=1)) == ()
    assert tell(told(), at=NOON + FIRST) == (MessageKind.REMINDER,)


def test_reminders_come_ever_less_often_but_daily_in_the_end() -> None:
    delays = [reminder_delay(number, FIRST) / HOUR for number in range(6)]

    assert delays == [4, 8, 16, 24, 24, 24]


def test_nobody_is_reminded_of_information() -> None:
    assert tell(told(severity=Severity.INFO, told_severity=Severity.INFO), at=NOON + 9 * DAY) == ()


def test_acknowledged_is_not_reminded_of_but_its_end_is_told() -> None:
    seen = told(acknowledged=True)

    assert tell(seen, at=NOON + 100 * DAY) == ()
    assert tell(replace(seen, resolved=True, resolved_by="recovered")) == (MessageKind.RECOVERY,)


def test_what_somebody_acknowledged_before_it_was_told_is_news_to_nobody() -> None:
    assert tell(alert(acknowledged=True)) == ()


def test_what_is_snoozed_is_silent_until_then_and_new_afterwards() -> None:
    snoozed = told(snoozed_until=NOON + HOUR)

    assert tell(snoozed, at=NOON + HOUR - timedelta(seconds=1)) == ()
    assert tell(snoozed, at=NOON + HOUR) == (MessageKind.ALERT,)
    assert tell(replace(snoozed, told_at=NOON + HOUR), at=NOON + 2 * HOUR) == ()


def test_a_snooze_covers_what_becomes_graver() -> None:
    assert tell(told(snoozed_until=NOON + HOUR, severity=Severity.CRITICAL)) == ()


def test_a_recovery_is_told_once_it_is_there() -> None:
    assert tell(told(resolved=True, resolved_by="recovered")) == (MessageKind.RECOVERY,)


def test_what_sql_resolved_is_told_to_nobody() -> None:
    assert tell(told(resolved=True)) == ()
    assert tell(alert(resolved=True)) == ()


def test_what_came_and_went_between_two_looks_is_told_all_the_same() -> None:
    assert tell(alert(resolved=True, resolved_by="recovered")) == (MessageKind.ALERT, MessageKind.RECOVERY)


@pytest.mark.parametrize("kind", [MessageKind.REMINDER, MessageKind.RECOVERY])
def test_an_error_that_stands_for_a_day_concerns_those_who_hear_of_critical_ones(kind: MessageKind) -> None:
    old = told(told_at=NOON + DAY, reminders=3)

    assert severity_to_route(old, kind, now=NOON + 2 * DAY) is Severity.CRITICAL
    assert severity_to_route(told(), kind, now=NOON + HOUR) is Severity.ERROR


def test_a_warning_never_concerns_them() -> None:
    old = told(severity=Severity.WARNING, told_severity=Severity.WARNING)

    assert severity_to_route(old, MessageKind.REMINDER, now=NOON + 9 * DAY) is Severity.WARNING


@pytest.mark.parametrize(
    ("alert_type", "severity", "mailed"),
    [
        (AlertType.CONSECUTIVE_FAILURES, Severity.CRITICAL, True),
        (AlertType.CONSECUTIVE_FAILURES, Severity.WARNING, True),
        (AlertType.TASK_TIMEOUT, Severity.ERROR, True),
        (AlertType.STUCK_TASK, Severity.ERROR, True),
        (AlertType.TASK_FAILURE, Severity.CRITICAL, False),
        (AlertType.SYSTEM_HEALTH, Severity.CRITICAL, True),
        (AlertType.SYSTEM_HEALTH, Severity.ERROR, False),
        (AlertType.DISK_SPACE, Severity.CRITICAL, True),
        (AlertType.DISK_SPACE, Severity.WARNING, False),
        (AlertType.MEMORY, Severity.CRITICAL, True),
    ],
)
def test_mail_is_for_the_cases_of_the_specification(alert_type: AlertType, severity: Severity, mailed: bool) -> None:
    assert is_mailed(Cause(alert_type=alert_type), severity) is mailed


def test_a_job_elsewhere_is_mailed_as_one_of_ours_is() -> None:
    assert is_mailed(Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="ping:backup"), Severity.ERROR)
    assert not is_mailed(Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="ping_listener"), Severity.ERROR)


@given(st.integers(1, 100_000), st.integers(0, 40), st.integers(0, 10**7))
def test_marks_find_exactly_what_is_to_be_reminded_of(minutes: int, reminders: int, seconds: int) -> None:
    first = timedelta(minutes=minutes)
    open_one = told(reminders=reminders)
    now = NOON + timedelta(seconds=seconds)
    marks = reminder_marks(now, first).told_until

    found = marks[min(reminders, len(marks) - 1)] >= NOON

    assert found == (what_to_tell(open_one, now=now, reminder_after=first) == (MessageKind.REMINDER,))


@given(st.integers(1, 10_000))
def test_a_next_try_is_at_least_half_a_minute_and_at_most_an_hour_away(attempts: int) -> None:
    assert timedelta(seconds=30) <= next_try_after(attempts) <= HOUR


def test_pings_are_of_no_use_after_an_hour_and_messages_after_three_days() -> None:
    assert lives_for(MessageKind.PING) == HOUR
    assert lives_for(MessageKind.ALERT) == 3 * DAY
