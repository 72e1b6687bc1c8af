"""A day without a master over a thousand minute tasks: each slot of it has the outcome that its task's policy says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.scripted import Bench

from smart_cron.core.task import OnMissed

MakeBench = Callable[..., Bench]
DAY = 86_400.0
# The newest slot is on time whenever a master comes back, so that the others of the day are the missed ones.
MISSED = 1439
TASKS = {OnMissed.LATEST: 600, OnMissed.SKIP: 200, OnMissed.HOLD: 197, OnMissed.ALL: 3}
PASSED_OVER = {OnMissed.LATEST: "coalesced", OnMissed.SKIP: "missed", OnMissed.HOLD: "held"}


@pytest.fixture
def back(make_bench: MakeBench) -> Bench:
    """A master that has just come back and has looked at everything once; nothing is started yet."""
    bench = make_bench(max_concurrent=0)
    for policy, count in TASKS.items():
        insert(bench, policy, count)
    bench.turn()
    bench.clock.advance(DAY)
    bench.new_cycle()
    while bench.rows("SELECT 1 FROM smart_cron_tasks_config WHERE next_run_at <= %s LIMIT 1", bench.clock.now()):
        bench.turn()
    return bench


def insert(bench: Bench, policy: OnMissed, count: int) -> None:
    """Write so many minute tasks by SQL, at once."""
    bench.sql(
        """INSERT INTO smart_cron_tasks_config (task_name, task_script, schedule_pattern, on_missed)
           WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
           SELECT %s || n, '/bin/true', '* * * * *', %s FROM numbers""",
        count,
        str(policy),
        str(policy),
    )


def by_policy(bench: Bench, columns: str, table: str, group: str = "") -> Counter[tuple[Any, ...]]:
    """Return how many rows there are of each policy, task by task summed up."""
    rows = bench.rows(
        f"SELECT on_missed, {columns} FROM {table} JOIN smart_cron_tasks_config tasks ON tasks.id = task_id {group}"
    )
    return Counter(tuple(row) for row in rows)


@pytest.mark.slow
def test_a_day_missed_by_a_thousand_tasks_is_told_slot_by_slot_as_each_policy_says(back: Bench) -> None:
    ranges = by_policy(back, "outcome, slot_count", "smart_cron_skipped_slots")
    runs = by_policy(back, "COUNT(*), COUNT(DISTINCT scheduled_for)", "smart_cron_executions", "GROUP BY task_id")

    assert ranges == {(str(policy), word, MISSED): TASKS[policy] for policy, word in PASSED_OVER.items()}
    assert runs == {
        **{(str(policy), 1, 1): TASKS[policy] for policy in PASSED_OVER},
        (str(OnMissed.ALL), MISSED + 1, MISSED + 1): TASKS[OnMissed.ALL],
    }
