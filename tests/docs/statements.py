"""The specification's SQL statements, as it prints them, and blocks of SQL of our own pages."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

INSERT = """INSERT INTO smart_cron_tasks_config (
    task_name,
    task_description,
    task_script,
    schedule_pattern,
    priority,
    timeout_seconds,
    enabled,
    alert_on_failure,
    alert_email
) VALUES (
    'my_task_name',
    'Processes daily reports',
    '/path/to/your/script.php',
    '0 2 * * *',    -- Daily at 2 AM
    5,              -- Medium priority
    300,            -- 5 minute timeout
    1,              -- Enabled
    1,              -- Send alerts
    'admin@ecigdis.co.nz'
);"""
RETRIES = """UPDATE smart_cron_tasks_config
SET
    max_retries = 3,              -- Retry up to 3 times
    retry_delay_seconds = 60,     -- Wait 60 seconds between retries
    failure_threshold = 5,        -- Alert after 5 consecutive failures
    alert_on_failure = 1
WHERE task_name = 'my_task_name';"""
LAST_DAY = """-- Average execution time by task (last 24 hours)
SELECT
    task_name,
    COUNT(*) as executions,
    AVG(execution_time) as avg_time,
    MAX(execution_time) as max_time
FROM smart_cron_executions
WHERE started_at > DATE_SUB(NOW(), INTERVAL 24 HOUR)
GROUP BY task_name
ORDER BY avg_time DESC;"""
SUCCESS_RATE = """-- Success rate by task
SELECT
    task_name,
    total_executions,
    total_successes,
    ROUND((total_successes / total_executions) * 100, 2) as success_rate
FROM smart_cron_tasks_config
WHERE total_executions > 0
ORDER BY success_rate ASC;"""
MAIL = """UPDATE smart_cron_tasks_config
SET
    alert_on_failure = 1,
    alert_email = 'admin@ecigdis.co.nz'
WHERE task_name = 'critical_task';"""
SLACK = """UPDATE smart_cron_tasks_config
SET alert_slack_webhook = 'https://hooks.slack.com/services/YOUR/WEBHOOK/URL'
WHERE task_name = 'important_task';"""
ACKNOWLEDGE = """UPDATE smart_cron_alerts
SET acknowledged = 1, acknowledged_at = NOW(), acknowledged_by = 1
WHERE id = 123;"""
RESOLVE = """UPDATE smart_cron_alerts
SET resolved = 1, resolved_at = NOW()
WHERE id = 123;"""
RUNNING = "SELECT * FROM smart_cron_tasks_config WHERE is_running = 1;"
FAILING = """SELECT task_name, consecutive_failures, error_message, stderr_output
FROM smart_cron_tasks_config t
JOIN smart_cron_executions e ON t.id = e.task_id
WHERE t.consecutive_failures > 0
ORDER BY e.started_at DESC;"""
# In its shell blocks.
CLEAR_RUNNING = "UPDATE smart_cron_tasks_config SET is_running = 0"
CLEAR_FAILURES = "UPDATE smart_cron_tasks_config SET consecutive_failures = 0"
COUNT_TASKS = "SELECT COUNT(*) FROM smart_cron_tasks_config"
# What other databases than MariaDB and MySQL do not take as it stands: docs/database.md has it for them.
OF_MYSQL = {"sqlite": (LAST_DAY, ACKNOWLEDGE, RESOLVE), "postgresql": (LAST_DAY,)}
# Taken, but with other figures: a division of integers is one.
OTHER_FIGURES = {"sqlite": (SUCCESS_RATE,), "postgresql": (SUCCESS_RATE,)}
EVERYWHERE = (INSERT, RETRIES, MAIL, SLACK, RUNNING, CLEAR_RUNNING, CLEAR_FAILURES, COUNT_TASKS)


def sql_blocks(page: str, *, of: str) -> list[str]:
    """Return the SQL blocks of a page whose first line says that they are for this database, or for every one."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"^```sql\n-- (.*?)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for databases, block in found if databases == "every database" or of in databases.split(", ")]
