"""Successes that differ from their task's own past, found while they are recorded: a few microseconds each.

The past of a task is read once and then goes on from what is recorded. It is judged before it is learned, and learned
only once the database has it, so that a transaction that fails leaves nothing behind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from smart_cron.core.anomaly import LEAST_PAST, MOST_PAST, Anomaly, Past, Sample
from smart_cron.core.output_copy import cut_message
from smart_cron.core.ports.metrics import PastStore
from smart_cron.core.run import AlertDraft, OpenRun, Settlement

# The past of a task takes some 2 KB; the task that ran longest ago is forgotten first.
MOST_TASKS = 5_000
# Reading a past costs about as much as recording a run, so a batch never waits for many: the others' turn comes.
READ_A_BATCH = 4
REMEDY = "If that is right, raise its anomaly_tolerance, or set it to 0"


class AnomalyWatch:
    """Knows what is usual of the tasks that ran here lately."""

    def __init__(self, pasts: PastStore) -> None:
        self._store = pasts
        self._pasts: OrderedDict[int, Past] = OrderedDict()

    def judged(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """Return the same, with an alert for each way in which a success differs; within the caller's transaction."""
        left = READ_A_BATCH
        judged = []
        for settlement in settlements:
            past = None
            if _is_judged(settlement):
                past = self._pasts.get(settlement.run.task_id)
                if past is None and left:
                    left -= 1
                    past = self._read(settlement.run.task_id)
            judged.append(settlement if past is None else _told(settlement, past))
        return judged

    def _read(self, task_id: int) -> Past:
        past = self._pasts[task_id] = Past.of(self._store.last_successes(task_id, limit=MOST_PAST))
        if len(self._pasts) > MOST_TASKS:
            self._pasts.popitem(last=False)
        return past

    def learn(self, settled: Sequence[Settlement]) -> None:
        """Take in what the database has now."""
        for settlement in settled:
            if _is_timed_success(settlement) and settlement.run.task_id in self._pasts:
                self._pasts[settlement.run.task_id].learn(_sample(settlement))
                self._pasts.move_to_end(settlement.run.task_id)


def _is_timed_success(settlement: Settlement) -> bool:
    return settlement.success and settlement.end.started_at is not None


def _is_judged(settlement: Settlement) -> bool:
    run = settlement.run
    return (
        _is_timed_success(settlement)
        and run.anomaly_tolerance > 0
        and run.total_successes >= LEAST_PAST
        and run.alert_on_failure
        and run.task_exists
    )


def _sample(settlement: Settlement) -> Sample:
    end = settlement.end
    return Sample(
        duration=end.duration,
        output_bytes=end.stdout_bytes + end.stderr_bytes,
        memory_peak_bytes=end.memory_peak_bytes,
    )


def _told(settlement: Settlement, past: Past) -> Settlement:
    found = past.judge(_sample(settlement), tolerance=settlement.run.anomaly_tolerance)
    if not found:
        return settlement
    drafts = tuple(_draft(settlement.run, anomaly) for anomaly in found)
    return replace(settlement, alerts=(*settlement.alerts, *drafts))


def _draft(run: OpenRun, anomaly: Anomaly) -> AlertDraft:
    text = f"Task {run.task_name} succeeded, but unlike before: {anomaly.words}. {REMEDY}"
    return AlertDraft(
        alert_type="system_health", severity="warning", message=cut_message(text), subtype=anomaly.subtype
    )
