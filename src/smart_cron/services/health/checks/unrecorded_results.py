"""Do results wait on disk for the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from smart_cron.core.health import CheckStatus, Finding, Threshold
from smart_cron.core.ports import RecordStore
from smart_cron.services.health.checks.words import count, span

NAME = "unrecorded_results"
# More than that is a backlog of any kind; reading them all would be slower than the check may be.
LOOKED_AT = 2000
ASKED_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of a run, as it stands in its file."""

    execution_id: int
    run_id: str
    completed_at: datetime


def look(results: Iterable[Result], records: RecordStore, threshold: Threshold, *, now: datetime) -> Finding:
    """Ask for each result whether its row is final."""
    found = list(islice(results, LOOKED_AT))
    open_ones = [each for begin in range(0, len(found), ASKED_AT_ONCE) for each in _open(found, begin, records)]
    oldest = max(((now - each.completed_at).total_seconds() for each in open_ones), default=0.0)
    return judge(len(open_ones), max(0.0, oldest), threshold)


def _open(found: list[Result], begin: int, records: RecordStore) -> list[Result]:
    some = found[begin : begin + ASKED_AT_ONCE]
    final = records.final_among([(each.execution_id, each.run_id) for each in some])
    return [each for each in some if each.run_id not in final]


def judge(waiting: int, oldest: float, threshold: Threshold) -> Finding:
    """Return what is to be said of so many results, of which the oldest has waited so many seconds."""
    status = threshold.judge(oldest) if waiting else CheckStatus.OK
    if not waiting:
        message = "every result is recorded."
    else:
        verb = "waits" if waiting == 1 else "wait"
        message = f"{count(waiting, 'result')} {verb} on disk to be recorded, the oldest for {span(oldest)}."
    return Finding(
        check=NAME,
        status=status,
        message=message,
        remedy="" if status is CheckStatus.OK else "See that a master works here, and read its log: smart-cron logs",
        measured=round(oldest, 1),
        threshold=threshold.crossed(oldest),
        unit=threshold.unit,
        details={"results": waiting},
    )
