"""The four views, written once; the same columns and answers on every database. What they mean: docs/database.md.

None of them may scan executions, of which there may be ten million: totals stand with the tasks, the last day with
the sums by hour, and what failed lately or runs now in indexes of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from smart_cron.core.errors import DatabaseError
from smart_cron.core.health import FRESH, CheckStatus
from smart_cron.store.public.refusal import refusal
from smart_cron.store.public.words import DAY, HOUR, WORDS, Words
from smart_cron.store.queues import FAILURES, HELD_RANK, quoted

if TYPE_CHECKING:
    from smart_cron.store.session import Session

TAIL_CHARACTERS = 1000
_FAILED = f"failure_status IN ({quoted(FAILURES)})"
_GRAVEST_FIRST = "CASE severity WHEN 'critical' THEN 1 WHEN 'error' THEN 2 WHEN 'warning' THEN 3 ELSE 4 END"
_WELL = f"'{CheckStatus.OK}', '{CheckStatus.WARNING}'"
Index = Callable[[str], str]


def _task_performance(words: Words, _: Index) -> str:
    average = words.mean("t.timed_seconds", "t.timed_executions")
    return f"""
        SELECT t.id AS task_id, t.task_name, t.enabled, t.priority, t.schedule_pattern, t.is_running,
               t.total_executions, t.total_successes, t.total_failures,
               {words.percent("t.total_successes", "t.total_executions")} AS success_rate,
               COALESCE({average}, t.avg_execution_time) AS avg_execution_time,
               t.consecutive_failures, t.last_status, t.last_run_at, t.next_run_at,
               COALESCE(day.runs, 0) AS executions_24h, COALESCE(day.failures, 0) AS failures_24h,
               {words.percent("day.successes", "day.runs")} AS success_rate_24h,
               {words.mean("day.seconds", "day.timed")} AS avg_execution_time_24h,
               day.longest AS max_execution_time_24h
          FROM smart_cron_tasks_config t
          LEFT JOIN (SELECT task_id, {words.whole("SUM(runs)")} AS runs, {words.whole("SUM(successes)")} AS successes,
                            {words.whole("SUM(failures)")} AS failures, {words.whole("SUM(timed_runs)")} AS timed,
                            SUM(duration_sum) AS seconds, MAX(duration_max) AS longest
                       FROM smart_cron_metrics
                      WHERE period = 'hour' AND {words.within("bucket_at", DAY)}
                      GROUP BY task_id) day ON day.task_id = t.id"""


def _recent_failures(words: Words, index: Index) -> str:
    return f"""
        SELECT id AS execution_id, task_id, task_name, status, exit_code, error_type, error_message,
               {words.tail("stderr_output", TAIL_CHARACTERS)} AS stderr_tail,
               scheduled_for, started_at, completed_at, execution_time, attempt, triggered_by, node
          FROM smart_cron_executions{index("smart_cron_executions_fails")}
         WHERE {_FAILED} AND {words.within("completed_at", DAY)}
         ORDER BY completed_at DESC, id DESC"""


def _active_alerts(_: Words, __: Index) -> str:
    return f"""
        SELECT id, severity, alert_type, subtype, task_id, task_name, execution_id, node, message, occurrences,
               created_at, last_occurred_at, acknowledged, acknowledged_at, acknowledged_by, snoozed_until, note
          FROM smart_cron_alerts
         WHERE resolved = 0
         ORDER BY {_GRAVEST_FIRST}, created_at DESC, id DESC"""


def _system_status(words: Words, index: Index) -> str:
    return f"""
        SELECT CASE WHEN looks.fresh > 0 AND looks.ill = 0 THEN 1 ELSE 0 END AS healthy,
               tasks.enabled_tasks,
               (SELECT COUNT(DISTINCT task_id) FROM smart_cron_executions{index("smart_cron_executions_queue")}
                 WHERE queue_rank = {HELD_RANK}) AS running_tasks,
               (SELECT COUNT(*) FROM smart_cron_executions{index("smart_cron_executions_start")}
                 WHERE {words.within("started_at", HOUR)}) AS executions_last_hour,
               (SELECT COUNT(*) FROM smart_cron_executions{index("smart_cron_executions_fails")}
                 WHERE {_FAILED} AND {words.within("completed_at", HOUR)}) AS failures_last_hour,
               tasks.failing_tasks,
               alerts.active_alerts, alerts.critical_alerts,
               (SELECT MAX(checked_at) FROM smart_cron_health_checks) AS last_health_check_at
          FROM (SELECT COUNT(CASE WHEN enabled <> 0 THEN 1 END) AS enabled_tasks,
                       COUNT(CASE WHEN enabled <> 0 AND consecutive_failures > 0 THEN 1 END) AS failing_tasks
                  FROM smart_cron_tasks_config) tasks
         CROSS JOIN (SELECT COUNT(*) AS active_alerts,
                            COUNT(CASE WHEN severity = 'critical' THEN 1 END) AS critical_alerts
                       FROM smart_cron_alerts WHERE resolved = 0) alerts
         CROSS JOIN ({_looks(words)}) looks"""


def _looks(words: Words) -> str:
    """Return the latest finding of each check and node, while it is fresh: how many there are, and how many are ill."""
    return f"""SELECT COUNT(*) AS fresh, COUNT(CASE WHEN h.status NOT IN ({_WELL}) THEN 1 END) AS ill
                  FROM smart_cron_health_checks h
                 WHERE {words.within("h.checked_at", int(FRESH.total_seconds()))}
                   AND NOT EXISTS (SELECT 1 FROM smart_cron_health_checks later
                                    WHERE later.check_name = h.check_name
                                      AND COALESCE(later.node, '') = COALESCE(h.node, '')
                                      AND later.checked_at >= h.checked_at
                                      AND (later.checked_at > h.checked_at OR later.id > h.id))"""


VIEWS: Mapping[str, Callable[[Words, Index], str]] = {
    "smart_cron_task_performance": _task_performance,
    "smart_cron_recent_failures": _recent_failures,
    "smart_cron_active_alerts": _active_alerts,
    "smart_cron_system_status": _system_status,
}


def create(session: Session) -> list[str]:
    """Make or replace the views; return a sentence for each that this server or account does not let us make."""
    return [sentence for name in VIEWS if (sentence := _made(session, name))]


def _made(session: Session, name: str) -> str | None:
    reason = refusal(session, lambda: _make(session, name))
    return f"the view {name} could not be made: {reason}" if reason else None


def _make(session: Session, name: str) -> None:
    words = WORDS[session.dialect.name]
    statement = f"{words.create_view} {name} AS {VIEWS[name](words, session.dialect.force_index)}"
    if session.dialect.name != "sqlite":
        with suppress(DatabaseError):
            session.execute(statement)
            return
    # PostgreSQL keeps to the columns that were there, in their order; SQLite cannot replace at all.
    with session.transaction():
        session.execute(f"DROP VIEW IF EXISTS {name}")
        session.execute(statement)


def missing(session: Session) -> list[str]:
    """Return a sentence for each view that is not there, or cannot be read since a table was altered under it."""
    return [sentence for name in VIEWS if (sentence := _fault(session, name))]


def _fault(session: Session, name: str) -> str | None:
    reason = refusal(session, lambda: session.rows(f"SELECT * FROM {name} LIMIT 0"))
    return f"the view {name} is missing or broken: {reason}" if reason else None


def drop(session: Session) -> None:
    """Drop the views that are there: some databases rebuild no table under them."""
    for statement in (f"DROP VIEW IF EXISTS {name}" for name in VIEWS):
        # A table of that name, and a view that others have built upon, are left alone: `create` tells of them.
        refusal(session, partial(session.execute, statement))
