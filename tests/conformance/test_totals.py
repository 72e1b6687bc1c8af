"""The port `TotalStore`, and what is read through it, on every database."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.conformance.scene import Scene

from smart_cron.core.histogram import merged
from smart_cron.core.rollup import Rollup, day_of, hour_of, merge
from smart_cron.core.run import EndCause, Status
from smart_cron.core.run_filter import RunFilter
from smart_cron.store import totals
from smart_cron.store.rollups import forget_lost

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = ("report", "backup", "sync")
ALL = RunFilter()


def never() -> bool:
    return False


@pytest.fixture
def now(scene: Scene) -> datetime:
    """Return the database's clock, and leave no metrics there."""
    scene.sql("DELETE FROM smart_cron_metrics")
    for name in NAMES:
        scene.add(name=name)
    return scene.store.session.now()


@pytest.fixture
def past(scene: Scene, now: datetime) -> datetime:
    """Write three days of runs, on two nodes, up to this very hour; return where they begin."""
    begin = day_of(now) - 3 * DAY
    chance, at = random.Random(7), begin + HOUR
    while at < hour_of(now):
        for name in NAMES:
            ran(scene, name, at, duration=chance.choice((0.5, 1.5, 90.0)), node=chance.choice(("one", "two")))
        at += HOUR * chance.choice((1, 1, 1, 3))
    ran(scene, "report", hour_of(now), duration=2.0)
    return begin


def ran(scene: Scene, name: str, at: datetime, *, duration: float = 1.0, node: str = "one", **how: Any) -> None:
    """Settle a run that ended in the hour *at*."""
    scene.requested(name)
    end = {"duration": duration, "completed_at": at + HOUR / 4, **how.pop("end", {})}
    scene.settle(scene.claim(node=node), end=end, **how)


def plain(scene: Scene, since: datetime, until: datetime, node: str | None = None) -> Rollup:
    """Return the sum of what tasks have, read without any total."""
    tasks = [scene.task(name).id for name in NAMES]
    reads = scene.store.runs
    parts = [
        (
            reads.sums(RunFilter(task_id=task, node=node), since=since, until=until),
            reads.histogram(RunFilter(task_id=task, node=node), since=since, until=until),
        )
        for task in tasks
    ]
    whole = merge([sums for sums, _ in parts], bucket_at=since)
    return Rollup(**{**vars_of(whole), "histogram": merged(histogram for _, histogram in parts)})


def together(scene: Scene, since: datetime, until: datetime, node: str | None = None) -> Rollup:
    """Return the same as pages read it."""
    wanted, reads = RunFilter(node=node), scene.store.runs
    sums = reads.sums(wanted, since=since, until=until)
    return Rollup(**{**vars_of(sums), "histogram": reads.histogram(wanted, since=since, until=until)})


def vars_of(rollup: Rollup) -> dict[str, Any]:
    names = (*Rollup.__dataclass_fields__,)
    return {name: getattr(rollup, name) for name in names}


def close(left: Rollup, right: Rollup) -> bool:
    """Whether these are equal but for the last bits of sums of floats."""
    one, other = vars_of(left), vars_of(right)
    return all(
        one[name] == pytest.approx(other[name]) if isinstance(one[name], float) else one[name] == other[name]
        for name in one
    )


def rows_of(scene: Scene, period: str) -> int:
    (row,) = scene.store.session.rows(f"SELECT COUNT(*) FROM smart_cron_metrics WHERE period = '{period}'")
    return int(row[0])


def reckon(scene: Scene) -> int:
    """Let totals be reckoned; the first call only makes the gate."""
    return scene.store.totals.reckon(enough=never) or scene.store.totals.reckon(enough=never)


