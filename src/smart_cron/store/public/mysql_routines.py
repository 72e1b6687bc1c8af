"""The procedures of MariaDB and MySQL. They run with the rights of whoever calls them."""

from __future__ import annotations

from collections.abc import Mapping

from smart_cron.store.public.kept import BATCH, KEPT_RUNS, NOT_IN_DOUBT, OLD_ROWS
from smart_cron.store.public.words import WORDS
from smart_cron.store.queues import HELD_RANK

_WORDS = WORDS["mysql"]
# Whatever the default of the database: names are compared byte by byte.
_NAME = "VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_RIGHTS = "SQL SECURITY INVOKER"


def _refusal(condition: str, message: str) -> str:
    return f"IF {condition} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{message}'; END IF;"


# Rows are looked for by a plain SELECT, which locks nothing, and deleted by their ids, which locks nothing else: a
# DELETE with these conditions would lock what the engine writes, and so would one that scans a small table.
_WINDOWS = """
    SET reached = 0, doomed = NULL;
    windows: LOOP
        SELECT MAX(o.id), GROUP_CONCAT(CASE WHEN {doomed} THEN o.id END) INTO reached, doomed
          FROM (SELECT {columns} FROM {table} WHERE id > reached AND id <= last_id ORDER BY id LIMIT {batch}) o;
        IF reached IS NULL THEN LEAVE windows; END IF;
        IF doomed IS NOT NULL THEN
            SET @smart_cron_statement = CONCAT(
                'DELETE t FROM {table} t FORCE INDEX (PRIMARY) WHERE {still} AND t.id IN (', doomed, ')');
            PREPARE smart_cron_statement FROM @smart_cron_statement;
            EXECUTE smart_cron_statement;
            SET {count} = {count} + ROW_COUNT();
            DEALLOCATE PREPARE smart_cron_statement;
        END IF;
    END LOOP;"""
_EXECUTIONS = _WINDOWS.format(
    table="smart_cron_executions",
    columns="id, task_id, status, settled_by, node, completed_at, queue_rank",
    count="deleted_executions",
    batch=BATCH,
    still="t.queue_rank IS NULL",
    doomed=f"""o.queue_rank IS NULL AND UNIX_TIMESTAMP(o.completed_at) < oldest AND {NOT_IN_DOUBT}
                        AND o.id < (SELECT newer.id FROM smart_cron_executions newer WHERE newer.task_id = o.task_id
                                     ORDER BY newer.id DESC LIMIT 1 OFFSET {KEPT_RUNS - 1})""",
)
_SKIPPED = _WINDOWS.format(
    table="smart_cron_skipped_slots",
    columns="id, outcome, recorded_at, last_slot",
    count="deleted_skipped_slots",
    batch=BATCH,
    still="t.outcome <> ''held''",
    doomed="""o.outcome <> 'held' AND UNIX_TIMESTAMP(o.recorded_at) < oldest
                        AND (o.last_slot IS NULL OR UNIX_TIMESTAMP(o.last_slot) < oldest)""",
)
_RANGE = """
    REPEAT
        DELETE FROM smart_cron_{table} WHERE {column} < FROM_UNIXTIME({limit}){condition}
         ORDER BY {column} LIMIT {batch};
        SET gone = ROW_COUNT(), deleted_{table} = deleted_{table} + gone;
    UNTIL gone = 0 END REPEAT;"""
_RANGES = "".join(
    _RANGE.format(
        table=rows.table,
        column=rows.column,
        condition=rows.condition and f" AND {rows.condition.format(limit='FROM_UNIXTIME(oldest)')}",
        limit="UNIX_TIMESTAMP()" if rows.is_expiry else "oldest",
        batch=BATCH,
    )
    for rows in OLD_ROWS
)
_TABLES = ("executions", "skipped_slots", *(rows.table for rows in OLD_ROWS))

