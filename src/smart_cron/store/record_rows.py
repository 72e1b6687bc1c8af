"""Outcomes as rows, and the statements that write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from smart_cron.core.run import RunEnd, Settlement, Status, Trigger
from smart_cron.store.bulk import InsertEach, Row, UpdateEach
from smart_cron.store.dialects import FLOAT, INSTANT, INT, TEXT
from smart_cron.store.queues import HELD, clamped

Instant = Callable[[datetime], str]

MEGABYTE = 1024 * 1024
# What a TEXT column of MariaDB and MySQL holds.
TEXT_BYTES = 65_535
MESSAGE_CHARACTERS = 1000

MARK_RUNNING = UpdateEach(
    table="smart_cron_executions",
    columns=(("id", INT), ("run_id", TEXT), ("started_at", INSTANT)),
    sets="status = 'running', started_at = {started_at}",
    where="t.id = {id} AND t.run_id = {run_id} AND t.status = 'claimed'",
)
FINISH = UpdateEach(
    table="smart_cron_executions",
    columns=(
        ("id", INT),
        ("run_id", TEXT),
        ("status", TEXT),
        ("success", INT),
        ("exit_code", INT),
        ("term_signal", INT),
        ("error_type", TEXT),
        ("error_message", TEXT),
        ("started_at", INSTANT),
        ("completed_at", INSTANT),
        ("execution_time", FLOAT),
        ("memory_peak_mb", INT),
        ("cpu_seconds", FLOAT),
        ("output_bytes", INT),
        ("output_sha256", TEXT),
        ("output_truncated", INT),
        ("output_path", TEXT),
        ("leftovers", TEXT),
    ),
    sets="""status = {status}, success = {success}, exit_code = {exit_code}, term_signal = {term_signal},
        error_type = {error_type}, error_message = {error_message}, started_at = COALESCE({started_at}, t.started_at),
        completed_at = {completed_at}, execution_time = {execution_time}, memory_peak_mb = {memory_peak_mb},
        cpu_seconds = {cpu_seconds}, output_bytes = {output_bytes}, output_sha256 = {output_sha256},
        output_truncated = {output_truncated}, output_path = {output_path}, leftovers = {leftovers}""",
    where=f"t.id = {{id}} AND t.run_id = {{run_id}} AND t.status IN ({HELD})",
)
KEEP_OUTPUT = UpdateEach(
    table="smart_cron_executions",
    columns=(("id", INT), ("stdout", TEXT), ("stderr", TEXT)),
    sets="stdout_output = {stdout}, stderr_output = {stderr}",
    where="t.id = {id}",
    wide=True,
)
ADD_RETRIES = InsertEach(
    table="smart_cron_executions",
    columns=(
        ("task_id", INT),
        ("task_name", TEXT),
        ("scheduled_for", INSTANT),
        ("attempt", INT),
        ("status", TEXT),
        ("priority", INT),
        ("due_at", INSTANT),
        ("task_group", TEXT),
        ("node_tag", TEXT),
        ("run_arguments", TEXT),
        ("requested_by", TEXT),
        ("triggered_by", TEXT),
        ("created_at", INSTANT),
    ),
    key=("task_id", "scheduled_for", "attempt"),
)
ADD_TOTALS = UpdateEach(
    table="smart_cron_tasks_config",
    columns=(
        ("id", INT),
        ("executions", INT),
        ("successes", INT),
        ("failures", INT),
        ("timed", INT),
        ("seconds", FLOAT),
        ("reset", INT),
        ("failed_slots", INT),
        ("started_at", INSTANT),
        ("status", TEXT),
        ("held", INT),
    ),
    # The average comes first: MariaDB assigns from left to right, and what stands right of it must still be old.
    sets="""avg_execution_time = CASE WHEN t.timed_executions + {timed} > 0
            THEN (t.timed_seconds + {seconds}) / (t.timed_executions + {timed}) END,
        timed_executions = t.timed_executions + {timed}, timed_seconds = t.timed_seconds + {seconds},
        total_executions = t.total_executions + {executions}, total_successes = t.total_successes + {successes},
        total_failures = t.total_failures + {failures},
        consecutive_failures = {failed_slots} + CASE WHEN {reset} = 1 THEN 0 ELSE t.consecutive_failures END,
        last_run_at = CASE WHEN t.last_run_at >= {started_at} THEN t.last_run_at
            ELSE COALESCE({started_at}, t.last_run_at) END,
        last_status = {status}, is_running = CASE WHEN {held} IS NULL THEN 0 ELSE 1 END,
        running_execution_id = {held}""",
    where="t.id = {id}",
)
PROJECT = UpdateEach(
    table="smart_cron_tasks_config",
    columns=(("id", INT), ("held", INT)),
    sets="is_running = CASE WHEN {held} IS NULL THEN 0 ELSE 1 END, running_execution_id = {held}",
    where="t.id = {id}",
)


def end(settlement: Settlement, instant: Instant) -> Row:
    """Return the row of one outcome."""
    ended = settlement.end
    peak = ended.memory_peak_bytes
    return {
        "id": settlement.run.execution_id,
        "run_id": settlement.run.run_id,
        "status": str(settlement.status),
        "success": int(settlement.success),
        "exit_code": settlement.exit_code,
        "term_signal": ended.term_signal,
        "error_type": settlement.error_type and str(settlement.error_type),
        "error_message": _message(settlement.error_message),
        "started_at": instant(ended.started_at) if ended.started_at else None,
        "completed_at": instant(ended.completed_at),
        "execution_time": ended.duration if ended.started_at else None,
        # Rounded up: what used anything used more than nothing.
        "memory_peak_mb": None if peak is None else -(-peak // MEGABYTE),
        "cpu_seconds": ended.cpu_seconds,
        "output_bytes": ended.stdout_bytes + ended.stderr_bytes,
        "output_sha256": ended.output_sha256,
        "output_truncated": int(ended.output_truncated),
        "output_path": ended.output_path,
        "leftovers": _leftovers(ended),
    }


def outputs(settlements: Iterable[Settlement]) -> list[Row]:
    """Return rows for those that printed something."""
    return [
        {
            "id": settlement.run.execution_id,
            "stdout": fitting(settlement.stdout_copy),
            "stderr": fitting(settlement.stderr_copy),
        }
        for settlement in settlements
        if settlement.stdout_copy or settlement.stderr_copy
    ]


def fitting(text: str | None) -> str | None:
    """Return text that every database takes: whole characters, none of them NUL, at most 65,535 bytes of UTF-8.

    The copy comes cut and cleaned already; this is the last gate, since one bad row would fail a whole batch.
    """
    if text is None:
        return None
    data = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    return data[:TEXT_BYTES].decode("utf-8", "ignore")


def retry(settlement: Settlement, kept: Sequence[object], instant: Instant, now: datetime) -> Row:
    """Return the row of the next attempt at the same slot; *kept* is what the attempts have in common."""
    run = settlement.run
    assert settlement.retry_at is not None
    group, node_tag, arguments, requested_by = kept
    return {
        "task_id": run.task_id,
        "task_name": run.task_name,
        "scheduled_for": instant(run.scheduled_for) if run.scheduled_for else None,
        "attempt": run.attempt + 1,
        "status": str(Status.DELAYED),
        "priority": clamped(run.priority),
        "due_at": instant(settlement.retry_at),
        "task_group": group,
        "node_tag": node_tag,
        "run_arguments": arguments,
        "requested_by": requested_by,
        "triggered_by": str(Trigger.RETRY),
        "created_at": instant(now),
    }


@dataclass(slots=True)
class TaskSum:
    """What one batch adds to one task: several runs of it must add up."""

    task_id: int
    executions: int = 0
    successes: int = 0
    failures: int = 0
    timed: int = 0
    seconds: float = 0.0
    slot_won: bool = False
    failed_slots: int = 0
    started_at: datetime | None = None
    status: Status = Status.LOST

    def add(self, settlement: Settlement) -> None:
        """Count one outcome, in the order of their ends."""
        ended = settlement.end
        if settlement.counts:
            self.executions += 1
            self.successes += settlement.success
            self.failures += not settlement.success
        if ended.started_at is not None and settlement.status is not Status.LOST:
            self.timed += 1
            self.seconds += ended.duration
        if settlement.success:
            self.slot_won, self.failed_slots = True, 0
        elif settlement.slot_failed:
            self.failed_slots += 1
        if ended.started_at is not None and (self.started_at is None or ended.started_at > self.started_at):
            self.started_at = ended.started_at
        self.status = settlement.status


def summed_by_task(settlements: Sequence[Settlement]) -> dict[int, TaskSum]:
    """Return each task's sum, in id order."""
    sums = {number: TaskSum(number) for number in sorted({settlement.run.task_id for settlement in settlements})}
    for settlement in sorted(settlements, key=lambda each: each.end.completed_at):
        sums[settlement.run.task_id].add(settlement)
    return sums


def totals(task: TaskSum, instant: Instant, held: int | None) -> Row:
    """Return the row of one task's sum; *held* is the run of it that still goes on."""
    return {
        "id": task.task_id,
        "executions": task.executions,
        "successes": task.successes,
        "failures": task.failures,
        "timed": task.timed,
        "seconds": task.seconds,
        "reset": int(task.slot_won),
        "failed_slots": task.failed_slots,
        "started_at": instant(task.started_at) if task.started_at else None,
        "status": str(task.status),
        "held": held,
    }


def projection(task_id: int, held: Sequence[int] | None) -> Row:
    """Return what is true of a task whose held runs are these."""
    return {"id": task_id, "held": held[-1] if held else None}


def _message(text: str | None) -> str | None:
    fitted = fitting(text)
    return None if fitted is None else fitted[:MESSAGE_CHARACTERS]


def _leftovers(ended: RunEnd) -> str | None:
    unkept = {"unkept_limits": ended.unkept_limits} if ended.unkept_limits else {}
    if not ended.leftovers and not ended.unkillable and not unkept:
        return None
    return fitting(json.dumps({"leftovers": ended.leftovers, "unkillable": ended.unkillable, **unkept}))
