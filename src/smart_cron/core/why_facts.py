"""What is known about one slot of one task, and the answer that `why` makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smart_cron.core.due_slots import Rhythm
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.ledger import LedgerRange, LedgerRun, run_document, stamp
from smart_cron.core.task_past import Change, Marks, Then
from smart_cron.core.why_words import Wording


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFacts:
    """Everything that was found of a slot.

    `then` is the definition in force at it, `today` the one in force now. `runs` are its attempts in order, `gap` the
    range that holds it. `first_slot` is the earliest slot of the task that has an outcome. `marks` is None for a
    deleted task.
    """

    task: str
    slot: datetime
    words: Wording
    runs: Sequence[LedgerRun]
    gap: LedgerRange | None
    then: Then
    today: Then
    changes: Sequence[Change]
    marks: Marks | None
    first_slot: datetime | None = None

    @property
    def rhythm(self) -> Rhythm | None:
        """The slots of the definition that this one belongs to: its range keeps it, else the audit log tells."""
        if self.gap is None:
            return self.then.rhythm
        try:
            return Rhythm.of(self.gap.schedule, self.gap.zone)
        except InvalidInputError:
            return None

    @property
    def schedule(self) -> str:
        """The pattern and its zone, to be shown."""
        pattern, zone = (self.gap.schedule, self.gap.zone) if self.gap else (self.then.schedule, self.then.zone)
        return f"'{pattern}' in {zone}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision on the way to an outcome."""

    decision: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a slot, or will: one sentence, and the decisions that led to it.

    `outcome` is the status of the last attempt or of the range; or `due`, `planned`, or `none` where there is no such
    slot or nothing is known of it. `before` and `after` are the nearest slots where the pattern has none here.
    """

    task: str
    slot: datetime
    outcome: str
    sentence: str
    steps: Sequence[Step] = ()
    runs: Sequence[LedgerRun] = ()
    before: datetime | None = None
    after: datetime | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The same as a document for programs."""
        return {
            "task": self.task,
            "scheduled_for": stamp(self.slot),
            "outcome": self.outcome,
            "sentence": self.sentence,
            "decisions": [{"decision": step.decision, "says": step.says} for step in self.steps],
            "attempts": [run_document(run) for run in self.runs],
            "slot_before": stamp(self.before),
            "slot_after": stamp(self.after),
        }


def fires(rhythm: Rhythm | None, slot: datetime) -> bool:
    """Whether a pattern has this slot; one that cannot be read has none."""
    try:
        return rhythm is not None and rhythm.has(slot)
    except InvalidInputError:
        return False


def neighbours(rhythm: Rhythm | None, slot: datetime) -> tuple[datetime | None, datetime | None]:
    """Return the slots before and after an instant."""
    if rhythm is None or rhythm.schedule.is_reboot:
        return None, None
    try:
        return rhythm.schedule.previous(slot, rhythm.zone), rhythm.next_after(slot)
    except InvalidInputError:
        return rhythm.schedule.previous(slot, rhythm.zone), None