CLEANUP = f"""CREATE PROCEDURE smart_cron_cleanup_old_data(IN days INT) {_RIGHTS}
BEGIN
    DECLARE oldest, last_id, reached, gone BIGINT DEFAULT 0;
    DECLARE {", ".join(f"deleted_{table}" for table in _TABLES)} BIGINT DEFAULT 0;
    DECLARE doomed MEDIUMTEXT;
    DECLARE usual_length BIGINT UNSIGNED DEFAULT @@SESSION.group_concat_max_len;
    {_refusal("days IS NULL OR days < 1", "smart_cron_cleanup_old_data: days must be 1 or more")}
    SET oldest = UNIX_TIMESTAMP() - days * 86400;
    SET SESSION group_concat_max_len = 65536;
    SELECT GREATEST(
        COALESCE((SELECT MAX(id) FROM smart_cron_executions FORCE INDEX (smart_cron_executions_start)
                   WHERE started_at < FROM_UNIXTIME(oldest)), 0),
        COALESCE((SELECT MAX(id) FROM smart_cron_executions FORCE INDEX (smart_cron_executions_start)
                   WHERE started_at IS NULL AND completed_at < FROM_UNIXTIME(oldest)), 0)) INTO last_id;{_EXECUTIONS}
    SELECT COALESCE(MAX(id), 0) INTO last_id FROM smart_cron_skipped_slots
     WHERE recorded_at < FROM_UNIXTIME(oldest);{_SKIPPED}{_RANGES}
    SET SESSION group_concat_max_len = usual_length;
    SELECT {", ".join(f"deleted_{table} AS {table}" for table in _TABLES)};
END"""

RESET = f"""CREATE PROCEDURE smart_cron_reset_task(IN wanted_task {_NAME}) {_RIGHTS}
BEGIN
    {
    _refusal(
        "NOT EXISTS (SELECT 1 FROM smart_cron_tasks_config WHERE task_name = wanted_task)",
        "smart_cron_reset_task: there is no task of this name",
    )
}
    UPDATE smart_cron_tasks_config t
       SET t.consecutive_failures = 0,
           t.running_execution_id = (SELECT MAX(e.id) FROM smart_cron_executions e
                                      WHERE e.active_task_id = t.id AND e.queue_rank = {HELD_RANK}),
           t.is_running = CASE WHEN t.running_execution_id IS NULL THEN 0 ELSE 1 END
     WHERE t.task_name = wanted_task;
END"""

STATS = f"""CREATE PROCEDURE smart_cron_task_stats(IN wanted_task {_NAME}, IN hours INT) READS SQL DATA {_RIGHTS}
BEGIN
    DECLARE wanted_id INT DEFAULT (SELECT id FROM smart_cron_tasks_config WHERE task_name = wanted_task);
    {_refusal("hours IS NULL OR hours < 1", "smart_cron_task_stats: hours must be 1 or more")}
    {_refusal("wanted_id IS NULL", "smart_cron_task_stats: there is no task of this name")}
    SELECT wanted_task AS task_name, hours AS hours, executions, successes, failures,
           {_WORDS.percent("successes", "executions")} AS success_rate,
           {_WORDS.mean("seconds", "timed")} AS avg_execution_time, min_execution_time, max_execution_time,
           {_WORDS.mean("late_seconds", "late")} AS avg_start_lateness, max_start_lateness, memory_peak_mb,
           cpu_seconds, output_bytes
      FROM (SELECT CAST(COALESCE(SUM(runs), 0) AS SIGNED) AS executions,
                   CAST(COALESCE(SUM(successes), 0) AS SIGNED) AS successes,
                   CAST(COALESCE(SUM(failures), 0) AS SIGNED) AS failures,
                   CAST(COALESCE(SUM(timed_runs), 0) AS SIGNED) AS timed, SUM(duration_sum) AS seconds,
                   MIN(duration_min) AS min_execution_time, MAX(duration_max) AS max_execution_time,
                   CAST(COALESCE(SUM(lateness_runs), 0) AS SIGNED) AS late, SUM(lateness_sum) AS late_seconds,
                   MAX(lateness_max) AS max_start_lateness, MAX(memory_peak_mb) AS memory_peak_mb,
                   COALESCE(SUM(cpu_seconds), 0) AS cpu_seconds,
                   CAST(COALESCE(SUM(output_bytes), 0) AS SIGNED) AS output_bytes
              FROM smart_cron_metrics
             WHERE task_id = wanted_id AND period IN ('hour', 'day')
               AND UNIX_TIMESTAMP(bucket_at) > UNIX_TIMESTAMP() - hours * 3600) sums;
END"""

ROUTINES: Mapping[str, str] = {
    "smart_cron_cleanup_old_data": CLEANUP,
    "smart_cron_reset_task": RESET,
    "smart_cron_task_stats": STATS,
}
