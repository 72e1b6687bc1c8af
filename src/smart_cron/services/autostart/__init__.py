"""Starting by itself: the two systemd units, or the specification's crontab lines.

`units` and `crontab_block` are pure text, `unit_files` and `own_crontab` put it where it belongs and take it away
again. What is ours carries a mark; what carries none is never changed and never removed.
"""

from smart_cron.services.autostart.crontab_block import crontab_block, with_block, without_block
from smart_cron.services.autostart.own_crontab import NO_CRONTAB, read_crontab_of, replace_crontab_of
from smart_cron.services.autostart.startup import Startup
from smart_cron.services.autostart.unit_files import (
    UNIT_FOLDER,
    changed_units,
    installed_units,
    remove_unit,
    systemctl,
    systemd_is_at_work,
    write_unit,
)
from smart_cron.services.autostart.units import MASTER_UNIT, TASK_RUNNER_UNIT, UNITS, unit_texts

__all__ = [
    "MASTER_UNIT",
    "NO_CRONTAB",
    "TASK_RUNNER_UNIT",
    "UNITS",
    "UNIT_FOLDER",
    "Startup",
    "changed_units",
    "crontab_block",
    "installed_units",
    "read_crontab_of",
    "remove_unit",
    "replace_crontab_of",
    "systemctl",
    "systemd_is_at_work",
    "unit_texts",
    "with_block",
    "without_block",
    "write_unit",
]
