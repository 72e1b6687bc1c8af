"""What runs became goes into the database: in batches, idempotently by run id, durable before anyone is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from smart_cron.core.alert_rules import USUAL_SEVERITIES, Severities
from smart_cron.core.outcome import COPY_LIMIT_BYTES, copy_text, failures_in_a_row, settle
from smart_cron.core.ports import Clock, Log, RecordStore
from smart_cron.core.run import OpenRun, RunEnd, Settlement, Status
from smart_cron.core.traced import RecordedRuns
from smart_cron.engine.anomaly_watch import AnomalyWatch
from smart_cron.engine.launcher import Start
from smart_cron.taskrunner.reading import OutputReader, whole_output

# One statement stays well below any server's packet limit, and one transaction short.
BATCH_RUNS = 200
BATCH_OUTPUT_BYTES = 1_000_000
# Without the room for the reader's mark where it leaves out the middle.
COPY_BYTES = COPY_LIMIT_BYTES - 64
# With more than this in memory, further results are left in their run files, from where a sweep fetches them.
MOST_IN_MEMORY = 10_000


@dataclass(frozen=True, slots=True)
class _Ended:
    end: RunEnd
    stdout_copy: str | None
    stderr_copy: str | None

    @property
    def output_bytes(self) -> int:
        return len(self.stdout_copy or "") + len(self.stderr_copy or "")


class Recorder:
    """Holds results from the task runner until the database has them."""

    def __init__(
        self,
        *,
        records: RecordStore,
        clock: Clock,
        log: Log,
        jitter: Callable[[], float],
        reopen_lost: Callable[[Sequence[tuple[int, str]]], set[str]] = lambda _: set(),
        severities: Callable[[], Severities] = lambda: USUAL_SEVERITIES,
        anomalies: AnomalyWatch | None = None,
        recorded: RecordedRuns | None = None,
    ) -> None:
        self._records, self._clock, self._log, self._jitter = records, clock, log, jitter
        self._reopen_lost = reopen_lost
        self._severities, self._anomalies, self._recorded = severities, anomalies, recorded
        self._starts: dict[str, tuple[int, datetime]] = {}
        self._ends: dict[str, _Ended] = {}
        self._written: list[_Ended] = []
        self._settled: list[Settlement] = []

    def note(self, starts: Iterable[Start], ends: Iterable[RunEnd]) -> None:
        """Take news in; the end of a run makes the news of its start needless."""
        for run_id, execution_id, started_at in starts:
            self._starts[run_id] = (execution_id, started_at)
        for end in ends:
            self._starts.pop(end.run_id, None)
            if end.run_id not in self._ends and len(self._ends) < MOST_IN_MEMORY:
                self._ends[end.run_id] = _Ended(end, *_copies(end))

    @property
    def has_news(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._starts or self._ends)

    @property
    def backlog(self) -> int:
        """How many results are not in the database yet."""
        return len(self._ends)

    def holds(self, run_id: str) -> bool:
        """Whether this run's end is known here already."""
        return run_id in self._ends

    def write(self) -> list[Settlement]:
        """Write one batch within the caller's transaction. Nothing is forgotten until `confirm`."""
        self._written = self._batch()
        now = self._clock.now()
        if self._starts:
            self._records.mark_running([(number, run_id, at) for run_id, (number, at) in self._starts.items()])
        self._settled = self._settle(now)
        return self._settled

    def _settle(self, now: datetime) -> list[Settlement]:
        if not self._written:
            return []
        by_run = {ended.end.run_id: ended for ended in self._written}
        still_open = self._lock_open([(ended.end.execution_id, ended.end.run_id) for ended in self._written])
        settlements = self._decide([(run, by_run[run.run_id]) for run in still_open], now)
        if self._anomalies is not None:
            settlements = self._anomalies.judged(settlements, storm=self.backlog > len(self._written))
        self._records.settle(settlements, now=now)
        return settlements

    def _lock_open(self, keys: Sequence[tuple[int, str]]) -> list[OpenRun]:
        """Lock what is open, and what others took for lost while it ran on here: this is its own node's word."""
        still_open = self._records.lock_open(keys)
        if len(still_open) == len(keys):
            return still_open
        found = {run.run_id for run in still_open}
        reopened = self._reopen_lost([key for key in keys if key[1] not in found])
        return [*still_open, *self._records.lock_open([key for key in keys if key[1] in reopened])]

    def _decide(self, runs: Iterable[tuple[OpenRun, _Ended]], now: datetime) -> list[Settlement]:
        """Decide in the order of the ends: what is recorded together may be several runs of one task."""
        decided, severities = [], self._severities()
        in_a_row: dict[int, int] = {}
        for run, ended in sorted(runs, key=lambda pair: pair[1].end.completed_at):
            failures = in_a_row.get(run.task_id, run.consecutive_failures)
            settlement = settle(
                run if failures == run.consecutive_failures else replace(run, consecutive_failures=failures),
                ended.end,
                now=now,
                jitter=self._jitter(),
                stdout_copy=ended.stdout_copy,
                stderr_copy=ended.stderr_copy,
                severities=severities,
            )
            in_a_row[run.task_id] = failures_in_a_row(settlement)
            decided.append(settlement)
        return decided

    def confirm(self) -> list[str]:
        """After the commit: forget what is written and log each outcome; return the runs whose files are spent."""
        self._starts.clear()
        spent = [ended.end.run_id for ended in self._written]
        for run_id in spent:
            self._ends.pop(run_id, None)
        for settlement in self._settled:
            self._tell(settlement)
        if self._anomalies is not None:
            self._anomalies.learn(self._settled)
        if self._recorded is not None and self._settled:
            self._recorded.add([each.run.execution_id for each in self._settled], self._clock.now())
        self._written, self._settled = [], []
        return spent

    def _batch(self) -> list[_Ended]:
        batch: list[_Ended] = []
        size = 0
        for ended in self._ends.values():
            size += ended.output_bytes
            if batch and (size > BATCH_OUTPUT_BYTES or len(batch) >= BATCH_RUNS):
                break
            batch.append(ended)
        return batch

    def _tell(self, settlement: Settlement) -> None:
        run, end = settlement.run, settlement.end
        fields: dict[str, object] = {
            "task": run.task_name,
            "execution_time": round(end.duration, 3),
            "exit_code": settlement.exit_code,
            "execution_id": run.execution_id,
            "attempt": run.attempt,
            "triggered_by": run.triggered_by,
        }
        if end.leftovers:
            fields["leftovers"] = list(end.leftovers)
        if settlement.success:
            self._log.info("Task completed successfully", **fields)
        elif settlement.status is Status.MISSED:
            self._log.warning("Task was not started", task=run.task_name, reason=settlement.error_message)
        else:
            fields["error"] = settlement.error_message
            self._log.error(f"Task completed with status {settlement.status}", **fields)


def _copies(end: RunEnd) -> tuple[str | None, str | None]:
    if end.output_path is None or not (end.stdout_bytes or end.stderr_bytes):
        return None, None
    if max(end.stdout_bytes, end.stderr_bytes) <= COPY_BYTES:
        whole = whole_output(end.output_path, end.stdout_bytes, end.stderr_bytes)
        if whole is not None:
            return _text(whole[0]), _text(whole[1])
    reader = OutputReader(end.output_path)
    return _copy(reader, "stdout", end.stdout_bytes), _copy(reader, "stderr", end.stderr_bytes)


def _text(data: bytes) -> str | None:
    return copy_text(data) if data else None


def _copy(reader: OutputReader, stream: str, printed_bytes: int) -> str | None:
    """The row's copy; a file that went missing must not stop the result from being recorded."""
    if not printed_bytes:
        return None
    try:
        data, _ = reader.head_tail(stream, COPY_BYTES)
    except OSError as error:
        return f"[the output file cannot be read: {error.strerror}]"
    return copy_text(data)
