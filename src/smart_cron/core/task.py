"""What a task is: its definition as a person wrote it, and the words that a definition may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class OnMissed(StrEnum):
    """What becomes of slots that nobody was there to start."""

    LATEST = "latest"
    ALL = "all"
    SKIP = "skip"
    HOLD = "hold"


class OnOverlap(StrEnum):
    """What becomes of a slot whose task still runs."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    ALLOW = "allow"


class Sandbox(StrEnum):
    """How far a task is walled off from the machine."""

    STANDARD = "standard"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use; None means unlimited."""

    memory_mb: int | None = None
    cpu_seconds: int | None = None
    open_files: int | None = None
    processes: int | None = None
    output_bytes: int = 10_000_000
    nice: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDefinition:
    """Everything that a person decides about a task. Exactly one of `script` and `shell_command` is set.

    `script` is an absolute path, `arguments` are passed to it without a shell; `shell_command` is run as
    `sh -c`, with `stdin_text` as its standard input (crontab's `%`). `time_zone` None is the configured zone.
    `sandbox_network` False leaves a task with the strict sandbox no network; the standard one cannot take it.
    `umask` is octal text such as `022`. `ping_url` hears of each start and end (a dead-man's switch elsewhere).
    `anomaly_tolerance` is how many times the usual deviation a success may differ from the task's own past before it
    is told as an anomaly; 0 tells none.
    """

    name: str
    script: str | None = None
    shell_command: str | None = None
    arguments: tuple[str, ...] = ()
    stdin_text: str | None = None
    schedule: str
    time_zone: str | None = None
    description: str = ""
    priority: int = 5
    timeout: timedelta = timedelta(hours=1)
    kill_grace: timedelta = timedelta(seconds=10)
    enabled: bool = True
    on_missed: OnMissed = OnMissed.LATEST
    on_overlap: OnOverlap = OnOverlap.SKIP
    start_deadline: timedelta | None = None
    max_retries: int = 0
    retry_delay: timedelta = timedelta(seconds=60)
    retry_lost: bool = False
    failure_threshold: int = 5
    success_exit_codes: tuple[int, ...] = (0,)
    group: str | None = None
    node_tag: str | None = None
    run_as: str | None = None
    working_directory: str | None = None
    umask: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    sandbox: Sandbox = Sandbox.STANDARD
    sandbox_network: bool = True
    keep_processes: bool = False
    merge_output: bool = False
    alert_on_failure: bool = True
    alert_email: str | None = None
    alert_slack_webhook: str | None = None
    ping_url: str | None = None
    anomaly_tolerance: float = 8.0
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A stored task: its definition, and what the engine knows of it. Instants are aware and in UTC."""

    id: int
    definition: TaskDefinition
    is_running: bool = False
    last_run_at: datetime | None = None
    next_run_at: datetime | None = None
    last_status: str | None = None
    consecutive_failures: int = 0
    total_executions: int = 0
    total_successes: int = 0
    total_failures: int = 0
    avg_execution_time: float | None = None
    invalid_reason: str | None = None

    @property
    def name(self) -> str:
        return self.definition.name
