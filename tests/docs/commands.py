"""The specification's commands, as it prints them."""

from __future__ import annotations

CRONTAB_LINES = (
    "* * * * * /usr/bin/php /path/to/smart-cron/cron/master_runner.php >> /var/log/smart-cron/master.log 2>&1",
    "*/5 * * * * /usr/bin/php /path/to/smart-cron/cron/health_monitor.php >> /var/log/smart-cron/health.log 2>&1",
    "0 2 * * * /usr/bin/php /path/to/smart-cron/cron/cleanup_old_data.php >> /var/log/smart-cron/cleanup.log 2>&1",
)
FOLLOW = "tail -f /var/log/smart-cron/master-$(date +%Y-%m-%d).log"
COLOURED = "tail -n 100 /var/log/smart-cron/master-$(date +%Y-%m-%d).log | jq -C '.'"
ERRORS = "grep ERROR /var/log/smart-cron/master-*.log"
COUNT_TODAY = 'grep "Task completed" /var/log/smart-cron/master-$(date +%Y-%m-%d).log | wc -l'
LAST_LINES = "tail -n 50 /var/log/smart-cron/master-$(date +%Y-%m-%d).log"
DISK = "df -h /var/log/smart-cron"
SIZES = "du -sh /var/log/smart-cron/*"
COUNT_LOGS = "ls /var/log/smart-cron/*.log | wc -l"
COMPRESS = r'find /var/log/smart-cron -name "*.log" -mtime +7 -exec gzip {} \;'
REMOVE = 'find /var/log/smart-cron -name "*.log.gz" -mtime +90 -delete'
ON_LOGS = (FOLLOW, COLOURED, ERRORS, COUNT_TODAY, LAST_LINES, DISK, SIZES, COUNT_LOGS, COMPRESS, REMOVE)

DUMP = "mysqldump -u user -p database_name | gzip > /var/backups/smart-cron/manual-backup-$(date +%Y%m%d-%H%M%S).sql.gz"
DUMP_CONFIG = (
    "mysqldump -u user -p database_name smart_cron_tasks_config | gzip > "
    "/var/backups/smart-cron/config-backup-$(date +%Y%m%d-%H%M%S).sql.gz"
)
LIST_BACKUPS = "ls -lh /var/backups/smart-cron/"
RESTORE = "gunzip < /var/backups/smart-cron/backup-YYYYMMDD-HHMMSS.sql.gz | mysql -u user -p database_name"
RESTORE_CONFIG = "gunzip < /var/backups/smart-cron/config-backup.sql.gz | mysql -u user -p database_name"
RESTORE_LATEST = "gunzip < /var/backups/smart-cron/latest.sql.gz | mysql -u user -p database_name"
VERIFY = 'mysql -u user -p -e "SELECT COUNT(*) FROM smart_cron_tasks_config" database_name'
CLEAR_RUNNING = 'mysql -u user -p -e "UPDATE smart_cron_tasks_config SET is_running = 0" database_name'
CLEAR_FAILURES = 'mysql -u user -p -e "UPDATE smart_cron_tasks_config SET consecutive_failures = 0" database_name'
ASK = 'mysql -h localhost -u user -p -e "SELECT 1"'
ON_DATABASE = (
    DUMP,
    DUMP_CONFIG,
    LIST_BACKUPS,
    RESTORE,
    RESTORE_CONFIG,
    RESTORE_LATEST,
    VERIFY,
    CLEAR_RUNNING,
    CLEAR_FAILURES,
    ASK,
)
KILL = 'pkill -f "smart-cron"'
CLEAR_LOCKS = "rm -f /var/run/smart-cron/*.lock"
ON_PROCESSES = (KILL, CLEAR_LOCKS)

# Not run: there is another command for them here, or they are about the machine and not about us.
MAPPED = (
    "chmod +x install.sh",
    "sudo bash install.sh",
    "sudo mkdir -p /var/log/smart-cron",
    "sudo mkdir -p /var/run/smart-cron",
    "sudo mkdir -p /var/backups/smart-cron",
    "sudo chown -R www-data:www-data /var/log/smart-cron /var/run/smart-cron /var/backups/smart-cron",
    "sudo chmod 750 /var/log/smart-cron /var/run/smart-cron /var/backups/smart-cron",
    "mysql -u your_user -p your_database < database/schema.sql",
    "crontab -u www-data -e",
    *CRONTAB_LINES,
    "sudo chown -R www-data:www-data /path/to/smart-cron",
    "sudo chmod 750 /path/to/smart-cron/cron/*.php",
    "sudo chmod 640 /path/to/smart-cron/includes/*.php",
    "sudo chmod 750 /path/to/smart-cron/dashboard",
    "/usr/bin/php /path/to/smart-cron/cron/master_runner.php",
    "/usr/bin/php /path/to/smart-cron/cron/cleanup_old_data.php",
    "systemctl status cron",
    "sudo systemctl restart cron",
    "systemctl restart cron",
    "crontab -u www-data -l",
    "ls -la /path/to/smart-cron/cron/",
    "cat /path/to/config/database.php",
    "systemctl status mysql",
    """php -r "mysqli_connect('host','user','pass','db') or die(mysqli_connect_error());\"""",
    "crontab -u www-data -r",
    "systemctl restart apache2",
)
AS_PRINTED = (*ON_LOGS, *ON_DATABASE, *ON_PROCESSES)
