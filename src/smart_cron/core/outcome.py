"""What the end of a run means: its status, its words, whether it is tried again, and who hears of it.

Success, failure, timeout, kill and loss walk through the same steps: an end is read (`_READERS`), a retry may
follow, then the slot may have failed, then alerts are drafted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from signal import Signals

from smart_cron.core.alert import AlertType
from smart_cron.core.alert_rules import USUAL_SEVERITIES, Severities
from smart_cron.core.output_copy import COPY_LIMIT_BYTES, copy_text, cut_message, last_line
from smart_cron.core.retry import RetryPolicy
from smart_cron.core.run import AlertDraft, EndCause, ErrorType, OpenRun, RunEnd, Settlement, Status

__all__ = ["COPY_LIMIT_BYTES", "copy_text", "settle", "signal_name"]

TIMEOUT_EXIT_CODE = 124
SIGNAL_EXIT_BASE = 128
FAILED_STATUSES = frozenset((Status.FAILED, Status.TIMEOUT, Status.OOM, Status.START_FAILED, Status.LOST))
_STOP_SENTENCES = {
    ErrorType.CANCELLED: "Cancelled on request",
    ErrorType.REPLACED: "Ended to make room for the next run of this task",
    ErrorType.STOPPED: "Stopped together with its supervisor",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """An end, read: the columns that it fills."""

    status: Status
    exit_code: int | None = None
    error_type: ErrorType | None = None
    message: str | None = None


def settle(
    run: OpenRun,
    end: RunEnd,
    *,
    now: datetime,
    jitter: float,
    stdout_copy: str | None,
    stderr_copy: str | None,
    severities: Severities = USUAL_SEVERITIES,
) -> Settlement:
    """Decide everything that follows from the end of a run.

    `now` is when it is decided, from which a retry counts; `jitter` (-0.1 to 0.1) spreads retries. A manual run is
    retried and counted as a slot is. The copies are what the row keeps of the output (`copy_text`).
    """
    reading = _READERS[end.cause](run, end, stderr_copy)
    retry_at = _retry_at(run, reading.status, now=now, jitter=jitter)
    slot_failed = reading.status in FAILED_STATUSES and retry_at is None
    return Settlement(
        run=run,
        end=end,
        status=reading.status,
        success=reading.status is Status.SUCCESS,
        exit_code=reading.exit_code,
        error_type=reading.error_type,
        error_message=None if reading.message is None else cut_message(_with_leftovers(reading.message, end)),
        stdout_copy=stdout_copy,
        stderr_copy=stderr_copy,
        retry_at=retry_at,
        slot_failed=slot_failed,
        counts=end.cause is not EndCause.NEVER_STARTED,
        alerts=_alerts(run, end, reading, slot_failed=slot_failed, severities=severities),
    )


def signal_name(number: int) -> str:
    """Return a signal as `9 (SIGKILL)`, or its bare number where it has no name."""
    try:
        return f"{number} ({Signals(number).name})"
    except ValueError:
        return str(number)


def _retry_at(run: OpenRun, status: Status, *, now: datetime, jitter: float) -> datetime | None:
    is_wanted = run.retry_lost if status is Status.LOST else status in FAILED_STATUSES
    # What somebody wished to end is not begun again, however it ended.
    if not is_wanted or not run.task_exists or run.cancel_reason is not None:
        return None
    policy = RetryPolicy(max_retries=run.max_retries, base_delay=timedelta(seconds=max(0, run.retry_delay_seconds)))
    return policy.next_attempt_at(attempt=run.attempt, failed_at=now, jitter=jitter)


def failures_in_a_row(settlement: Settlement) -> int:
    """Return the task's `consecutive_failures` after this: what the next run that is settled with it begins with."""
    if settlement.success:
        return 0
    return settlement.run.consecutive_failures + settlement.slot_failed


def _alerts(
    run: OpenRun, end: RunEnd, reading: _Reading, *, slot_failed: bool, severities: Severities
) -> tuple[AlertDraft, ...]:
    """A timeout is told at once, even when it will be tried again; other failures once the slot has failed."""
    if not run.alert_on_failure or not run.task_exists:
        return ()
    said = dict(_said(run, end, reading, slot_failed=slot_failed))
    return tuple(
        AlertDraft(alert_type=str(of), severity=str(severities.of(of)), message=cut_message(said[of])) for of in said
    )


def _said(run: OpenRun, end: RunEnd, reading: _Reading, *, slot_failed: bool) -> Iterator[tuple[AlertType, str]]:
    if end.cause is EndCause.STUCK:
        yield AlertType.STUCK_TASK, f"Task {run.task_name} was stuck: {reading.message}"
    if reading.status is Status.TIMEOUT:
        yield AlertType.TASK_TIMEOUT, f"Task {run.task_name}: {reading.message}"
    elif slot_failed:
        yield AlertType.TASK_FAILURE, f"Task {run.task_name} failed: {reading.message}"
    failures = run.consecutive_failures + 1
    if slot_failed and failures >= run.failure_threshold:
        so_often = "failed" if failures == 1 else f"failed {failures} times in a row, most recently"
        text = f"Task {run.task_name} {so_often}: {reading.message}"
        yield AlertType.CONSECUTIVE_FAILURES, text


