"""The original PHP system as it would be met, written from the specification: its columns, a latin1 server, local time.

The specification lists the columns of two tables; those of the others are what such a system would have.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.servers import Server

NEW_ZEALAND = timedelta(hours=13)
# In summer time, at +13:00, as the test server's clock is.
FIRST = datetime(2026, 1, 5, 2, 0, 0)
RUNS = 1000

SCHEMA = """
CREATE TABLE smart_cron_tasks_config (
    id INT AUTO_INCREMENT PRIMARY KEY,
    task_name VARCHAR(100) NOT NULL UNIQUE,
    task_description VARCHAR(500),
    task_script VARCHAR(255) NOT NULL,
    schedule_pattern VARCHAR(50) NOT NULL,
    priority TINYINT DEFAULT 5,
    timeout_seconds INT DEFAULT 300,
    enabled TINYINT(1) DEFAULT 1,
    max_retries TINYINT DEFAULT 3,
    retry_delay_seconds INT DEFAULT 60,
    failure_threshold INT DEFAULT 5,
    consecutive_failures INT DEFAULT 0,
    alert_on_failure TINYINT(1) DEFAULT 1,
    alert_email VARCHAR(255),
    is_running TINYINT(1) DEFAULT 0,
    last_run_at DATETIME,
    next_run_at DATETIME,
    total_executions BIGINT DEFAULT 0,
    total_successes BIGINT DEFAULT 0,
    total_failures BIGINT DEFAULT 0,
    avg_execution_time FLOAT,
    owner_team VARCHAR(40),
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    INDEX idx_due (enabled, next_run_at)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;
CREATE TABLE smart_cron_executions (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    task_id INT NOT NULL,
    task_name VARCHAR(100),
    started_at DATETIME NOT NULL,
    completed_at DATETIME,
    execution_time FLOAT,
    exit_code INT,
    success TINYINT(1) DEFAULT 0,
    stdout_output TEXT,
    stderr_output TEXT,
    error_message VARCHAR(1000),
    error_type VARCHAR(100),
    memory_peak_mb INT,
    triggered_by VARCHAR(50) DEFAULT 'cron',
    FOREIGN KEY (task_id) REFERENCES smart_cron_tasks_config(id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=latin1;
CREATE TABLE smart_cron_alerts (
    id INT AUTO_INCREMENT PRIMARY KEY, task_id INT, alert_type VARCHAR(50) NOT NULL, severity VARCHAR(20) NOT NULL,
    message TEXT NOT NULL, acknowledged TINYINT(1) DEFAULT 0, acknowledged_at DATETIME, acknowledged_by INT,
    resolved TINYINT(1) DEFAULT 0, resolved_at DATETIME, created_at DATETIME DEFAULT CURRENT_TIMESTAMP
) DEFAULT CHARSET=latin1;
CREATE TABLE smart_cron_audit_log (
    id INT AUTO_INCREMENT PRIMARY KEY, user_id INT, action VARCHAR(50), entity_type VARCHAR(50) NOT NULL, entity_id INT,
    old_values TEXT, new_values TEXT, ip_address VARCHAR(45), created_at DATETIME DEFAULT CURRENT_TIMESTAMP
) DEFAULT CHARSET=latin1;
CREATE TABLE smart_cron_health_checks (
    id INT AUTO_INCREMENT PRIMARY KEY, check_type VARCHAR(50), is_ok TINYINT(1), checked_at DATETIME
) DEFAULT CHARSET=latin1;
CREATE TABLE smart_cron_metrics (
    id INT AUTO_INCREMENT PRIMARY KEY, metric_name VARCHAR(100), metric_value FLOAT, recorded_at DATETIME
) DEFAULT CHARSET=latin1;
CREATE TABLE smart_cron_rate_limits (
    id INT AUTO_INCREMENT PRIMARY KEY, identifier VARCHAR(100), request_count INT, window_start DATETIME
) DEFAULT CHARSET=latin1;
CREATE TABLE smart_cron_backups (
    id INT AUTO_INCREMENT PRIMARY KEY, backup_type VARCHAR(20) NOT NULL, file_path VARCHAR(500) NOT NULL,
    file_size_bytes BIGINT, status VARCHAR(20) NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP
) DEFAULT CHARSET=latin1;
CREATE VIEW smart_cron_system_status AS SELECT COUNT(*) AS enabled_tasks FROM smart_cron_tasks_config WHERE enabled = 1;
CREATE EVENT smart_cron_auto_cleanup ON SCHEDULE EVERY 1 DAY DO
    DELETE FROM smart_cron_executions WHERE started_at < DATE_SUB(NOW(), INTERVAL 30 DAY);
"""
TASKS = """
INSERT INTO smart_cron_tasks_config (id, task_name, task_description, task_script, schedule_pattern, is_running,
    last_run_at, next_run_at, total_executions, total_successes, total_failures, avg_execution_time,
    consecutive_failures, owner_team) VALUES
 (1, 'process_daily_reports', 'Tägliche Berichte', '/srv/reports.php', '0 2 * * *', 1, '2026-01-05 02:00:00',
    '2026-01-06 02:00:00', 900, 890, 10, 12.5, 0, 'finance'),
 (2, 'every_minute', NULL, '/srv/minute.php', '* * * * *', 0, '2026-01-05 02:00:00', NULL, 100, 90, 10, 0.25, 2, NULL),
 (9, 'later', NULL, '/srv/later.php', '0 0 1 1 *', 0, NULL, '2037-06-01 12:00:00', 0, 0, 0, NULL, 0, NULL);
INSERT INTO smart_cron_alerts (task_id, alert_type, severity, message, resolved) VALUES
 (2, 'task_failure', 'error', 'fällt aus', 0), (1, 'task_timeout', 'warning', 'slow', 1);
INSERT INTO smart_cron_audit_log (user_id, action, entity_type, entity_id) VALUES (7, 'update', 'task', 1);
INSERT INTO smart_cron_metrics (metric_name, metric_value) VALUES ('load', 0.5);
INSERT INTO smart_cron_backups (backup_type, file_path, status) VALUES ('full', '/var/backups/a.sql.gz', 'completed');
"""
# Of each ten: seven successes, a failure, a timeout, one that was killed; the last of all never ended.
ENDS = [(0, 1)] * 7 + [(1, 0), (124, 0), (137, 0)]


def install(server: Server, database: str) -> None:
    """Make the tables and fill them, as the PHP system would have by now."""
    server.drop_database(database)
    server.run_sql(f"CREATE DATABASE {database} CHARACTER SET latin1")
    server.run_sql(SCHEMA + TASKS, database)
    rows = ", ".join(map(_run, range(1, RUNS + 1)))
    columns = "id, task_id, task_name, started_at, completed_at, execution_time, exit_code, success, stdout_output"
    server.run_sql(f"INSERT INTO smart_cron_executions ({columns}) VALUES {rows}", database)


def _run(number: int) -> str:
    code, success = ENDS[number % 10]
    started = FIRST + timedelta(minutes=number)
    ended = "NULL, NULL, NULL, 0" if number == RUNS else f"'{started + timedelta(seconds=3)}', 2.5, {code}, {success}"
    # A TEXT full of letters that take two bytes in UTF-8, and one in latin1.
    output = "REPEAT('é', 60000)" if number == 3 else "'Übersicht'"
    return f"({number}, {1 if number % 2 else 2}, 'x', '{started}', {ended}, {output})"
