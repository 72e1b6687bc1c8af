"""What keeps the totals of all tasks true to what tasks add up to: see `totals`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from smart_cron.core.rollup import HOUR, Period, day_of
from smart_cron.store.bulk import placeholders
from smart_cron.store.session import Session

# No task has this number.
ALL_TASKS = 0
OF_ALL = f"task_id = {ALL_TASKS} AND period"
GATE = "gate"


def reopen(session: Session, hours: Collection[datetime], *, of_days: bool = False) -> None:
    """Undo the totals of these hours and of their days, since this transaction changes what they are made of.

    With *of_days* those of every hour of these days: a row that became a day's is no hour's any more. Call it as the
    last thing that takes a lock: whoever changes hours that are over stands in one line here.
    """
    if not session.execute(f"UPDATE smart_cron_metrics SET runs = runs + 1 WHERE {OF_ALL} = '{GATE}'"):
        return
    days = {day_of(hour) for hour in hours}
    changed = {day + number * HOUR for day in days for number in range(24)} if of_days else set(hours)
    for period, begins in ((Period.HOUR_TOTAL, changed), (Period.DAY_TOTAL, days)):
        instants = [session.dialect.instant(at) for at in sorted(begins)]
        session.execute(
            f"DELETE FROM smart_cron_metrics WHERE {OF_ALL} = %s AND bucket_at IN ({placeholders(instants)})",
            [period.value, *instants],
        )
