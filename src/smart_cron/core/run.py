"""The values of one run on its way: planned, claimed, started, finished, settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from smart_cron.core.task import OnMissed, OnOverlap, TaskDefinition


class Status(StrEnum):
    """Where an execution stands. The first four are kinds of waiting; only `waiting` ones may be claimed."""

    WAITING = "waiting"
    DELAYED = "delayed"  # a retry, until its time has come
    QUEUED = "queued"  # behind a run of the same task
    BLOCKED = "blocked"  # behind its group's limit
    CLAIMED = "claimed"
    RUNNING = "running"
    UNREACHABLE = "unreachable"
    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    KILLED = "killed"
    OOM = "oom"
    LOST = "lost"
    START_FAILED = "start_failed"
    # What a slot became that had an execution row but never started.
    MISSED = "missed"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        return self not in ACTIVE_STATUSES


PENDING_STATUSES = (Status.WAITING, Status.DELAYED, Status.QUEUED, Status.BLOCKED)
HELD_STATUSES = (Status.CLAIMED, Status.RUNNING, Status.UNREACHABLE)
ACTIVE_STATUSES = frozenset((*PENDING_STATUSES, *HELD_STATUSES))
# Never started: they count in no total.
UNSTARTED_STATUSES = (Status.MISSED, Status.SKIPPED)


class ErrorType(StrEnum):
    """The `error_type` column."""

    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    OOM = "oom"
    START_FAILED = "start_failed"
    LOST = "lost"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    STOPPED = "stopped"


class Trigger(StrEnum):
    """The `triggered_by` column."""

    CRON = "cron"
    MANUAL = "manual"
    RETRY = "retry"


class SlotOutcome(StrEnum):
    """What became of a slot that did not run."""

    MISSED = "missed"
    SKIPPED = "skipped"
    COALESCED = "coalesced"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRange:
    """Consecutive slots of one task that did not run, with one reason. Both ends are slots and included."""

    first: datetime
    last: datetime
    count: int
    outcome: SlotOutcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTask:
    """A task that planning has locked, with what was last seen of it and what stands in it now.

    `planned_*` is the definition to which slots up to now belong; `accounted_until` is the high-water mark:
    every slot at or before it has its outcome. `next_run_at` differs from `planned_next_run_at` when somebody
    set it by hand. `active_execution_ids` are the executions of the task that are not final, oldest first
    (delayed retries left out); `queued` says that one of them stands behind another. `fault` says what of the row
    cannot be used, where no other field can: it is the plan's `invalid_reason`.
    """

    task_id: int
    name: str
    schedule: str
    time_zone: str | None
    enabled: bool
    priority: int
    on_missed: OnMissed
    on_overlap: OnOverlap
    start_deadline_seconds: int | None
    group: str | None
    node_tag: str | None
    next_run_at: datetime | None
    planned_schedule: str | None
    planned_zone: str | None
    planned_enabled: bool | None
    planned_next_run_at: datetime | None
    accounted_until: datetime | None
    active_execution_ids: tuple[int, ...] = ()
    queued: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStart:
    """A slot that becomes an execution. `start_before` is when it is too late, `status` waiting or queued.

    `is_catch_up` says that it makes up for a slot that was missed: such starts are rate-limited.
    """

    scheduled_for: datetime
    status: Status
    start_before: datetime | None
    is_catch_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPlan:
    """What planning decided for one task; the store writes it in one go.

    `cancel_execution_ids` are runs that a `replace` policy ends. `invalid_reason` is set when the definition
    cannot be planned: then nothing else changes and the task is left alone until it is edited.
    """

    task: DueTask
    zone: str
    starts: tuple[PlannedStart, ...] = ()
    not_run: tuple[SlotRange, ...] = ()
    cancel_execution_ids: tuple[int, ...] = ()
    next_run_at: datetime | None = None
    accounted_until: datetime | None = None
    invalid_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRun:
    """A `waiting` execution that a claim has locked. `is_catch_up` says that it makes up for a missed slot."""

    execution_id: int
    task_id: int
    group: str | None
    start_before: datetime | None
    is_catch_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The permission to start one run, for one node in one incarnation, until `launch_deadline`.

    `launch_deadline` is in seconds on CLOCK_BOOTTIME of the node, which does not step. `fault` says what of the stored
    definition cannot be read: such a claim is settled as `start_failed` with this reason and never launched.
    """

    execution_id: int
    task_id: int
    run_id: str
    task: TaskDefinition
    scheduled_for: datetime | None
    attempt: int
    triggered_by: Trigger
    node: str
    incarnation: str
    launch_deadline: float
    claimed_at: datetime
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRun:
    """An execution that a node holds (claimed or running) and that is not final yet.

    `allowed_seconds` is its timeout and grace as they were when it was claimed.
    """

    execution_id: int
    run_id: str
    status: Status
    incarnation: str
    claimed_at: datetime
    launch_deadline: float
    allowed_seconds: int
    cancel_reason: ErrorType | None


