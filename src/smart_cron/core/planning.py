"""What becomes of the slots of a task between two looks at it: the decision that promises one outcome for each.

A look at a task (a *pass*) decides every slot in (`accounted_until`, now]. Slots belong to the definition that was
last seen, so an edit takes effect from the pass that notices it. Slots that did not run are told as ranges (first,
last, count), so a pass costs the same however long nobody looked.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice

from smart_cron.core.due_slots import DueSlots, Rhythm
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.overlap import settle_overlap
from smart_cron.core.run import DueTask, PlannedStart, SlotOutcome, SlotPlan, SlotRange
from smart_cron.core.task import OnMissed, OnOverlap

# An `all` catch-up becomes executions in portions, so that no transaction grows with the length of an outage.
MAX_STARTS = 100
# A task that was accounted for so little later than now was seen by a node whose clock is ahead of ours.
CLOCK_TOLERANCE = timedelta(seconds=5)
_INSTANT = timedelta(microseconds=1)
_DISABLED = "the task was disabled before this slot could start"
_UNREADABLE = "the definition was made unusable before this slot could start"
_EDITED = f"the definition was changed while more than {MAX_STARTS} missed slots were still to be started"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    """What becomes of the slots that came due. `rest` are those left to the next pass."""

    starts: tuple[PlannedStart, ...] = ()
    not_run: tuple[SlotRange, ...] = ()
    cancels: tuple[int, ...] = ()
    rest: DueSlots | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """One look at one task: the instant, and what counts as on time."""

    task: DueTask
    now: datetime
    misfire_grace: timedelta
    started_at: datetime


def plan(
    task: DueTask,
    *,
    now: datetime,
    default_zone: str,
    misfire_grace: timedelta,
    started_at: datetime,
    taken: AbstractSet[datetime] = frozenset(),
) -> SlotPlan:
    """Decide every slot of `task` up to `now`, and when to look again.

    A new row is accounted for up to now and starts with its next slot. A `next_run_at` set by hand is a slot at that
    instant, on the pattern or not; one in the future takes the place of the pattern's slots before it, which then are
    no slots (neither run nor missed). What is among `taken` has an outcome already and is no slot either: one set by
    hand may be, and after the clock was set back any.
    A slot is on time within `misfire_grace`. `started_at` is the start of this master, for the wording of reasons.

    A disabled task has no slots; those left from before it was disabled are missed. `@reboot` has none either.
    After the clock was set back behind `accounted_until`, planning goes on from now. Where that is ahead by no more
    than CLOCK_TOLERANCE, what was decided of the slots in between stands: no two nodes' clocks agree to the last bit.
    """
    zone_name = task.time_zone or default_zone
    until = _accounted_until(task, now)
    try:
        shown = Rhythm.of(task.schedule, zone_name)
        _check_words(task)
    except InvalidInputError as fault:
        left = write_off(task, now=now, reason=_UNREADABLE, taken=taken)
        return SlotPlan(task=task, zone=zone_name, not_run=left, accounted_until=until, invalid_reason=str(fault))
    edited = not _is_as_seen(task, zone_name)
    this_pass = _Pass(task=task, now=now, misfire_grace=misfire_grace, started_at=started_at)
    decision = _decide(this_pass, _due_slots(task, now=now, taken=taken))
    if edited and decision.rest is not None:
        left = decision.rest.as_range(SlotOutcome.MISSED, _EDITED)
        decision = _Decision(starts=decision.starts, not_run=(*decision.not_run, *left), cancels=decision.cancels)
    resume_at = next(decision.rest.regular(), None) if decision.rest is not None else None
    return SlotPlan(
        task=task,
        zone=zone_name,
        starts=_marked(decision.starts, late_before=now - misfire_grace),
        not_run=decision.not_run,
        cancel_execution_ids=decision.cancels,
        next_run_at=resume_at or _next_run_at(task, shown, now=now, until=until, edited=edited),
        accounted_until=until if resume_at is None else resume_at - _INSTANT,
    )


def _accounted_until(task: DueTask, now: datetime) -> datetime:
    """Return up to when every slot of the task has an outcome after this pass."""
    before = task.accounted_until
    return before if before is not None and now < before <= now + CLOCK_TOLERANCE else now


def write_off(
    task: DueTask, *, now: datetime, reason: str, taken: AbstractSet[datetime] = frozenset()
) -> tuple[SlotRange, ...]:
    """Return every slot up to `now` that has no outcome yet as missed, for this reason; `taken` ones have one."""
    return _due_slots(task, now=now, taken=taken).as_range(SlotOutcome.MISSED, reason)


def pass_over(
    task: DueTask,
    *,
    now: datetime,
    default_zone: str,
    reason: str,
    taken: AbstractSet[datetime] = frozenset(),
) -> tuple[SlotPlan, ...]:
    """Decide that no slot up to `now` starts: whatever the policies say, all are missed, for this one reason.

    Slots among `taken` have an outcome already. Of a task whose definition cannot be planned they are passed over as
    well, so that none starts once it is mended: a second plan says what is wrong, to be written after the first.
    """
    zone_name = task.time_zone or default_zone
    not_run = _due_slots(task, now=now, taken=taken).as_range(SlotOutcome.MISSED, reason)
    until = _accounted_until(task, now)
    passed = SlotPlan(task=task, zone=zone_name, not_run=not_run, accounted_until=until)
    try:
        shown = Rhythm.of(task.schedule, zone_name)
        _check_words(task)
    except InvalidInputError as fault:
        return passed, SlotPlan(task=task, zone=zone_name, invalid_reason=str(fault))
    edited = not _is_as_seen(task, zone_name)
    return (replace(passed, next_run_at=_next_run_at(task, shown, now=now, until=until, edited=edited)),)


def _marked(starts: tuple[PlannedStart, ...], *, late_before: datetime) -> tuple[PlannedStart, ...]:
    """Return the starts, those of slots that were missed marked as catching up. The oldest comes first."""
    if not starts or starts[0].scheduled_for >= late_before:
        return starts
    return tuple(replace(start, is_catch_up=start.scheduled_for < late_before) for start in starts)


def _check_words(task: DueTask) -> None:
    """Refuse what a database takes by INSERT and a person could not have entered."""
    problems = [
        *([task.fault] if task.fault else []),
        *_unknown_word("on_missed", task.on_missed, OnMissed),
        *_unknown_word("on_overlap", task.on_overlap, OnOverlap),
    ]
    if not 1 <= task.priority <= 10:
        problems.append(f"priority must be 1 to 10, got {task.priority}")
    if task.start_deadline_seconds is not None and task.start_deadline_seconds < 0:
        problems.append(f"start_deadline_seconds must be 0 or more, got {task.start_deadline_seconds}")
    if problems:
        raise InvalidInputError(problems)


def _unknown_word(column: str, word: str, known: Iterable[str]) -> list[str]:
    if isinstance(word, OnMissed | OnOverlap):
        return []
    words = [str(each) for each in known]
    return [] if word in words else [f"{column} must be one of {', '.join(words)}, got {word[:20]!r}"]


def _is_as_seen(task: DueTask, zone_name: str) -> bool:
    seen = (task.planned_schedule, task.planned_zone, task.planned_enabled)
    return seen == (task.schedule, zone_name, task.enabled)


def _set_by_hand(task: DueTask) -> datetime | None:
    return None if task.next_run_at == task.planned_next_run_at else task.next_run_at


def _due_slots(task: DueTask, *, now: datetime, taken: AbstractSet[datetime]) -> DueSlots:
    """Return the slots up to now of the definition last seen, and one set by hand."""
    slots = _seen_slots(task, now=now)
    if taken:
        slots = slots.without(taken)
    by_hand = _set_by_hand(task)
    if by_hand is None or by_hand > now or by_hand in taken or not task.enabled or by_hand in slots.extra:
        return slots
    if slots.rhythm and slots.after < by_hand and slots.rhythm.has(by_hand):
        return slots
    extra = tuple(sorted((*slots.extra, by_hand)))
    return replace(slots, extra=extra)


def _seen_slots(task: DueTask, *, now: datetime) -> DueSlots:
    """Return the slots in (`accounted_until`, now], the first of which is the `next_run_at` that was planned."""
    rhythm, after = _seen_rhythm(task), task.accounted_until
    if rhythm is None or after is None or after >= now:
        return DueSlots(rhythm=None, after=now, until=now)
    first = task.planned_next_run_at
    if first is None or first <= after:
        return DueSlots(rhythm=rhythm, after=after, until=now)
    if first > now:
        return DueSlots(rhythm=None, after=now, until=now)
    following = rhythm.next_after(first)
    if following is None or following > now:
        # By far the most common pass: one slot came due. It needs no arithmetic.
        return DueSlots(rhythm=None, after=now, until=now, extra=(first,))
    if rhythm.has(first):
        return DueSlots(rhythm=rhythm, after=first - _INSTANT, until=now)
    return DueSlots(rhythm=rhythm, after=first, until=now, extra=(first,))


def _seen_rhythm(task: DueTask) -> Rhythm | None:
    if task.planned_schedule is None or task.planned_zone is None or not task.planned_enabled:
        return None
    try:
        return Rhythm.of(task.planned_schedule, task.planned_zone)
    except InvalidInputError:
        # It could be read when it was planned: the zone database has changed since. Nothing can be counted by it.
        return None


def _next_run_at(task: DueTask, shown: Rhythm, *, now: datetime, until: datetime, edited: bool) -> datetime | None:
    if not task.enabled:
        return None
    by_hand = _set_by_hand(task)
    if by_hand is not None and by_hand > now:
        return by_hand
    planned = task.next_run_at
    if planned is None or by_hand is not None or edited or planned <= until:
        return shown.next_after(until)
    accounted = task.accounted_until
    if accounted is not None and accounted > until and shown.next_after(accounted) == planned:
        # The clock was set back: what the pattern gave then is withdrawn, what a person set stays.
        return shown.next_after(until)
    return planned


def _decide(this: _Pass, due: DueSlots) -> _Decision:
    """Take off what is too late or switched off, and leave the rest to the policies."""
    if not this.task.enabled:
        return _Decision(not_run=due.as_range(SlotOutcome.MISSED, _DISABLED))
    if this.task.start_deadline_seconds is None:
        return _apply_on_missed(this, due)
    limit = this.now - timedelta(seconds=this.task.start_deadline_seconds)
    reason = f"the start deadline of {this.task.start_deadline_seconds} s passed"
    too_late = due.before(limit).as_range(SlotOutcome.MISSED, reason)
    decision = _apply_on_missed(this, due.since(limit))
    return _Decision(
        starts=decision.starts,
        not_run=(*too_late, *decision.not_run),
        cancels=decision.cancels,
        rest=decision.rest,
    )


def _apply_on_missed(this: _Pass, due: DueSlots) -> _Decision:
    newest = due.newest
    if newest is None:
        return _Decision()
    on_time = this.now - newest <= this.misfire_grace
    if this.task.on_missed is OnMissed.ALL:
        return _start_all(this, due, is_catch_up=not on_time or due.count > 1)
    if not on_time and this.task.on_missed is not OnMissed.LATEST:
        return _Decision(not_run=_passed_over(this, due, newest))
    return _start_newest(this, due, newest)


def _start_newest(this: _Pass, due: DueSlots, newest: datetime) -> _Decision:
    overlap = settle_overlap(this.task, (newest,), is_catch_up=False)
    older = due.before(newest)
    if overlap.skip_reason is None:
        return _Decision(starts=overlap.starts, not_run=_passed_over(this, older, newest), cancels=overlap.cancels)
    if this.task.on_missed is OnMissed.LATEST:
        # Nothing covers the older ones, and what kept the newest from starting would have kept them as well.
        return _Decision(not_run=due.as_range(SlotOutcome.SKIPPED, overlap.skip_reason))
    skipped = due.since(newest).as_range(SlotOutcome.SKIPPED, overlap.skip_reason)
    return _Decision(not_run=(*_passed_over(this, older, newest), *skipped))


def _passed_over(this: _Pass, slots: DueSlots, newest: datetime) -> tuple[SlotRange, ...]:
    """Return the missed slots that do not start, with what their policy makes of them."""
    if slots.newest is None:
        return ()
    if this.task.on_missed is OnMissed.LATEST:
        return slots.as_range(SlotOutcome.COALESCED, f"covered by the run for {_shown(newest)} (on_missed is latest)")
    absent = newest < this.started_at
    cause = "no master was running to start it" if absent else "no master came to start it in time"
    outcome = SlotOutcome.HELD if this.task.on_missed is OnMissed.HOLD else SlotOutcome.MISSED
    return slots.as_range(outcome, f"{cause} (on_missed is {this.task.on_missed})")


def _start_all(this: _Pass, due: DueSlots, *, is_catch_up: bool) -> _Decision:
    """Start every slot, oldest first, at most MAX_STARTS of the rhythm's now."""
    portion = tuple(islice(due.regular(), MAX_STARTS))
    rest = due.since(portion[-1] + _INSTANT) if len(portion) == MAX_STARTS else None
    slots = tuple(merge(due.extra, portion))
    overlap = settle_overlap(this.task, slots, is_catch_up=is_catch_up)
    if overlap.skip_reason is not None:
        return _Decision(not_run=due.as_range(SlotOutcome.SKIPPED, overlap.skip_reason))
    if rest is not None:
        rest = replace(rest, extra=())
    return _Decision(starts=overlap.starts, cancels=overlap.cancels, rest=rest)


def _shown(slot: datetime) -> str:
    return f"{slot.astimezone(UTC).isoformat(timespec='seconds').removesuffix('+00:00')}Z"
