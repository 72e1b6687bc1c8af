"""A long history, written set-based: executions of ninety days, the sums that go with them, totals, alerts, looks."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.house import Home

DAYS = 90
# The share of runs that fail is one in so many; every so many-th task failed last.
FAILS, FAILING_TASKS = 49, 200
OUTPUT = "a line of output as tasks print it; " * 6
# A server keeps the numbers of one statement in memory.
AT_ONCE = 100_000
ALERTS, LOOKS = 500, 1_000
# What a clean-up leaves as hours; older ones are days.
HOURS_KEPT = 48

EXECUTIONS = """
    INSERT INTO smart_cron_executions (task_id, task_name, status, success, exit_code, error_type, error_message,
        scheduled_for, started_at, completed_at, execution_time, stdout_output, stderr_output, node, run_id, priority)
    WITH RECURSIVE numbers (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM numbers WHERE i < {last})
    SELECT t.id, t.task_name, CASE WHEN {fails} THEN 'failed' ELSE 'success' END, CASE WHEN {fails} THEN 0 ELSE 1 END,
           CASE WHEN {fails} THEN 3 ELSE 0 END, CASE WHEN {fails} THEN 'exit_code' END,
           CASE WHEN {fails} THEN 'Exit code 3: a sentence of usual length about what went wrong' END,
           {slot}, {slot}, {end}, 1.5 + {second} / 4.0, '{output}', CASE WHEN {fails} THEN '{output}' END, 'one',
           {run_id}, 5
      FROM numbers n JOIN smart_cron_tasks_config t ON t.task_name = {task_name}"""
METRICS = """
    INSERT INTO smart_cron_metrics (period, bucket_at, task_id, task_name, node, runs, successes, failures,
        timed_runs, duration_sum, duration_min, duration_max, duration_p50, duration_p95, duration_histogram)
    SELECT '{period}', {bucket}, task_id, MIN(task_name), 'one', COUNT(*), SUM(success), COUNT(*) - SUM(success),
           COUNT(*), SUM(execution_time), MIN(execution_time), MAX(execution_time), 8.5, 15.5, {spread}
      FROM smart_cron_executions WHERE started_at {side} {bound} GROUP BY task_id, {bucket}"""
SUM_OF = "(SELECT COALESCE(SUM(m.{}), 0) FROM smart_cron_metrics m WHERE m.task_id = smart_cron_tasks_config.id)"
TOTALS = f"""
    UPDATE smart_cron_tasks_config SET total_executions = {SUM_OF.format("runs")},
        total_successes = {SUM_OF.format("successes")}, total_failures = {SUM_OF.format("failures")},
        timed_executions = {SUM_OF.format("timed_runs")}, timed_seconds = {SUM_OF.format("duration_sum")},
        last_status = 'success', consecutive_failures = CASE WHEN {{failing}} THEN 3 ELSE 0 END"""
OTHERS = (
    """INSERT INTO smart_cron_alerts (alert_type, severity, message, task_id, resolved)
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {alerts})
    SELECT 'task_failure', CASE WHEN {tenth} = 0 THEN 'critical' ELSE 'error' END, 'a task failed', i,
           CASE WHEN {tenth} < 8 THEN 1 ELSE 0 END FROM numbers""",
    """INSERT INTO smart_cron_health_checks (check_name, status, node)
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {looks})
    SELECT {check}, 'ok', 'one' FROM numbers""",
)
ANALYSE = {
    "sqlite": ("ANALYZE",),
    "mariadb": ("ANALYZE TABLE smart_cron_tasks_config, smart_cron_executions, smart_cron_metrics",),
    # As autovacuum does within minutes: what an index tells need not be looked up.
    "postgresql": ("VACUUM ANALYZE",),
}


def fill(home: Home, *, rows: int, tasks: int, say: Callable[[str], None], hours: int = HOURS_KEPT) -> None:
    """Write so many executions of task_1 and on, evenly over the last ninety days, and all that is summed up.

    Older than so many *hours*, sums are of days.
    """
    speak, execute = _SPEECH[home.database.name], home.connection.execute
    ends_at = int(time.time()) - 60
    for first in range(1, rows + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, rows)
        execute(_executions(speak, first=first, last=last, rows=rows, tasks=tasks, ends_at=ends_at))
        say(f"  {last:,} of {rows:,}")
    bound = speak.instant(str((ends_at // 3600 - hours) * 3600))
    for period, side in (("hour", ">="), ("day", "<")):
        spread = speak.text("'22:'", "COUNT(*)")
        execute(METRICS.format(period=period, bucket=speak.begin(period), side=side, bound=bound, spread=spread))
    execute(TOTALS.format(failing=f"{speak.rest('id', FAILING_TASKS)} = 0"))
    for statement in OTHERS:
        tenth, check = speak.rest("i", 10), speak.text("'check_'", speak.rest("i", 15))
        execute(statement.format(alerts=ALERTS, looks=LOOKS, tenth=tenth, check=check))
    for statement in ANALYSE[home.database.name]:
        execute(statement)


def _executions(speak: _Speech, *, first: int, last: int, rows: int, tasks: int, ends_at: int) -> str:
    # Microseconds tell the slots of one task apart, however many there are.
    slot = f"{ends_at - DAYS * 86_400} + i * {DAYS * 86_400 / rows:.9f}"
    return EXECUTIONS.format(
        first=first,
        last=last,
        fails=f"{speak.rest('i', FAILS)} = 0",
        slot=speak.instant(slot),
        end=speak.instant(f"{slot} + 1.5 + {speak.rest('i', 60)} / 4.0"),
        second=speak.rest("i", 60),
        output=OUTPUT,
        run_id=speak.text("'run-'", "i"),
        task_name=speak.text("'task_'", f"(1 + {speak.rest('i', tasks)})"),
    )


class _Speech:
    """PostgreSQL's words."""

    def rest(self, number: str, by: int) -> str:
        return f"MOD({number}, {by})"

    def instant(self, seconds: str) -> str:
        return f"to_timestamp({seconds})"

    def text(self, *parts: str) -> str:
        return " || ".join(f"CAST({part} AS text)" for part in parts)

    def begin(self, period: str) -> str:
        return f"date_trunc('{period}', started_at)"


class _SQLite(_Speech):
    def rest(self, number: str, by: int) -> str:
        return f"({number} % {by})"

    def instant(self, seconds: str) -> str:
        return f"strftime('%Y-%m-%d %H:%M:%f000', {seconds}, 'unixepoch')"

    def begin(self, period: str) -> str:
        return f"strftime('%Y-%m-%d {'%H' if period == 'hour' else '00'}:00:00.000000', started_at)"


class _MariaDb(_Speech):
    def instant(self, seconds: str) -> str:
        return f"FROM_UNIXTIME({seconds})"

    def text(self, *parts: str) -> str:
        return f"CONCAT({', '.join(parts)})"

    def begin(self, period: str) -> str:
        unit = 3600 if period == "hour" else 86_400
        return f"FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP(started_at) / {unit}) * {unit})"


_SPEECH = {"sqlite": _SQLite(), "mariadb": _MariaDb(), "postgresql": _Speech()}
