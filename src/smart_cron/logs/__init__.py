"""The logs room: day files of JSON lines, written and read back.

It imports `core` and the standard library only. The lines are ours, not `logging`'s: every run writes two of them
at full speed, several processes append to one file, and a full disk must never reach the caller; a formatter behind
`logging` costs several times as much a line and gives none of that.
"""

from smart_cron.logs.day_log import DayLog, day_files
from smart_cron.logs.events import EventLog, open_event_log
from smart_cron.logs.follow import follow
from smart_cron.logs.logger import SmartCronLogger
from smart_cron.logs.reading import LogReadError

__all__ = ["DayLog", "EventLog", "LogReadError", "SmartCronLogger", "day_files", "follow", "open_event_log"]
