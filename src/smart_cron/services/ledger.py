"""The ledger of tasks: what the store keeps of executions and of ranges, put together slot by slot, flat in memory."""

from __future__ import annotations

import difflib
import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from smart_cron.core.errors import SmartCronError
from smart_cron.core.ledger import LedgerEntry, LedgerRange, LedgerRun, LedgerTask, UnrunSlot, unfold
from smart_cron.core.ports import LedgerStore

NAMES_SHOWN = 3


def entries(
    store: LedgerStore, task_id: int, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[LedgerEntry]:
    """Yield every execution and every slot that did not run with since <= instant < until, in order of instants."""
    runs = store.runs(task_id, since=since, until=until)
    by_hand = store.runs_by_hand(task_id, since=since, until=until)
    return heapq.merge(runs, by_hand, _not_run(store, task_id, since, until), key=_belongs_at)


def counts(
    store: LedgerStore, task_id: int, *, since: datetime | None = None, until: datetime | None = None
) -> Counter[str]:
    """Return how many entries each status and outcome has; ranges that lie within are not walked through."""
    found: Counter[str] = Counter(str(run.status) for run in store.runs(task_id, since=since, until=until))
    found.update(str(run.status) for run in store.runs_by_hand(task_id, since=since, until=until))
    for gap in store.ranges(task_id, since=since, until=until):
        is_within = (since is None or gap.first >= since) and (until is None or gap.last < until)
        slots = gap.count if is_within else sum(1 for _ in unfolded(store, task_id, gap, since, until))
        found[str(gap.outcome)] += slots
    return +found


def _not_run(store: LedgerStore, task_id: int, since: datetime | None, until: datetime | None) -> Iterator[UnrunSlot]:
    for gap in store.ranges(task_id, since=since, until=until):
        for slot in unfolded(store, task_id, gap, since, until):
            yield UnrunSlot(slot, gap)


def unfolded(
    store: LedgerStore, task_id: int, gap: LedgerRange, since: datetime | None, until: datetime | None
) -> Iterator[datetime]:
    """Yield the slots of a task's range with since <= slot < until."""

    def ran(first: datetime, last: datetime) -> Iterator[datetime]:
        return store.started_slots(task_id, first=first, last=last)

    return unfold(gap, since=since, until=until, ran=ran)


def _belongs_at(entry: LedgerEntry) -> datetime:
    return entry.belongs_at if isinstance(entry, LedgerRun) else entry.slot


def tasks_named(known: Sequence[LedgerTask], name: str) -> list[LedgerTask]:
    """Return the tasks of this name (a deleted one may have had it, too) or number, those that exist first.

    Raise SmartCronError with the names that are near where neither a task nor a history is called so.
    """
    found = [task for task in known if task.name == name]
    if not found and name.isascii() and name.isdigit():
        found = [task for task in known if task.task_id == int(name)]
    if not found:
        raise SmartCronError(
            f"there is no task '{name}', and no history of a deleted one.", remedy=_remedy(known, name)
        )
    return sorted(found, key=lambda task: (not task.exists, -task.task_id))


def _remedy(known: Sequence[LedgerTask], name: str) -> str:
    names = sorted({task.name for task in known})
    folded = {each.casefold(): each for each in names}
    near = [folded[each] for each in difflib.get_close_matches(name.casefold(), list(folded), n=NAMES_SHOWN)]
    if near:
        return f"Did you mean {' or '.join(repr(each) for each in near)}?"
    return "'smart-cron task list' shows them all."
