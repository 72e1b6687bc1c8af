"""Reading crontabs as Debian's cron reads them, turning their lines into tasks, and taking them over.

The parser is ours. `python-crontab` edits crontabs and forgives much: it loses which line it could not read, knows
nothing of `%` and standard input, and takes a system crontab's user for granted. The rules here are crontab(5)'s of
Debian 12; where the page is silent, they are what its cron (3.0pl1-162) was seen to do with the same file.
"""

from smart_cron.services.crontab.definitions import ImportedTask, to_definitions
from smart_cron.services.crontab.lines import CrontabLine, CrontabReading, LineKind
from smart_cron.services.crontab.reading import read_crontab
from smart_cron.services.crontab.system_files import SystemCrontabs, system_crontabs
from smart_cron.services.crontab.taking_over import give_back, require_can_take_over, take_over

__all__ = [
    "CrontabLine",
    "CrontabReading",
    "ImportedTask",
    "LineKind",
    "SystemCrontabs",
    "give_back",
    "read_crontab",
    "require_can_take_over",
    "system_crontabs",
    "take_over",
    "to_definitions",
]
