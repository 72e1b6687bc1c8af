"""What happened to a task's slots over an interval, an event a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.ledger import LedgerRange, LedgerRun, run_document, stamp
from smart_cron.core.task_past import CREATED, DELETED, Change, Marks, Then
from smart_cron.core.why_words import Wording, by_hand_sentence, gap_sentence, slot_sentence
from smart_cron.core.zones import shifted

_INSTANT = timedelta(microseconds=1)
_SHOWN = ("schedule_pattern", "time_zone", "on_missed", "on_overlap", "start_deadline_seconds", "next_run_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: a slot that has executions, a run by hand, slots that did not run, a change of the task."""

    at: datetime
    kind: str
    sentence: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The same as a document for programs."""
        return {"at": stamp(self.at), "kind": self.kind, "sentence": self.sentence, **self.facts}


def slot_event(attempts: Sequence[LedgerRun], words: Wording) -> Event:
    """Return what became of a slot by its attempts."""
    slot = attempts[0].scheduled_for
    assert slot is not None
    facts = {"outcome": str(attempts[-1].status), "attempts": [run_document(run) for run in attempts]}
    return Event(at=slot, kind="slot", sentence=slot_sentence(attempts, words), facts=facts)


def hand_event(run: LedgerRun, words: Wording) -> Event:
    """Return what became of a run by hand."""
    facts = {"outcome": str(run.status), "attempts": [run_document(run)]}
    return Event(at=run.created_at, kind="by_hand", sentence=by_hand_sentence(run, words), facts=facts)


def gap_event(gap: LedgerRange, words: Wording) -> Event:
    """Return slots that did not run."""
    facts = {
        "outcome": str(gap.outcome),
        "first": stamp(gap.first),
        "last": stamp(gap.last),
        "count": gap.count,
        "reason": gap.reason,
        "schedule_pattern": gap.schedule,
        "time_zone": gap.zone,
    }
    return Event(at=gap.first, kind="not_run", sentence=gap_sentence(gap, words), facts=facts)


def change_event(change: Change, words: Wording) -> Event:
    """Return what somebody changed, the columns that decide about slots with their values."""
    facts = {"actor": change.actor, "action": change.action}
    sentence = f"At {words.at(change.at)} {change.actor} {_done(change)}."
    return Event(at=change.at, kind="change", sentence=sentence, facts=facts)


def _done(change: Change) -> str:
    if change.action == CREATED:
        return f"added the task, on '{change.new.get('schedule_pattern', '?')}'"
    if change.action == DELETED:
        return "deleted the task"
    if change.action in {"enable", "disable"}:
        return f"{change.action}d the task"
    told = [f"{column} to {_value(change.new[column])}" for column in _SHOWN if column in change.new]
    if "enabled" in change.new:
        told.append("enabled" if change.new["enabled"] else "disabled")
    return f"changed {' and '.join(told)}" if told else "changed the task, not its schedule"


def _value(value: object) -> str:
    return "none" if value is None else f"'{value}'"


def open_events(
    today: Then, marks: Marks | None, words: Wording, *, since: datetime, until: datetime
) -> Iterator[Event]:
    """Yield the slots that are due and not decided, and those to come as things stand, each as one event."""
    if marks is None:
        return
    seen = Then(
        values={"schedule_pattern": marks.schedule, "time_zone": marks.zone, "enabled": marks.enabled},
        existed=True,
        default_zone=today.default_zone,
    )
    if marks.accounted_until is not None:
        first = max(shifted(since, -_INSTANT), marks.accounted_until)
        last = min(words.now, shifted(until, -_INSTANT))
        yield from _open(seen, "due", "came due and have no outcome yet", words, after=first, last=last)
    after = max(words.now, shifted(since, -_INSTANT), shifted(marks.next_run_at or words.now, -_INSTANT))
    yield from _open(
        today, "planned", "are to come as things stand", words, after=after, last=shifted(until, -_INSTANT)
    )


def _open(then: Then, kind: str, predicate: str, words: Wording, *, after: datetime, last: datetime) -> Iterator[Event]:
    rhythm = then.rhythm if then.enabled else None
    if rhythm is None or after >= last:
        return
    try:
        count = rhythm.schedule.count_between(after, last, rhythm.zone)
        first, end = rhythm.next_after(after), rhythm.schedule.last_between(after, last, rhythm.zone)
    except InvalidInputError:
        return
    if not count or first is None or end is None:
        return
    facts = {"first": stamp(first), "last": stamp(end), "count": count}
    ends = f"from {words.slot(first)} to {words.slot(end)} ({words.place.key})"
    sentence = f"{count:,} slots {ends} {predicate}." if count > 1 else f"{words.named(first)} {_one(predicate)}."
    yield Event(at=first, kind=kind, sentence=sentence, facts=facts)


def _one(predicate: str) -> str:
    return predicate.replace("have no", "has no").replace("are to", "is to")
