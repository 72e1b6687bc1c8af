"""Who is told what, and when: decided from a stored alert and the time alone.

An incident is told when it opens, when it becomes graver, again and again while nobody has acknowledged it (ever less
often), and once when it is over. `docs/delivery-rules.md` says the same for people.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from smart_cron.core.alert import PING_PREFIX, Alert, AlertType, Cause, Severity
from smart_cron.core.delivery import ReminderMarks
from smart_cron.core.message import MessageKind

DAY = timedelta(days=1)
# An error that stands open for so long is told to those who hear of critical ones only.
GRAVE_AFTER = DAY
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
# What a ping says is of no use to its receiver much later.
PING_LIVES = timedelta(hours=1)
_MAILED_TYPES = frozenset({AlertType.CONSECUTIVE_FAILURES, AlertType.TASK_TIMEOUT, AlertType.STUCK_TASK})
_MAILED_WHEN_CRITICAL = frozenset({AlertType.SYSTEM_HEALTH, AlertType.DISK_SPACE, AlertType.MEMORY})


def what_to_tell(alert: Alert, *, now: datetime, reminder_after: timedelta) -> tuple[MessageKind, ...]:
    """Return what is to be told of this alert now, in order; mostly one thing or nothing."""
    if alert.resolved:
        return _of_one_that_is_over(alert)
    if alert.snoozed_until is not None and alert.snoozed_until > now:
        return ()
    if _is_news(alert):
        return (MessageKind.ALERT,)
    return (MessageKind.REMINDER,) if _is_to_be_reminded(alert, now, reminder_after) else ()


def _of_one_that_is_over(alert: Alert) -> tuple[MessageKind, ...]:
    # Without a name it was resolved by SQL: whoever did that knows.
    if alert.resolved_by is None:
        return ()
    # What came and went between two looks is told all the same: told at least once is a promise.
    unheard = alert.told_severity is None and not alert.acknowledged
    return (MessageKind.ALERT, MessageKind.RECOVERY) if unheard else (MessageKind.RECOVERY,)


def _is_news(alert: Alert) -> bool:
    if alert.told_severity is None:
        return not alert.acknowledged
    if alert.severity.rank < alert.told_severity.rank:
        return True
    woken = alert.snoozed_until is not None and (alert.told_at is None or alert.told_at < alert.snoozed_until)
    return woken and not alert.acknowledged


def _is_to_be_reminded(alert: Alert, now: datetime, reminder_after: timedelta) -> bool:
    # There is nothing to be done about information, so that nobody is reminded of it.
    if alert.acknowledged or alert.told_at is None or alert.severity is Severity.INFO:
        return False
    return now >= alert.told_at + reminder_delay(alert.reminders, reminder_after)


def reminder_delay(reminders: int, first: timedelta) -> timedelta:
    """Return how long after the last message the next reminder comes: doubled each time, at most a day."""
    return min(first * (1 << max(0, min(reminders, 20))), max(first, DAY))


def reminder_marks(now: datetime, first: timedelta) -> ReminderMarks:
    """Return by when an alert must have been told, by its number of reminders, to be told again now."""
    marks = [now - reminder_delay(0, first)]
    while (mark := now - reminder_delay(len(marks), first)) != marks[-1]:
        marks.append(mark)
    return ReminderMarks(now=now, told_until=tuple(marks))


def severity_to_route(alert: Alert, kind: MessageKind, *, now: datetime) -> Severity:
    """Return by which severity receivers are chosen: reminders of an error that stands for a day count as critical.

    Its recovery goes to the same receivers.
    """
    heard_at = alert.told_at if kind is MessageKind.RECOVERY and alert.reminders else None
    at = now if kind is MessageKind.REMINDER else heard_at
    is_old = at is not None and at - alert.created_at >= GRAVE_AFTER
    return Severity.CRITICAL if is_old and alert.severity is Severity.ERROR else alert.severity


def is_mailed(cause: Cause, severity: Severity) -> bool:
    """Whether those hear of it who only gave an address.

    They do of failures in a row, timeouts, what hangs, jobs elsewhere that are late or failed, and critical health.
    """
    if cause.alert_type in _MAILED_TYPES:
        return True
    if (cause.subtype or "").startswith(PING_PREFIX) and severity.reaches(Severity.ERROR):
        return True
    return cause.alert_type in _MAILED_WHEN_CRITICAL and severity is Severity.CRITICAL


def next_try_after(attempts: int) -> timedelta:
    """Return how long to wait after failed attempt number *attempts* (1 is the first)."""
    return min(FIRST_RETRY * (1 << min(attempts - 1, 20)), LONGEST_RETRY)


def lives_for(kind: MessageKind) -> timedelta:
    """Return how long after it was written a letter is still worth sending."""
    return PING_LIVES if kind is MessageKind.PING else GIVE_UP_AFTER
