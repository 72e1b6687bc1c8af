"""Promise 1: whatever passes, outages, edits and policies happen, every slot falls to exactly one outcome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_cron.core.planning import CLOCK_TOLERANCE, MAX_STARTS, plan
from smart_cron.core.run import DueTask, SlotOutcome, SlotPlan, Status
from smart_cron.core.schedule import Schedule, zone
from smart_cron.core.task import OnMissed, OnOverlap

pytestmark = pytest.mark.slow

START = datetime(2026, 10, 24, 20, 0, 17, tzinfo=UTC)
GRACE = timedelta(seconds=60)
PATTERNS = ("* * * * *", "*/7 * * * *", "30 2 * * *", "0,30 */2 * * *", "15 0-23/3 * * *", "@reboot")
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe")
EDITABLE = {
    "schedule": st.sampled_from(PATTERNS),
    "time_zone": st.sampled_from(ZONES),
    "enabled": st.booleans(),
    "on_missed": st.sampled_from(OnMissed),
    "on_overlap": st.sampled_from(OnOverlap),
    "start_deadline_seconds": st.sampled_from((None, 0, 30, 600, 86_400)),
}
EDITS = st.sampled_from(sorted(EDITABLE)).flatmap(lambda name: st.tuples(st.just(name), EDITABLE[name]))
WAITS = st.one_of(st.integers(1, 90), st.integers(60, 7200), st.integers(3600, 3 * 86_400)).map(
    lambda seconds: timedelta(seconds=seconds)
)
RUNS = st.sampled_from(((), (7,), (7, 8)))
STEPS = st.tuples(WAITS, st.lists(EDITS, max_size=2), RUNS, st.booleans())
TASKS = st.fixed_dictionaries(EDITABLE)


@dataclass
class Ledger:
    """A table of one task: what its row says, and what became of each slot."""

    task: DueTask
    outcomes: Counter[datetime] = field(default_factory=Counter)
    owed: set[datetime] = field(default_factory=set)

    def look(self, now: datetime) -> SlotPlan:
        """Make one pass as the store would write it, and note which slots it owed an outcome."""
        self.owed.update(self._slots_since_last_look(now))
        made = plan(self.task, now=now, default_zone="UTC", misfire_grace=GRACE, started_at=START)
        self._write(made)
        return made

    def _slots_since_last_look(self, now: datetime) -> list[datetime]:
        task = self.task
        if task.planned_schedule is None or not task.planned_enabled or task.accounted_until is None:
            return []
        where = zone(task.planned_zone or "UTC")
        return list(Schedule.parse(task.planned_schedule).slots(task.accounted_until, now, where))

    def _write(self, made: SlotPlan) -> None:
        assert made.invalid_reason is None
        task = self.task
        self.outcomes.update(start.scheduled_for for start in made.starts)
        for gap in made.not_run:
            inside = [slot for slot in self.owed if gap.first <= slot <= gap.last]
            assert len(inside) == gap.count, gap
            self.outcomes.update(inside)
        self.task = replace(
            task,
            next_run_at=made.next_run_at,
            planned_schedule=task.schedule,
            planned_zone=made.zone,
            planned_enabled=task.enabled,
            planned_next_run_at=made.next_run_at,
            accounted_until=made.accounted_until,
        )


def _new_row(words: dict[str, Any]) -> DueTask:
    return DueTask(
        task_id=1,
        name="t",
        priority=5,
        group=None,
        node_tag=None,
        next_run_at=None,
        planned_schedule=None,
        planned_zone=None,
        planned_enabled=None,
        planned_next_run_at=None,
        accounted_until=None,
        **words,
    )


@settings(max_examples=400)
@given(TASKS, st.lists(STEPS, min_size=1, max_size=8))
def test_every_slot_falls_to_exactly_one_outcome(
    words: dict[str, Any], steps: list[tuple[timedelta, list[tuple[str, Any]], tuple[int, ...], bool]]
) -> None:
    ledger, now = Ledger(_new_row(words)), START
    ledger.look(now)
    for wait, edits, active, queued in steps:
        now += wait
        changes: dict[str, Any] = dict(edits)
        ledger.task = replace(ledger.task, active_execution_ids=active, queued=queued, **changes)
        ledger.look(now)
    while ledger.task.next_run_at is not None and ledger.task.next_run_at <= now:
        ledger.look(now)

    assert ledger.outcomes == Counter(ledger.owed)


@settings(max_examples=150)
@given(TASKS, st.lists(WAITS, min_size=1, max_size=8))
def test_passes_cut_an_outage_anywhere_and_the_slots_decided_are_the_same(
    words: dict[str, Any], waits: list[timedelta]
) -> None:
    """One look at the end and many looks on the way decide the same slots, if not in the same way."""
    words |= {"enabled": True}
    often, once, now = Ledger(_new_row(words)), Ledger(_new_row(words)), START
    often.look(now)
    once.look(now)
    for wait in waits:
        now += wait
        often.look(now)
    for ledger in (often, once):
        ledger.look(now)
        while ledger.task.next_run_at is not None and ledger.task.next_run_at <= now:
            ledger.look(now)

    assert set(often.outcomes) == set(once.outcomes)
    assert often.task.next_run_at == once.task.next_run_at


@settings(max_examples=80)
@given(TASKS, WAITS, RUNS)
def test_a_pass_never_starts_a_slot_of_the_future_nor_one_past_its_deadline(
    words: dict[str, Any], wait: timedelta, active: tuple[int, ...]
) -> None:
    ledger, now = Ledger(_new_row(words)), START + wait
    ledger.look(START)
    ledger.task = replace(ledger.task, active_execution_ids=active)
    made = ledger.look(now)

    assert all(start.scheduled_for <= now for start in made.starts)
    assert all(start.start_before is None or start.start_before >= now for start in made.starts)
    assert len(made.starts) <= MAX_STARTS
    assert made.next_run_at is None or made.accounted_until is None or made.next_run_at > made.accounted_until


@settings(max_examples=80)
@given(TASKS, WAITS, RUNS)
def test_looking_again_at_the_same_instant_decides_nothing_more(
    words: dict[str, Any], wait: timedelta, active: tuple[int, ...]
) -> None:
    ledger, now = Ledger(_new_row(words)), START + wait
    ledger.look(START)
    while (made := ledger.look(now)).next_run_at is not None and made.next_run_at <= now:
        pass
    again = ledger.look(now)

    assert (again.starts, again.not_run, again.cancel_execution_ids) == ((), (), ())
    assert again.next_run_at == made.next_run_at


@settings(max_examples=80)
@given(st.sampled_from(PATTERNS[:-1]), WAITS, st.integers(1, 86_400))
def test_a_clock_set_back_leaves_no_next_slot_beyond_the_pattern(pattern: str, wait: timedelta, back: int) -> None:
    ledger, now = Ledger(_new_row(dict.fromkeys(EDITABLE) | _plain(pattern))), START + wait
    ledger.look(START)
    ledger.look(now)
    earlier = now - timedelta(seconds=back)
    made = plan(ledger.task, now=earlier, default_zone="UTC", misfire_grace=GRACE, started_at=START)

    until = now if now - earlier <= CLOCK_TOLERANCE else earlier
    assert made.starts == ()
    assert made.accounted_until == until
    assert made.next_run_at == Schedule.parse(pattern).next_after(until, zone("UTC"))


def _plain(pattern: str) -> dict[str, Any]:
    return {
        "schedule": pattern,
        "time_zone": "UTC",
        "enabled": True,
        "on_missed": OnMissed.LATEST,
        "on_overlap": OnOverlap.SKIP,
    }


@settings(max_examples=80)
@given(WAITS, st.sampled_from(OnMissed), RUNS)
def test_only_the_first_of_several_starts_may_be_free_to_go(
    wait: timedelta, on_missed: OnMissed, active: tuple[int, ...]
) -> None:
    words = _plain("* * * * *") | {"on_missed": on_missed, "start_deadline_seconds": None}
    ledger = Ledger(_new_row(words))
    ledger.look(START)
    ledger.task = replace(ledger.task, active_execution_ids=active)
    made = ledger.look(START + wait)

    free = [start for start in made.starts if start.status is Status.WAITING]
    assert len(free) <= (0 if active else 1)
    assert all(gap.outcome is not SlotOutcome.HELD or on_missed is OnMissed.HOLD for gap in made.not_run)
