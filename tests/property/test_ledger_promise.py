"""Promise 1, read off the ledger: through edits, outages, deletions and clock steps each slot has one line, no more.

What is owed is noted from outside the planner: before each look of the master, the slots that the definition last seen
has between the task's mark and now.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.scripted import Bench, emptied, open_bench_store

from smart_cron.core.ledger import LedgerRun
from smart_cron.core.run import Trigger
from smart_cron.core.schedule import Schedule, zone
from smart_cron.services.ledger import entries
from smart_cron.store.gateway import Store

pytestmark = pytest.mark.slow

NAMES = ("one", "two")
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "schedule_pattern": st.sampled_from(("*/5 * * * *", "*/17 * * * *", "17 * * * *", "30 2 * * *", "@reboot")),
    "time_zone": st.sampled_from(("UTC", "Europe/Berlin", "Australia/Lord_Howe", None)),
    "enabled": st.sampled_from((0, 1)),
    "on_missed": st.sampled_from(("latest", "all", "skip", "hold")),
    "on_overlap": st.sampled_from(("skip", "queue", "replace", "allow")),
    "start_deadline_seconds": st.sampled_from((None, 0, 600)),
    "max_retries": st.sampled_from((0, 1)),
}
EDITS = st.sampled_from(sorted(COLUMNS)).flatmap(
    lambda column: st.tuples(st.just("edit"), st.sampled_from(NAMES), st.just(column), COLUMNS[column])
)
EVENTS = st.one_of(
    EDITS,
    EDITS,
    st.tuples(st.just("end"), st.sampled_from((0, 0, 1))),
    st.tuples(st.just("remove"), st.sampled_from(NAMES)),
    st.tuples(st.just("hand"), st.sampled_from(NAMES), st.integers(1, 4000)),
    st.tuples(st.just("ask"), st.sampled_from(NAMES)),
    st.just(("restart",)),
    st.tuples(st.just("step"), st.integers(-9000, 9000)),
)
WAITS = st.one_of(st.integers(0, 90), st.integers(0, 90), st.integers(60, 9000), st.integers(3600, 86_400))
# Eve of Berlin's spring change, so that steps of hours and days lead across it.
EVE = timedelta(days=27)


class Walk(Bench):
    """A bench that keeps count of the slots owed, by the number of their task."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, max_concurrent=3)
        self.clock.advance(EVE.total_seconds())
        self.owed: dict[int, set[datetime]] = defaultdict(set)

    def look(self) -> None:
        """Note what is owed by now, and have the master see to it."""
        read = self.store.session.dialect.read_instant
        for task_id, pattern, where, enabled, mark, planned, hand in self.rows(
            """SELECT id, planned_pattern, planned_zone, planned_enabled, accounted_until, planned_next_run_at,
                CASE WHEN enabled = 1 AND next_run_at <> planned_next_run_at THEN next_run_at END
              FROM smart_cron_tasks_config"""
        ):
            self._note(task_id, read(mark), read(planned), read(hand), (pattern, where) if enabled else None)
        self.turn()

    def _note(
        self,
        task_id: int,
        mark: datetime | None,
        planned: datetime | None,
        hand: datetime | None,
        rhythm: tuple[str, str] | None,
    ) -> None:
        now = self.clock.now()
        if rhythm is not None and mark is not None and mark < now:
            slots = set(Schedule.parse(rhythm[0]).slots(mark, now, zone(rhythm[1].removeprefix("*"))))
            if planned is not None and planned > mark:
                # One set by hand takes the place of the pattern's slots before it.
                slots = {slot for slot in slots if slot >= planned} | ({planned} if planned <= now else set())
            self.owed[task_id] |= slots
        if hand is not None and hand <= now:
            self.owed[task_id].add(hand)

    def live(self, seconds: int, events: list[tuple[Any, ...]]) -> None:
        self.clock.advance(seconds)
        for event in events:
            getattr(self, f"on_{event[0]}")(*event[1:])
        self.look()

    def on_edit(self, name: str, column: str, value: object) -> None:
        self.sql(f"UPDATE smart_cron_tasks_config SET {column} = %s WHERE task_name = %s", value, name)

    def on_end(self, exit_code: int) -> None:
        self.clock.advance(0.001)
        self.launcher.end_all(exit_code=exit_code)

    def on_remove(self, name: str) -> None:
        self.look()
        self.store.tasks.remove(self.task(name).id, actor="test", now=self.clock.now())
        self.add(name, schedule="*/5 * * * *")

    def on_hand(self, name: str, ahead: int) -> None:
        """Set the next slot by hand, off the pattern as a rule."""
        self.look()
        at = self.clock.now() + timedelta(seconds=ahead)
        self.store.tasks.set_next_run(self.task(name).id, at, actor="test")
        self.look()

    def on_ask(self, name: str) -> None:
        task = self.task(name)
        if task.definition.on_overlap == "allow":
            self.ask(task)

    def on_restart(self) -> None:
        self.new_cycle().sweep()

    def on_step(self, seconds: int) -> None:
        self.look()
        self.clock.step(seconds)
        if seconds < 0:
            self.cycle.forget_future(beyond=self.clock.now())
            for task in self.tasks():
                self._withdraw(task.id)
        self.look()

    def _withdraw(self, task_id: int) -> None:
        """What was decided of a time that is still to come did not happen, unless it ran."""
        slots, now = self.owed[task_id], self.clock.now()
        if slots:
            ran = set(self.store.ledger.started_slots(task_id, first=min(slots), last=max(slots)))
            self.owed[task_id] = {slot for slot in slots if slot <= now or slot in ran}

    def finish(self) -> None:
        """See all runs to their ends, with nothing new coming due."""
        self.look()
        while any(task.next_run_at is not None and task.next_run_at <= self.clock.now() for task in self.tasks()):
            self.look()

    def tasks(self) -> list[Any]:
        return [self.task(name) for name in NAMES]


@pytest.fixture(scope="module")
def walk_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_bench_store(tmp_path_factory.mktemp("walk"), "walk")
    yield store
    store.database.close()


@settings(max_examples=40)
@given(st.lists(st.tuples(WAITS, st.lists(EVENTS, max_size=3)), min_size=3, max_size=12))
def test_the_ledger_has_one_line_for_each_slot_owed_and_none_besides(
    walk_store: Store, steps: list[tuple[int, list[tuple[Any, ...]]]]
) -> None:
    walk = Walk(emptied(walk_store))
    for name in NAMES:
        walk.add(name, schedule="*/5 * * * *")
    walk.look()
    for seconds, events in steps:
        walk.live(seconds, events)
    walk.finish()

    for task in walk_store.ledger.tasks():
        told = _first_lines(walk_store, task.task_id)
        owed = Counter(walk.owed[task.task_id])
        # Not compared whole: what differs is all that anybody wants to read.
        assert (sorted(told - owed), sorted(owed - told)) == ([], []), task


def _first_lines(store: Store, task_id: int) -> Counter[datetime]:
    """Count the lines that tell of a slot for the first time: first attempts, and slots that did not run."""
    told: Counter[datetime] = Counter()
    for entry in entries(store.ledger, task_id):
        if not isinstance(entry, LedgerRun):
            told[entry.slot] += 1
        elif entry.scheduled_for is not None and entry.triggered_by == Trigger.CRON:
            told[entry.scheduled_for] += 1
    return told
