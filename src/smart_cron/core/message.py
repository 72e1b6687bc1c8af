"""What is sent to people and programs: a message ready to be sent, and the facts that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from smart_cron.core.alert import Severity
from smart_cron.core.errors import SmartCronError


class MessageKind(StrEnum):
    """What a message is for."""

    ALERT = "alert"
    REMINDER = "reminder"
    RECOVERY = "recovery"
    DIGEST = "digest"
    TEST = "test"
    PING = "ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `text` and `html` say the same; `facts` are for programs and can be written as JSON."""

    kind: MessageKind
    severity: Severity
    subject: str
    text: str
    html: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known of the run that an alert is about. `changes` are sentences of what changed since it last worked."""

    task_name: str
    execution_id: int
    run_id: str | None
    status: str
    scheduled_for: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    attempt: int
    exit_code: int | None
    duration: float | None
    node: str | None
    error_message: str | None
    description: str = ""
    last_lines: tuple[str, ...] = ()
    last_success_at: datetime | None = None
    changes: tuple[str, ...] = ()


class DeliveryError(SmartCronError):
    """A message was not taken. `permanent` says that trying again is useless."""

    def __init__(self, problem: str, *, permanent: bool, remedy: str = "") -> None:
        ended = problem if not remedy or problem.endswith((".", "!", "?")) else f"{problem}."
        super().__init__(ended, remedy=remedy)
        self.permanent = permanent
