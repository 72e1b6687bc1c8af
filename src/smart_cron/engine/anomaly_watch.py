"""Successes that differ from their task's own past, found while they are recorded: a few microseconds each.

The past of a task is read once and then goes on from what is recorded. It is judged before it is learned, and learned
only once the database has it, so that a transaction that fails leaves nothing behind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from smart_cron.core.anomaly import LEAST_PAST, MOST_PAST, Anomaly, Past, Sample
from smart_cron.core.errors import DatabaseError
from smart_cron.core.output_copy import cut_message
from smart_cron.core.ports import Log
from smart_cron.core.ports.metrics import PastStore
from smart_cron.core.run import AlertDraft, OpenRun, Settlement

# The past of a task takes some 2 KB; the task that ran longest ago is forgotten first.
MOST_TASKS = 5_000
# Reading a past costs about as much as recording a run, so a batch never waits for many while others stand behind it:
# in a storm a task's turn comes with one of its next runs.
READ_A_BATCH, READ_IN_A_STORM = 50, 4
REMEDY = "If that is right, raise its anomaly_tolerance, or set it to 0"


class AnomalyWatch:
    """Knows what is usual of the tasks that ran here lately."""

    def __init__(self, pasts: PastStore, log: Log) -> None:
        self._store, self._log = pasts, log
        self._unjudged: set[int] = set()
        self._pasts: OrderedDict[int, Past] = OrderedDict()
        self._left = READ_A_BATCH

    def judged(self, settlements: Sequence[Settlement], *, storm: bool = False) -> list[Settlement]:
        """Return the same, with an alert for each way in which a success differs; within the caller's transaction.

        In a *storm*, when more results wait behind these, those of which no past is known yet pass for the most part.
        """
        self._left = READ_IN_A_STORM if storm else READ_A_BATCH
        return [self._judged(settlement) for settlement in settlements]

    def _judged(self, settlement: Settlement) -> Settlement:
        try:
            past = self._past(settlement.run.task_id) if _is_judged(settlement) else None
            return settlement if past is None else _told(settlement, past)
        except DatabaseError:
            raise  # The caller's transaction is over.
        except Exception as error:  # noqa: BLE001 - whatever figures somebody wrote, a run is recorded
            self._pass_over(settlement.run, error)
            return settlement

    def _past(self, task_id: int) -> Past | None:
        past = self._pasts.get(task_id)
        if past is None and self._left:
            self._left -= 1
            past = self._keep(task_id, Past.of(self._store.last_successes(task_id, limit=MOST_PAST)))
        return past

    def _keep(self, task_id: int, past: Past) -> Past:
        self._pasts[task_id] = past
        if len(self._pasts) > MOST_TASKS:
            self._pasts.popitem(last=False)
        return past

    def _pass_over(self, run: OpenRun, error: Exception) -> None:
        if run.task_id not in self._pasts:
            # Begun anew where it cannot be read: it is not asked for with each run.
            self._keep(run.task_id, Past())
        if run.task_id not in self._unjudged:
            self._unjudged.add(run.task_id)
            reason = f"{type(error).__name__}: {error}"
            self._log.error("Runs of a task cannot be compared with its past", task=run.task_name, reason=reason)

    def learn(self, settled: Sequence[Settlement]) -> None:
        """Take in what the database has now."""
        for settlement in settled:
            if _is_timed_success(settlement) and settlement.run.task_id in self._pasts:
                try:
                    self._pasts[settlement.run.task_id].learn(_sample(settlement))
                except Exception as error:  # noqa: BLE001 - it is recorded; a past may lack a run
                    self._pass_over(settlement.run, error)
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
