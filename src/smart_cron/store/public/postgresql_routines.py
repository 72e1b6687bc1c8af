"""The functions of PostgreSQL. They run with the rights of whoever calls them, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping

from smart_cron.store.public.kept import KEPT_RUNS, NOT_IN_DOUBT, OLD_ROWS
from smart_cron.store.public.words import WORDS
from smart_cron.store.queues import HELD_RANK

_WORDS = WORDS["postgresql"]
_TABLES = ("executions", "skipped_slots", *(rows.table for rows in OLD_ROWS))


def _refusal(condition: str, message: str) -> str:
    return f"IF {condition} THEN RAISE EXCEPTION '{message}'; END IF;"


def _deletion(table: str, condition: str) -> str:
    # What another transaction holds is passed over: nobody waits for a clean-up, nor it for anybody. The rows are
    # looked for once, whatever the planner takes the table for: `IN (SELECT ...)` may be run anew for each of its rows.
    return f"""
    DELETE FROM smart_cron_{table} WHERE id = ANY (ARRAY(
        SELECT o.id FROM smart_cron_{table} o WHERE {condition} LIMIT at_most FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS {table} = ROW_COUNT;"""


_EXECUTIONS = _deletion(
    "executions",
    f"""(o.started_at < oldest OR o.started_at IS NULL) AND o.completed_at < oldest AND o.queue_rank IS NULL
           AND {NOT_IN_DOUBT}
           AND o.id < (SELECT newer.id FROM smart_cron_executions newer WHERE newer.task_id = o.task_id
                        ORDER BY newer.id DESC LIMIT 1 OFFSET {KEPT_RUNS - 1})""",
)
_SKIPPED = _deletion(
    "skipped_slots", "o.recorded_at < oldest AND (o.last_slot IS NULL OR o.last_slot < oldest) AND o.outcome <> 'held'"
)
_RANGES = "".join(
    _deletion(
        rows.table,
        f"o.{rows.column} < {'statement_timestamp()' if rows.is_expiry else 'oldest'}"
        + (f" AND {rows.condition.format(limit='oldest')}" if rows.condition else ""),
    )
    for rows in OLD_ROWS
)

CLEANUP = f"""CREATE FUNCTION smart_cron_cleanup_old_data(days integer, at_most bigint DEFAULT NULL,
    {", ".join(f"OUT {table} bigint" for table in _TABLES)}) LANGUAGE plpgsql AS $body$
#variable_conflict use_column
DECLARE oldest timestamptz;
BEGIN
    {_refusal("days IS NULL OR days < 1", "smart_cron_cleanup_old_data: days must be 1 or more")}
    oldest := statement_timestamp() - days * interval '24 hours';{_EXECUTIONS}{_SKIPPED}{_RANGES}
END $body$"""

RESET = f"""CREATE FUNCTION smart_cron_reset_task(wanted_task text) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE held bigint;
BEGIN
    PERFORM 1 FROM smart_cron_tasks_config WHERE task_name = wanted_task FOR UPDATE;
    {_refusal("NOT FOUND", "smart_cron_reset_task: there is no task of this name")}
    UPDATE smart_cron_tasks_config t
       SET consecutive_failures = 0, running_execution_id = runs.held,
           is_running = CASE WHEN runs.held IS NULL THEN 0 ELSE 1 END
      FROM (SELECT c.id, (SELECT MAX(e.id) FROM smart_cron_executions e
                           WHERE e.active_task_id = c.id AND e.queue_rank = {HELD_RANK}) AS held
              FROM smart_cron_tasks_config c WHERE c.task_name = wanted_task) runs
     WHERE t.id = runs.id;
END $body$"""

STATS = f"""CREATE FUNCTION smart_cron_task_stats(wanted_task text, wanted_hours integer)
RETURNS TABLE (task_name text, hours integer, executions bigint, successes bigint, failures bigint,
    success_rate double precision, avg_execution_time double precision, min_execution_time double precision,
    max_execution_time double precision, avg_start_lateness double precision, max_start_lateness double precision,
    memory_peak_mb integer, cpu_seconds double precision, output_bytes bigint) LANGUAGE plpgsql STABLE AS $body$
#variable_conflict use_column
DECLARE wanted_id integer;
BEGIN
    {_refusal("wanted_hours IS NULL OR wanted_hours < 1", "smart_cron_task_stats: hours must be 1 or more")}
    SELECT t.id INTO wanted_id FROM smart_cron_tasks_config t WHERE t.task_name = wanted_task;
    {_refusal("NOT FOUND", "smart_cron_task_stats: there is no task of this name")}
    RETURN QUERY
    SELECT wanted_task, wanted_hours, s.runs, s.won, s.lost,
           {_WORDS.percent("s.won", "s.runs")}, {_WORDS.mean("s.seconds", "s.timed")}, s.shortest, s.longest,
           {_WORDS.mean("s.late_seconds", "s.late")}, s.latest, s.memory, s.cpu, s.bytes
      FROM (SELECT COALESCE(SUM(m.runs), 0)::bigint AS runs, COALESCE(SUM(m.successes), 0)::bigint AS won,
                   COALESCE(SUM(m.failures), 0)::bigint AS lost, COALESCE(SUM(m.timed_runs), 0)::bigint AS timed,
                   SUM(m.duration_sum) AS seconds, MIN(m.duration_min) AS shortest, MAX(m.duration_max) AS longest,
                   COALESCE(SUM(m.lateness_runs), 0)::bigint AS late, SUM(m.lateness_sum) AS late_seconds,
                   MAX(m.lateness_max) AS latest, MAX(m.memory_peak_mb) AS memory,
                   COALESCE(SUM(m.cpu_seconds), 0) AS cpu, COALESCE(SUM(m.output_bytes), 0)::bigint AS bytes
              FROM smart_cron_metrics m
             WHERE m.task_id = wanted_id AND m.period IN ('hour', 'day')
               AND m.bucket_at > statement_timestamp() - wanted_hours * interval '1 hour') s;
END $body$"""

ROUTINES: Mapping[str, str] = {
    "smart_cron_cleanup_old_data": CLEANUP,
    "smart_cron_reset_task": RESET,
    "smart_cron_task_stats": STATS,
}
