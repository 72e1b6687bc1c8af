"""The engine over real tables, through outages, edits, lost replies, killed supervisors and masters.

Whatever is thrown in, each slot ends in exactly one outcome, no run starts twice, and the figures add up.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.scripted import Bench, emptied, open_bench_store

from smart_cron.core.errors import DatabaseError, TaskRunnerError
from smart_cron.core.run import EndCause
from smart_cron.core.schedule import Schedule, zone
from smart_cron.core.task import OnMissed, OnOverlap
from smart_cron.store.gateway import Store

pytestmark = pytest.mark.slow

NAMES = ("one", "two")
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "schedule_pattern": st.sampled_from(("* * * * *", "*/5 * * * *", "17 * * * *", "30 2 * * *")),
    "enabled": st.sampled_from((0, 1, 1)),
    "on_missed": st.sampled_from([str(word) for word in OnMissed]),
    "on_overlap": st.sampled_from([str(word) for word in OnOverlap]),
    "start_deadline_seconds": st.sampled_from((None, 0, 30, 600)),
    "max_retries": st.sampled_from((0, 1, 3)),
    "retry_lost": st.sampled_from((0, 1)),
    "priority": st.sampled_from((1, 5, 10)),
    "task_group": st.sampled_from((None, "narrow")),
}
EDITS = st.sampled_from(sorted(COLUMNS)).flatmap(
    lambda name: st.tuples(st.just("edit"), st.sampled_from(NAMES), st.just(name), COLUMNS[name])
)
ENDS = st.one_of(
    st.fixed_dictionaries({"exit_code": st.sampled_from((0, 0, 1))}),
    st.just({"cause": EndCause.TIMEOUT, "exit_code": None, "term_signal": 15}),
    st.just({"cause": EndCause.START_FAILED, "started_at": None, "exit_code": None}),
)
EVENTS = st.one_of(
    st.tuples(st.just("end"), st.integers(0, 3), ENDS),
    st.tuples(st.just("end"), st.integers(0, 3), ENDS),
    st.tuples(st.just("lose"), st.integers(0, 3)),
    st.tuples(st.just("ask"), st.sampled_from(NAMES)),
    st.just(("restart",)),
    st.just(("sweep",)),
    st.tuples(st.just("trouble"), st.sampled_from(("conflict", "gone", "reply lost"))),
    st.tuples(st.just("runner"), st.sampled_from(("launch", "poll", "discard", "running"))),
    EDITS,
)
WAITS = st.one_of(st.integers(0, 90), st.integers(0, 90), st.integers(60, 9000))
STEPS = st.lists(st.tuples(WAITS, st.lists(EVENTS, max_size=3)), min_size=3, max_size=14)


class Trial(Bench):
    """A bench that notes which slots it owed an outcome, and survives what is thrown at it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, max_concurrent=2, group_limits={"narrow": 1})
        self.owed: dict[int, set[datetime]] = defaultdict(set)

    def note_owed(self) -> None:
        read = self.store.session.dialect.read_instant
        for task_id, pattern, zone_name, enabled, accounted in self.rows(
            "SELECT id, planned_pattern, planned_zone, planned_enabled, accounted_until FROM smart_cron_tasks_config"
        ):
            since = read(accounted)
            if pattern is not None and enabled and since is not None:
                where = zone(zone_name.removeprefix("*"))
                self.owed[task_id].update(Schedule.parse(pattern).slots(since, self.clock.now(), where))

    def survive(self) -> None:
        with contextlib.suppress(DatabaseError, TaskRunnerError):
            self.note_owed()
            self.turn()

    def happen(self, event: tuple[Any, ...]) -> None:
        with contextlib.suppress(DatabaseError, TaskRunnerError):
            getattr(self, f"on_{event[0]}")(*event[1:])

    def _living(self, place: int) -> str | None:
        living = sorted(self.launcher.living)
        return living[place % len(living)] if living else None

    def on_end(self, place: int, how: dict[str, Any]) -> None:
        self.clock.advance(0.001)
        if (run_id := self._living(place)) is not None:
            self.launcher.end(run_id, **how)

    def on_lose(self, place: int) -> None:
        if (run_id := self._living(place)) is not None:
            self.launcher.lose(run_id)

    def on_ask(self, name: str) -> None:
        # A task that is busy may refuse, in the store's own words.
        with contextlib.suppress(Exception):
            self.ask(self.task(name))

    def on_restart(self) -> None:
        self.new_cycle().sweep()

    def on_sweep(self) -> None:
        self.cycle.sweep()

    def on_trouble(self, kind: str) -> None:
        self.database.troubles.append(kind)

    def on_runner(self, call: str) -> None:
        self.launcher.fail(call)

    def on_edit(self, name: str, column: str, value: object) -> None:
        self.sql(f"UPDATE smart_cron_tasks_config SET {column} = %s WHERE task_name = %s", value, name)

    def on_step(self, seconds: int) -> None:
        self.clock.step(seconds)
        with self.database.transaction():
            self.store.plans.forget_future(now=self.clock.now(), beyond=self.clock.now())

    def settle_all(self) -> None:
        """Mend everything, disable the tasks and see every run to its end."""
        self.database.troubles, self.launcher.failures = [], {}
        self.note_owed()
        self.turn()
        self.note_owed()
        self.sql("UPDATE smart_cron_tasks_config SET enabled = 0")
        for _ in range(400):
            self.cycle.sweep()
            self.turn()
            if not self.rows("SELECT 1 FROM smart_cron_executions WHERE completed_at IS NULL LIMIT 1"):
                return
            self.launcher.end_all()
            self.clock.advance(900)
        raise AssertionError(f"these never ended: {Counter(self.statuses())}")