class EndCause(StrEnum):
    """How a supervisor (or whoever settled the run in its place) saw the run end."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    KILLED = "killed"  # the supervisor was told to end it
    OOM = "oom"
    START_FAILED = "start_failed"
    LOST = "lost"
    STUCK = "stuck"  # it would not end by itself long after it had to: ended by force, and nobody saw how it went
    NEVER_STARTED = "never_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """The end of a run as its supervisor wrote it. `reason` is a sentence for start failures and losses.

    `exit_code` and `term_signal` are the main process's own; `duration` is in seconds on a monotonic clock.
    `output_sha256` is of stdout as printed; the bytes are counts as printed, before any cap.
    """

    run_id: str
    execution_id: int
    cause: EndCause
    reason: str = ""
    started_at: datetime | None = None
    completed_at: datetime
    duration: float = 0.0
    exit_code: int | None = None
    term_signal: int | None = None
    memory_peak_bytes: int | None = None
    cpu_seconds: float | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    output_sha256: str | None = None
    output_truncated: bool = False
    output_path: str | None = None
    leftovers: tuple[str, ...] = ()
    unkillable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """An execution that is about to be settled, locked together with its task's present policy.

    `task_exists` is False where the task was deleted meanwhile: the execution is settled all the same.
    """

    execution_id: int
    run_id: str
    task_id: int
    task_name: str
    attempt: int
    scheduled_for: datetime | None
    triggered_by: Trigger
    priority: int
    cancel_reason: ErrorType | None
    # Who asked for its end, and what they said.
    cancelled_by: str | None = None
    cancel_note: str = ""
    group: str | None = None
    task_exists: bool = True
    max_retries: int = 0
    retry_delay_seconds: int = 60
    retry_lost: bool = False
    success_exit_codes: tuple[int, ...] = (0,)
    failure_threshold: int = 5
    consecutive_failures: int = 0
    alert_on_failure: bool = True
    node: str | None = None
    is_catch_up: bool = False
    total_successes: int = 0
    anomaly_tolerance: float = 0.0
    ping_url: str | None = None
    has_open_alerts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What becomes of an execution, its task's figures, its slot and its alerts, decided once.

    `retry_at` is when the next attempt is due, or None. `slot_failed` says that the slot has spent its
    attempts; `counts` that a process was started, or should have been, so that totals move.
    """

    run: OpenRun
    end: RunEnd
    status: Status
    success: bool
    exit_code: int | None
    error_type: ErrorType | None
    error_message: str | None
    stdout_copy: str | None = None
    stderr_copy: str | None = None
    retry_at: datetime | None = None
    slot_failed: bool = False
    counts: bool = True
    alerts: tuple[AlertDraft, ...] = ()

    @property
    def recovers(self) -> bool:
        """Whether it ends what alerts of this task stand for."""
        return self.success and self.run.has_open_alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDraft:
    """An alert to raise with its cause; an open one of the same task, type and subtype is counted up instead.

    The types and severities are the words of `core.alert`.
    """

    alert_type: str
    severity: str
    message: str
    subtype: str | None = None
