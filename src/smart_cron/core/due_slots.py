"""Slots of one task that came due, described rather than listed: a rhythm over an interval, and a few set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from zoneinfo import ZoneInfo

from smart_cron.core.run import SlotOutcome, SlotRange
from smart_cron.core.schedule import Schedule, zone
from smart_cron.core.zones import shifted

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """A pattern in a time zone."""

    schedule: Schedule
    zone: ZoneInfo

    @classmethod
    def of(cls, pattern: str, zone_name: str) -> Rhythm:
        """Raise InvalidInputError for a pattern or zone that cannot be used."""
        return cls(schedule=Schedule.parse(pattern), zone=zone(zone_name))

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the next slot, or None for `@reboot`."""
        return None if self.schedule.is_reboot else self.schedule.next_after(instant, self.zone)

    def has(self, instant: datetime) -> bool:
        """Whether this instant is one of the slots."""
        return self.next_after(shifted(instant, -_INSTANT)) == instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSlots:
    """The slots of `rhythm` in (after, until], and `extra` ones set by hand, in order, at any instant.

    No extra slot is also one of the rhythm's in that interval. `taken` are slots of the rhythm in it that have an
    outcome already, after the clock was set back: they do not count, though a range may reach across them.
    """

    rhythm: Rhythm | None
    after: datetime
    until: datetime
    extra: tuple[datetime, ...] = ()
    taken: frozenset[datetime] = frozenset()

    def without(self, taken: AbstractSet[datetime]) -> DueSlots:
        """Return those that are not among `taken`."""
        extra = tuple(slot for slot in self.extra if slot not in taken)
        regular = frozenset(slot for slot in taken if self.after < slot <= self.until and self._has(slot))
        return replace(self, extra=extra, taken=self.taken | regular)

    def _has(self, slot: datetime) -> bool:
        return self.rhythm is not None and self.rhythm.has(slot)

    def before(self, instant: datetime) -> DueSlots:
        """Return those earlier than `instant`."""
        extra = tuple(slot for slot in self.extra if slot < instant)
        until = min(self.until, instant - _INSTANT)
        taken = frozenset(slot for slot in self.taken if slot <= until)
        return replace(self, until=until, extra=extra, taken=taken)

    def since(self, instant: datetime) -> DueSlots:
        """Return those at or later than `instant`."""
        extra = tuple(slot for slot in self.extra if slot >= instant)
        after = max(self.after, instant - _INSTANT)
        taken = frozenset(slot for slot in self.taken if slot > after)
        return replace(self, after=after, extra=extra, taken=taken)

    def regular(self) -> Iterator[datetime]:
        """Yield the slots of the rhythm, oldest first."""
        if self.rhythm is None:
            return iter(())
        slots = self.rhythm.schedule.slots(self.after, self.until, self.rhythm.zone)
        return (slot for slot in slots if slot not in self.taken) if self.taken else slots

    def __iter__(self) -> Iterator[datetime]:
        """Yield all slots, oldest first."""
        return merge(self.extra, self.regular())

    @property
    def newest(self) -> datetime | None:
        """The latest slot, or None where nothing came due."""
        regular = self._newest_regular()
        return max((*self.extra, regular) if regular else self.extra, default=None)

    def _newest_regular(self) -> datetime | None:
        if self.rhythm is None:
            return None
        slot = self.rhythm.schedule.last_between(self.after, self.until, self.rhythm.zone)
        while slot is not None and slot in self.taken:
            slot = self.rhythm.schedule.last_between(self.after, slot - _INSTANT, self.rhythm.zone)
        return slot

    @property
    def count(self) -> int:
        """How many there are, found without walking through them."""
        regular = self.rhythm.schedule.count_between(self.after, self.until, self.rhythm.zone) if self.rhythm else 0
        return regular - len(self.taken) + len(self.extra)

    def as_range(self, outcome: SlotOutcome, reason: str) -> tuple[SlotRange, ...]:
        """Return all of them as ranges that did not run, in order and disjoint; nothing where there are none.

        A slot set by hand is a range of its own: what lies between the ends of any other is the rhythm's.
        """
        ranges: list[SlotRange] = []
        rest = replace(self, extra=())
        for slot in self.extra:
            ranges += rest.before(slot).regular_range(outcome, reason)
            ranges.append(SlotRange(first=slot, last=slot, count=1, outcome=outcome, reason=reason))
            rest = rest.since(slot)
        return (*ranges, *rest.regular_range(outcome, reason))

    def regular_range(self, outcome: SlotOutcome, reason: str) -> tuple[SlotRange, ...]:
        """Return the slots of the rhythm as one range, or nothing where there are none."""
        first, last = next(self.regular(), None), self._newest_regular()
        if first is None or last is None:
            return ()
        return (SlotRange(first=first, last=last, count=self.count, outcome=outcome, reason=reason),)
