"""The ledger: one line for each execution and for each slot that did not run, and how ranges become slots again.

A range says first, last, count, pattern and zone. Its slots are those of the pattern between its ends, and the ends
themselves, which a person may have set off the pattern. Two things make the pattern yield more than the range counts:
slots that ran before the clock was set back, and an end set by hand long before the rest. The count decides then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, NamedTuple

from smart_cron.core.due_slots import Rhythm
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.run import SlotOutcome, Status

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTask:
    """A task that has or had slots. Of one that was deleted `exists` is False and the name is the last one kept."""

    task_id: int
    name: str
    exists: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRun:
    """One execution. `scheduled_for` is None for a run by hand and its retries, which belong to `created_at`.

    `reason` is the error or the reason for which nothing started; `duration` is in seconds. A `status` that is only a
    text was put there by SQL.
    """

    execution_id: int
    task: str
    scheduled_for: datetime | None
    attempt: int
    status: Status | str
    reason: str | None
    started_at: datetime | None
    completed_at: datetime | None
    duration: float | None
    exit_code: int | None
    term_signal: int | None
    triggered_by: str
    run_id: str | None
    node: str | None
    output_bytes: int | None
    output_sha256: str | None
    output_truncated: bool
    created_at: datetime
    claimed_at: datetime | None = None
    due_at: datetime | None = None
    group: str | None = None
    error_type: str | None = None
    cancel_reason: str | None = None
    requested_by: str | None = None
    late: bool = False
    node_tag: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether this is the run's end, as far as anyone knows."""
        return isinstance(self.status, Status) and self.status.is_final

    @property
    def belongs_at(self) -> datetime:
        """The instant by which this run falls into an interval."""
        return self.scheduled_for or self.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRange:
    """Slots that did not run, as they were stored: with the pattern and the zone that they belong to."""

    task: str
    first: datetime
    last: datetime
    count: int
    outcome: SlotOutcome | str
    reason: str
    schedule: str
    zone: str
    recorded_at: datetime | None = None


class UnrunSlot(NamedTuple):
    """One slot of a range."""

    slot: datetime
    gap: LedgerRange


LedgerEntry = LedgerRun | UnrunSlot
# The slots in [first, last] that have an execution, in order; asked for only where a range counts fewer than it spans.
Ran = Callable[[datetime, datetime], Iterable[datetime]]


def unfold(
    gap: LedgerRange, *, since: datetime | None = None, until: datetime | None = None, ran: Ran
) -> Iterator[datetime]:
    """Yield the slots of a range with since <= slot < until, earliest first, one at a time."""
    slots = _slots(gap, since, until, ran)
    return (slot for slot in slots if (since is None or slot >= since) and (until is None or slot < until))


def _slots(gap: LedgerRange, since: datetime | None, until: datetime | None, ran: Ran) -> Iterator[datetime]:
    if gap.first >= gap.last:
        return iter((gap.first,))
    rhythm = _rhythm(gap)
    if rhythm is None:
        # Nothing can be said by a pattern or a zone that is not known any more; the ends are certain.
        return iter((gap.first, gap.last))
    head = () if _has(rhythm, gap.first) else (gap.first,)
    tail = () if _has(rhythm, gap.last) else (gap.last,)
    owed = gap.count - len(head) - len(tail)
    if rhythm.schedule.count_between(gap.first - _INSTANT, gap.last, rhythm.zone) == owed:
        after, last = max(gap.first, since or gap.first), min(gap.last, until or gap.last)
        return chain(head, rhythm.schedule.slots(after - _INSTANT, last, rhythm.zone), tail)
    return chain(head, _newest(lambda: _without(_regular(rhythm, gap), ran(gap.first, gap.last)), owed), tail)


def _rhythm(gap: LedgerRange) -> Rhythm | None:
    try:
        return Rhythm.of(gap.schedule, gap.zone)
    except InvalidInputError:
        return None


def _has(rhythm: Rhythm, slot: datetime) -> bool:
    """Whether the pattern has this slot; asked backwards, since a pattern without a next slot raises."""
    return rhythm.schedule.last_between(slot - _INSTANT, slot, rhythm.zone) == slot


def _regular(rhythm: Rhythm, gap: LedgerRange) -> Iterator[datetime]:
    return rhythm.schedule.slots(gap.first - _INSTANT, gap.last, rhythm.zone)


def _without(slots: Iterator[datetime], taken: Iterable[datetime]) -> Iterator[datetime]:
    """Yield what is not among `taken`; both are in order."""
    others = iter(taken)
    other = next(others, None)
    for slot in slots:
        while other is not None and other < slot:
            other = next(others, None)
        if slot != other:
            yield slot


def _newest(slots: Callable[[], Iterator[datetime]], count: int) -> Iterator[datetime]:
    """Yield the last so many: walked twice, since a list of them could be long."""
    surplus = sum(1 for _ in slots()) - max(count, 0)
    return islice(slots(), max(surplus, 0), None)


# Lines -------------------------------------------------------------------------------------------------------------


def stamp(instant: datetime | None) -> str | None:
    """Return an instant as ISO 8601 in UTC with microseconds and a Z."""
    if instant is None:
        return None
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def run_document(run: LedgerRun) -> dict[str, Any]:
    """Return one execution under the keys of the ledger, in their order."""
    return {
        "task": run.task,
        "scheduled_for": stamp(run.scheduled_for),
        "attempt": run.attempt,
        "status": str(run.status),
        "reason": run.reason,
        "started_at": stamp(run.started_at),
        "completed_at": stamp(run.completed_at),
        "duration": run.duration,
        "exit_code": run.exit_code,
        "term_signal": run.term_signal,
        "triggered_by": run.triggered_by,
        "run_id": run.run_id,
        "node": run.node,
        "output_bytes": run.output_bytes,
        "output_sha256": run.output_sha256,
        "output_truncated": run.output_truncated,
    }


KEYS = (
    "task", "scheduled_for", "attempt", "status", "reason", "started_at", "completed_at", "duration", "exit_code",
    "term_signal", "triggered_by", "run_id", "node", "output_bytes", "output_sha256", "output_truncated",
)  # fmt: skip


def slot_document(gap: LedgerRange, scheduled_for: str | None) -> dict[str, Any]:
    """Return one slot of a range under the same keys; what a run would have is null."""
    known = {"task": gap.task, "scheduled_for": scheduled_for, "status": str(gap.outcome), "reason": gap.reason}
    return dict.fromkeys(KEYS) | known


def lines(entries: Iterable[LedgerEntry]) -> Iterator[str]:
    """Yield each entry as one line of JSON, ASCII only, without the line's end."""
    gap: LedgerRange | None = None
    head = tail = ""
    for entry in entries:
        if isinstance(entry, LedgerRun):
            yield json.dumps(run_document(entry))
            continue
        if entry.gap is not gap:
            # The slots of a range differ in one value only; a range may have millions.
            gap = entry.gap
            head, tail = _around_slot(gap)
        yield f"{head}{stamp(entry.slot)}{tail}"


def _around_slot(gap: LedgerRange) -> tuple[str, str]:
    document = slot_document(gap, None)
    name = {"task": document.pop("task")}
    del document["scheduled_for"]
    return f'{json.dumps(name)[:-1]}, "scheduled_for": "', f'", {json.dumps(document)[1:]}'