@pytest.fixture(scope="module")
def trial_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_bench_store(tmp_path_factory.mktemp("trial"), "trial")
    yield store
    store.database.close()


def lived_through(store: Store, steps: list[tuple[int, list[tuple[Any, ...]]]]) -> Trial:
    trial = Trial(emptied(store))
    for name in NAMES:
        trial.add(name)
    trial.turn()
    for seconds, events in steps:
        trial.clock.advance(seconds)
        for event in events:
            trial.happen(event)
        trial.survive()
    trial.settle_all()
    return trial


@settings(max_examples=60)
@given(STEPS)
def test_each_slot_has_one_outcome_and_the_figures_add_up(
    trial_store: Store, steps: list[tuple[int, list[tuple[Any, ...]]]]
) -> None:
    trial = lived_through(trial_store, steps)

    for name in NAMES:
        task_id = trial.task(name).id
        assert outcomes(trial, task_id) == Counter(trial.owed[task_id])
        assert_attempts_follow_each_other(trial, task_id)
        assert_figures_add_up(trial, name)
    assert_nothing_started_twice(trial)


@settings(max_examples=40)
@given(st.lists(st.tuples(WAITS, st.lists(EVENTS | st.tuples(st.just("step"), st.integers(-7200, 7200)), max_size=3))))
def test_nothing_starts_twice_and_everything_ends_wherever_the_clock_is_set(
    trial_store: Store, steps: list[tuple[int, list[tuple[Any, ...]]]]
) -> None:
    trial = lived_through(trial_store, steps)

    assert_nothing_started_twice(trial)
    for name in NAMES:
        assert_figures_add_up(trial, name)
        assert_no_slot_ran_and_did_not(trial, trial.task(name).id)


def outcomes(trial: Trial, task_id: int) -> Counter[datetime]:
    """Count what became of each slot: its first attempt, or a range that it lies in."""
    read = trial.store.session.dialect.read_instant
    rows = trial.rows(
        "SELECT scheduled_for FROM smart_cron_executions WHERE task_id = %s AND attempt = 1 AND triggered_by = 'cron'",
        task_id,
    )
    found: Counter[datetime] = Counter(slot for row in rows if (slot := read(row[0])) is not None)
    for gap in trial.store.history.not_run(task_id=task_id, limit=10_000):
        inside = [slot for slot in trial.owed[task_id] if gap.first <= slot <= gap.last]
        assert len(inside) == gap.count, gap
        found.update(inside)
    return found


def assert_attempts_follow_each_other(trial: Trial, task_id: int) -> None:
    attempts: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for slot, attempt, status in trial.rows(
        """SELECT scheduled_for, attempt, status FROM smart_cron_executions
         WHERE task_id = %s AND scheduled_for IS NOT NULL ORDER BY attempt""",
        task_id,
    ):
        attempts[slot].append((attempt, status))
    for each in attempts.values():
        assert [attempt for attempt, _ in each] == list(range(1, len(each) + 1))
        assert all(status in {"failed", "timeout", "start_failed", "lost", "oom"} for _, status in each[:-1])


def assert_figures_add_up(trial: Trial, name: str) -> None:
    task = trial.task(name)
    unstarted = "('missed', 'skipped', 'killed')"
    [(all_runs, won)] = trial.rows(
        f"""SELECT COUNT(*), COALESCE(SUM(success), 0) FROM smart_cron_executions
         WHERE task_id = %s AND (status NOT IN {unstarted} OR started_at IS NOT NULL)""",
        task.id,
    )
    failures = 0
    for settlement in trial.database.settled:
        if settlement.run.task_id == task.id:
            failures = 0 if settlement.success else failures + settlement.slot_failed
    assert (task.total_executions, task.total_successes, task.total_failures) == (all_runs, won, all_runs - won)
    assert task.consecutive_failures == failures
    assert not task.is_running


def assert_nothing_started_twice(trial: Trial) -> None:
    starts = Counter(claim.run_id for claim in trial.launcher.launched)
    executions = Counter(claim.execution_id for claim in trial.launcher.launched)
    slots = Counter((c.task_id, c.scheduled_for, c.attempt) for c in trial.launcher.launched if c.scheduled_for)
    for counted in (starts, executions, slots):
        assert set(counted.values()) <= {1}


def assert_no_slot_ran_and_did_not(trial: Trial, task_id: int) -> None:
    """A range may reach across a slot that ran; it does not count it."""
    read = trial.store.session.dialect.read_instant
    ran = {
        read(row[0])
        for row in trial.rows("SELECT scheduled_for FROM smart_cron_executions WHERE task_id = %s", task_id)
    }
    for gap in trial.store.history.not_run(task_id=task_id, limit=10_000):
        assert gap.count >= 1
        assert gap.first not in ran
        assert gap.last not in ran