def spans(past: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    end = hour_of(now) + HOUR
    return [
        (past, end),
        (past - DAY, end),
        (past + 5 * HOUR, end),
        (past + DAY, past + 2 * DAY),
        (past + 30 * HOUR, end - HOUR),
    ]


def test_the_sum_of_all_tasks_is_the_same_with_totals_and_without(scene: Scene, past: datetime, now: datetime) -> None:
    before = [together(scene, *span) for span in spans(past, now)]
    assert reckon(scene)
    after = [together(scene, *span) for span in spans(past, now)]

    for span, old, new in zip(spans(past, now), before, after, strict=True):
        assert close(old, plain(scene, *span))
        assert close(new, old)
        assert close(together(scene, *span, node="two"), plain(scene, *span, node="two"))
    assert rows_of(scene, "day_total")
    assert rows_of(scene, "hour_total")


def test_totals_are_read_and_not_tasks(scene: Scene, past: datetime, now: datetime) -> None:
    reckon(scene)
    runs = together(scene, past, hour_of(now) + HOUR).runs
    scene.sql("UPDATE smart_cron_metrics SET runs = runs + 100 WHERE period = 'day_total'")

    days = rows_of(scene, "day_total")
    assert together(scene, past, hour_of(now) + HOUR).runs == runs + 100 * days


def test_hours_that_are_not_long_over_have_no_total(scene: Scene, past: datetime, now: datetime) -> None:
    reckon(scene)

    rows = scene.store.session.rows("SELECT MAX(bucket_at) FROM smart_cron_metrics WHERE period = 'hour_total'")
    newest = scene.store.session.dialect.read_instant(rows[0][0])
    assert newest is not None
    assert newest + HOUR <= scene.store.session.now() - totals.SETTLED


def test_nothing_is_reckoned_twice_and_little_at_a_time(scene: Scene, past: datetime) -> None:
    assert scene.store.totals.reckon(enough=never) == 0, "the first call only makes the gate"
    answers = iter([False, False, True])
    assert scene.store.totals.reckon(enough=lambda: next(answers)) == 2
    assert scene.store.totals.reckon(enough=never) > 2
    assert scene.store.totals.reckon(enough=never) == 0


def test_a_late_result_undoes_the_totals_of_its_hour_and_day(scene: Scene, past: datetime, now: datetime) -> None:
    reckon(scene)
    hour, days = past + 30 * HOUR, rows_of(scene, "day_total")
    ran(scene, "sync", hour, duration=700.0)

    assert rows_of(scene, "day_total") < days
    whole = together(scene, past, hour_of(now) + HOUR)
    assert close(whole, plain(scene, past, hour_of(now) + HOUR))
    assert whole.duration_max == 700.0
    assert reckon(scene) == 2
    assert close(together(scene, past, hour_of(now) + HOUR), whole)


def test_a_loss_that_is_taken_back_undoes_them_too(scene: Scene, past: datetime, now: datetime) -> None:
    hour = past + 30 * HOUR
    lost = {"status": Status.LOST, "success": False, "end": {"cause": EndCause.LOST, "started_at": None}}
    ran(scene, "sync", hour, **lost)
    reckon(scene)
    runs = together(scene, past, hour_of(now) + HOUR).runs

    (row,) = scene.store.session.rows("SELECT id FROM smart_cron_executions WHERE status = 'lost'")
    with scene.store.session.transaction():
        forget_lost(scene.store.session, row[0])

    assert together(scene, past, hour_of(now) + HOUR).runs == runs - 1


def test_a_result_of_this_hour_leaves_the_gate_alone(scene: Scene, past: datetime) -> None:
    reckon(scene)
    gate = "SELECT runs FROM smart_cron_metrics WHERE period = 'gate'"
    before = scene.store.session.rows(gate)
    ran(scene, "sync", hour_of(datetime.now(UTC)))

    assert scene.store.session.rows(gate) == before


def test_hours_that_were_made_days_count_once(scene: Scene, past: datetime, now: datetime) -> None:
    for name in NAMES:
        scene.store.cleanup.roll_up(scene.task(name).id, before=past + 2 * DAY, limit=1000)
    whole = plain(scene, past, past + 2 * DAY)
    reckon(scene)

    assert close(together(scene, past, past + 2 * DAY), whole)
    assert rows_of(scene, "day")


def test_days_made_after_their_total_count_once(scene: Scene, past: datetime, now: datetime) -> None:
    reckon(scene)
    whole = plain(scene, past, past + 2 * DAY)
    for name in NAMES:
        scene.store.cleanup.roll_up(scene.task(name).id, before=past + 2 * DAY, limit=1000)

    assert close(together(scene, past, past + 2 * DAY), whole)
    ran(scene, "sync", past + 3 * HOUR, duration=700.0)
    assert together(scene, past, past + 2 * DAY).runs == whole.runs + 1
    reckon(scene)
    assert together(scene, past, past + 2 * DAY).runs == whole.runs + 1


def test_home_is_told_each_hour_of_the_day(scene: Scene, past: datetime, now: datetime) -> None:
    since, until = hour_of(now) - 23 * HOUR, hour_of(now) + HOUR
    before = scene.store.overview.sums(None, since=since, until=until)
    reckon(scene)
    after = {each.bucket_at: each for each in scene.store.overview.sums(None, since=since, until=until)}

    assert before
    assert all(close(each, after[each.bucket_at]) for each in before)
    assert sum(each.runs for each in after.values()) == sum(each.runs for each in before)


def test_the_spread_of_a_long_span_is_read_only_where_there_are_totals(
    scene: Scene, past: datetime, now: datetime
) -> None:
    until, reads = hour_of(now) + HOUR, scene.store.runs
    assert reads.spread_since(ALL, since=past, until=until) == until - 2 * HOUR
    reckon(scene)

    assert reads.spread_since(ALL, since=past, until=until) == past
    assert reads.spread_since(RunFilter(task_id=1), since=past, until=until) == past


def test_a_total_is_not_kept_where_somebody_was_adding_meanwhile(
    scene: Scene, past: datetime, now: datetime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever adds has not committed when the sums are read: on SQLite they wait, elsewhere the gate tells."""
    reckon(scene)
    hour, store = past + 30 * HOUR, scene.store
    ran(scene, "sync", hour)
    read, may_commit, reckoned = threading.Event(), threading.Event(), totals.Totals._reckoned

    def adds() -> None:
        try:
            with store.session.transaction():
                ran(scene, "backup", hour, duration=33.0)
                read.set()
                assert may_commit.wait(20)
        finally:
            store.database.close()

    def reckoned_while_added(self: totals.Totals, *what: Any) -> Any:
        found = reckoned(self, *what)
        may_commit.set()
        return found

    monkeypatch.setattr(totals.Totals, "_reckoned", reckoned_while_added)
    adder = threading.Thread(target=adds)
    adder.start()
    assert read.wait(20)
    reckon(scene)
    adder.join(20)
    monkeypatch.undo()
    reckon(scene)

    assert close(together(scene, past, hour_of(now) + HOUR), plain(scene, past, hour_of(now) + HOUR))