def _with_leftovers(message: str, end: RunEnd) -> str:
    if not end.unkillable:
        return message
    return f"{message}; these processes could not be killed: {', '.join(end.unkillable)}"


def _exit_code(end: RunEnd) -> int | None:
    """Return the exit code as a shell tells it: 128 + n for a process that signal n ended."""
    return end.exit_code if end.term_signal is None else SIGNAL_EXIT_BASE + end.term_signal


def _read_exit(run: OpenRun, end: RunEnd, stderr_copy: str | None) -> _Reading:
    code, said = _exit_code(end), last_line(stderr_copy)
    tail = f": {said}" if said else ""
    if end.term_signal is not None:
        message = f"Ended by signal {signal_name(end.term_signal)}{tail}"
        return _Reading(status=Status.FAILED, exit_code=code, error_type=ErrorType.SIGNAL, message=message)
    if code in run.success_exit_codes:
        return _Reading(status=Status.SUCCESS, exit_code=code)
    message = "Ended without an exit code" if code is None else f"Exit code {code}"
    return _Reading(status=Status.FAILED, exit_code=code, error_type=ErrorType.EXIT_CODE, message=message + tail)


def _read_timeout(_run: OpenRun, end: RunEnd, _stderr_copy: str | None) -> _Reading:
    return _Reading(
        status=Status.TIMEOUT,
        exit_code=TIMEOUT_EXIT_CODE,
        error_type=ErrorType.TIMEOUT,
        message=end.reason or f"Ran longer than its timeout and was ended after {end.duration:.0f} s",
    )


def _read_kill(run: OpenRun, end: RunEnd, _stderr_copy: str | None) -> _Reading:
    reason = run.cancel_reason if run.cancel_reason in _STOP_SENTENCES else ErrorType.STOPPED
    message = _and(_stop_sentence(run, reason or ErrorType.STOPPED), end.reason)
    return _Reading(status=Status.KILLED, exit_code=_exit_code(end), error_type=reason, message=message)


def _and(sentence: str, remark: str) -> str:
    """Add what the supervisor has to say, such as that output was lost, to what everyone must know."""
    return f"{sentence}; {remark}" if remark else sentence


def _stop_sentence(run: OpenRun, reason: ErrorType) -> str:
    """Say why it was ended, and by whom and with what words where somebody asked for it."""
    if run.cancelled_by is None or reason is ErrorType.REPLACED:
        return _STOP_SENTENCES[reason]
    said = f": {run.cancel_note}" if run.cancel_note else ""
    deed = "Stopped by 'stop-all'" if reason is ErrorType.STOPPED else "Cancelled on request"
    return f"{deed} of {run.cancelled_by}{said}"


def _read_oom(_run: OpenRun, end: RunEnd, _stderr_copy: str | None) -> _Reading:
    message = end.reason or "Used more memory than its limit allows and was ended"
    return _Reading(status=Status.OOM, exit_code=_exit_code(end), error_type=ErrorType.OOM, message=message)


def _read_start_failure(_run: OpenRun, end: RunEnd, _stderr_copy: str | None) -> _Reading:
    message = f"Could not be started: {end.reason or 'no reason was given'}"
    return _Reading(status=Status.START_FAILED, error_type=ErrorType.START_FAILED, message=message)


def _read_loss(run: OpenRun, end: RunEnd, _stderr_copy: str | None) -> _Reading:
    message = end.reason or "Nobody saw how it ended"
    # Its own node knows of the start, and that nothing is left of it: what was to be ended has been.
    if run.cancel_reason in _STOP_SENTENCES and end.started_at is not None:
        sentence = f"{_stop_sentence(run, run.cancel_reason)}; nobody saw how it ended: {message}"
        return _Reading(status=Status.KILLED, error_type=run.cancel_reason, message=sentence)
    return _Reading(status=Status.LOST, error_type=ErrorType.LOST, message=message)


def _read_absence(run: OpenRun, end: RunEnd, stderr_copy: str | None) -> _Reading:
    """A claim that nothing was started from: somebody may have cancelled it, else it is missed."""
    if run.cancel_reason is not None:
        return _read_kill(run, end, stderr_copy)
    return _Reading(status=Status.MISSED, message=end.reason or "Never started: its launch deadline passed")


_READERS: Mapping[EndCause, Callable[[OpenRun, RunEnd, str | None], _Reading]] = {
    EndCause.EXITED: _read_exit,
    EndCause.TIMEOUT: _read_timeout,
    EndCause.KILLED: _read_kill,
    EndCause.OOM: _read_oom,
    EndCause.START_FAILED: _read_start_failure,
    EndCause.LOST: _read_loss,
    EndCause.STUCK: _read_loss,
    EndCause.NEVER_STARTED: _read_absence,
}
