"""Gathers what `why` needs to know of a slot, a task's last and next one, or an interval."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.ledger import LedgerRange, LedgerRun, LedgerTask
from smart_cron.core.ports import LedgerStore
from smart_cron.core.task import TaskDefinition
from smart_cron.core.task_past import Change, Marks, Then, columns_of, definition_at
from smart_cron.core.why import explain
from smart_cron.core.why_facts import Answer, SlotFacts
from smart_cron.core.why_story import Event, change_event, gap_event, hand_event, open_events, slot_event
from smart_cron.core.why_words import Wording
from smart_cron.core.zones import shifted
from smart_cron.services.ledger import unfolded

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A task to be asked about: its past and its present. `definition` is None where it was deleted."""

    task: LedgerTask
    definition: TaskDefinition | None
    default_zone: str
    changes: Sequence[Change]
    marks: Marks | None

    def at(self, instant: datetime) -> Then:
        """Return the definition in force at an instant."""
        now = columns_of(self.definition) if self.definition else None
        return definition_at(instant, now=now, changes=self.changes, default_zone=self.default_zone)


class Inquiry:
    """Answers about slots, read through the ledger's port."""

    def __init__(self, store: LedgerStore, words: Wording) -> None:
        self._store, self._words = store, words

    def subject(self, task: LedgerTask, *, definition: TaskDefinition | None, default_zone: str) -> Subject:
        """Return a task with its past."""
        return Subject(
            task=task,
            definition=definition,
            default_zone=default_zone,
            changes=self._store.changes(task.task_id),
            marks=self._store.marks(task.task_id),
        )

    def of_slot(self, subjects: Sequence[Subject], slot: datetime, *, width: timedelta = _INSTANT) -> Answer:
        """Answer about the slot at an instant, or one set by hand within *width* of it.

        *subjects* are the tasks that have or had the name: the one with an outcome is meant, else the one that was
        there, else the first.
        """
        facts = [self._facts(subject, self._meant(subject, slot, width)) for subject in subjects]
        with_outcome = [each for each in facts if each.runs or each.gap]
        there = [each for each in facts if each.then.existed]
        return explain((with_outcome or there or facts)[0])

    def _meant(self, subject: Subject, slot: datetime, width: timedelta) -> datetime:
        found = self._store.last_slot(subject.task.task_id, until=shifted(slot, width))
        return found if found is not None and found >= slot else slot

    def _facts(self, subject: Subject, slot: datetime) -> SlotFacts:
        task_id = subject.task.task_id
        return SlotFacts(
            task=subject.task.name,
            slot=slot,
            words=self._words,
            runs=list(self._store.runs(task_id, since=slot, until=shifted(slot, _INSTANT))),
            gap=self._gap(task_id, slot),
            then=subject.at(slot),
            today=subject.at(max(slot, self._words.now)),
            changes=subject.changes,
            marks=subject.marks,
            first_slot=self._first_slot(task_id),
        )

    def _gap(self, task_id: int, slot: datetime) -> LedgerRange | None:
        ranges = self._store.ranges(task_id, since=slot, until=shifted(slot, _INSTANT))
        return next(
            (gap for gap in ranges if slot in unfolded(self._store, task_id, gap, slot, shifted(slot, _INSTANT))), None
        )

    def _first_slot(self, task_id: int) -> datetime | None:
        run = next(self._store.runs(task_id, since=None, until=None), None)
        gap = next(self._store.ranges(task_id, since=None, until=None), None)
        slots = (run.scheduled_for if run else None, gap.first if gap else None)
        return min((slot for slot in slots if slot is not None), default=None)

    def last_and_next(self, subject: Subject) -> list[Answer]:
        """Answer about the last slot that has an outcome, and the next one, as far as there are such."""
        last = self._store.last_slot(subject.task.task_id, until=shifted(self._words.now, _INSTANT))
        slots = [slot for slot in (last, self._next(subject)) if slot is not None]
        return [explain(self._facts(subject, slot)) for slot in dict.fromkeys(slots)]

    def _next(self, subject: Subject) -> datetime | None:
        """Return the next slot: the planned one, or what the pattern says for a task that no master has seen yet."""
        if subject.marks is None or subject.definition is None:
            return None
        if subject.marks.next_run_at is not None:
            return subject.marks.next_run_at
        rhythm = subject.at(self._words.now).rhythm
        try:
            return rhythm.next_after(self._words.now) if rhythm else None
        except InvalidInputError:
            return None

    def story(self, subject: Subject, *, since: datetime, until: datetime) -> Iterator[Event]:
        """Yield what happened to the slots with since <= slot < until, and to the task meanwhile, in order."""
        task_id, words = subject.task.task_id, self._words
        runs = self._store.runs(task_id, since=since, until=until)
        happened = (
            (slot_event(list(attempts), words) for _, attempts in groupby(runs, key=_slot)),
            (hand_event(run, words) for run in self._store.runs_by_hand(task_id, since=since, until=until)),
            (gap_event(gap, words) for gap in self._store.ranges(task_id, since=since, until=until)),
            (change_event(change, words) for change in subject.changes if since <= change.at < until),
        )
        yield from heapq.merge(*happened, key=lambda event: event.at)
        today = subject.at(words.now)
        yield from open_events(today, subject.marks, words, since=since, until=until)


def _slot(run: LedgerRun) -> datetime | None:
    return run.scheduled_for
