"""Letters on their way: alerts with whom they concern, what waits in the outbox, and what is put into it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from smart_cron.core.alert import Alert, Severity
from smart_cron.core.message import MessageKind

PING_CHANNEL = "ping"


class DeliveryStatus(StrEnum):
    """The `status` column of the outbox. `failed` was refused or tried for too long; `dropped` is a late ping."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Address:
    """One receiver: a channel by its name, and where to, where the channel does not know that itself."""

    channel: str
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """An alert, and whom its task names to be told. Without a task all else is None.

    `graver` is another open alert of the task, of its failures in a row: whoever is reminded of that needs no more.
    """

    alert: Alert
    graver: Alert | None = None
    email: str | None = None
    slack: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderMarks:
    """Who is to be reminded: an open alert with *n* reminders that was told at or before `told_until[n]`.

    The last mark holds for all higher numbers. `now` ends what is snoozed.
    """

    now: datetime
    told_until: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A letter that waits or went lately. `takes_more` says that nobody has begun to send it."""

    letter_id: int
    address: Address
    kind: MessageKind
    fold_key: str
    severity: Severity
    at: datetime
    alert_ids: tuple[int, ...] = ()
    takes_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLetter:
    """A letter to be put into the outbox; it leaves at `due_at` and takes more until then."""

    address: Address
    kind: MessageKind
    severity: Severity
    fold_key: str
    due_at: datetime
    alert_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What a waiting letter holds from now on."""

    letter_id: int
    severity: Severity
    alert_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an alert remembers of being told. `severity` is None where nobody wants to hear of it.

    `occurrences` and `resolved` are what was seen: where more has happened meanwhile it stays untold.
    """

    alert_id: int
    severity: Severity | None
    occurrences: int
    resolved: bool
    told_at: datetime | None
    reminders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter that somebody has taken to send. `content` is the message as JSON, None until it is written.

    `last_error` is what went wrong at the try before.
    """

    letter_id: int
    address: Address
    kind: MessageKind
    severity: Severity
    created_at: datetime
    attempts: int
    content: str | None
    alert_ids: tuple[int, ...]
    last_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxCounts:
    """How the outbox stands, for health checks. The age is that of the oldest letter whose time has come."""

    pending: int
    oldest_due_seconds: float
    failed_last_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """That a letter told somebody of an alert, or is to, or could not; `at` is when it was sent or, else, written.

    `last_error` is what the server said where it did not take it, at the last try; `answer` what where it did.
    """

    address: Address
    kind: MessageKind
    status: DeliveryStatus
    at: datetime
    last_error: str | None = None
    answer: str | None = None
