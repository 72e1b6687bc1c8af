"""The ports `CleanupStore` and `CleanupBook`, and the rows' part of the clean-up, on every database."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.scene import FAILED, NOON, Scene
from tests.emptying import unguarded
from tests.servers import Server

from smart_cron.config.retention import RetentionConfig
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.histogram import from_text
from smart_cron.core.retention import OldRows
from smart_cron.core.rollup import Rollup, by_day, day_of, merge
from smart_cron.core.run import EndCause, Status
from smart_cron.core.run_filter import RunFilter
from smart_cron.core.task import OnMissed
from smart_cron.services.cleanup.report import Done
from smart_cron.services.cleanup.rows import Rows
from smart_cron.store import cleanup
from smart_cron.store.gateway import Store, open_store

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
POLICY = RetentionConfig(keep_runs=0).policy()
LONG_AGO = NOON - 100 * DAY
LATE = NOON + 50 * DAY


def rows_of(scene: Scene, *, sheltered: Sequence[str] = (), dry_run: bool = False, **policy: Any) -> Rows:
    return Rows(
        store=scene.store.cleanup,
        retention=replace(POLICY, **policy),
        now=lambda: NOON,
        sheltered=lambda: sheltered,
        sleep=lambda _: None,
        dry_run=dry_run,
    )


def executions(scene: Scene, *, sheltered: Sequence[str] = (), dry_run: bool = False, **policy: Any) -> Done:
    return rows_of(scene, sheltered=sheltered, dry_run=dry_run, **policy).executions(lambda _: None)


def of_kind(scene: Scene, kind: OldRows, *, dry_run: bool = False) -> int:
    return rows_of(scene, dry_run=dry_run).of_kind(kind, lambda _: None).count


def instant(scene: Scene, at: datetime | None) -> str | None:
    return None if at is None else scene.store.session.dialect.instant(at)


def entered(scene: Scene, *, ended: datetime | None = LONG_AGO, started: datetime | None = None, **columns: Any) -> int:
    """Enter an execution as it stands; return its number."""
    values = {
        "task_id": 1,
        "task_name": "report",
        "status": "success",
        "started_at": instant(scene, started or (ended and ended - timedelta(minutes=1))),
        "completed_at": instant(scene, ended),
        **columns,
    }
    marks = ", ".join(["%s"] * len(values))
    return scene.store.session.insert(
        f"INSERT INTO smart_cron_executions ({', '.join(values)}) VALUES ({marks})", list(values.values())
    )


def left(scene: Scene) -> list[int]:
    return [row[0] for row in scene.store.session.rows("SELECT id FROM smart_cron_executions ORDER BY id")]


# executions ------------------------------------------------------------------------------------------------


def test_old_runs_go_and_younger_ones_stay(scene: Scene) -> None:
    for _ in range(3):
        entered(scene)
    young = [entered(scene, ended=NOON - 89 * DAY), entered(scene, ended=NOON)]

    done = executions(scene)

    assert (done.count, done.faults) == (3, ())
    assert timedelta() < done.longest_lock
    assert left(scene) == young


def test_a_run_that_began_long_ago_is_as_old_as_its_end(scene: Scene) -> None:
    long_one = entered(scene, started=LONG_AGO - 30 * DAY, ended=NOON - DAY)

    executions(scene)

    assert left(scene) == [long_one]


def test_runs_that_never_started_go_too(scene: Scene) -> None:
    for status in ("missed", "skipped", "start_failed", "killed"):
        entered(scene, status=status, started_at=None)

    assert executions(scene).count == 4


@pytest.mark.parametrize("status", ["waiting", "delayed", "queued", "blocked", "claimed", "running", "unreachable"])
def test_what_waits_or_runs_stays_whatever_its_row_says(scene: Scene, status: str) -> None:
    number = entered(scene, status=status)
    pending = entered(scene, status=status, completed_at=None)

    executions(scene)

    assert left(scene) == [number, pending]


def test_the_newest_runs_of_each_task_stay_however_old(scene: Scene) -> None:
    first = [entered(scene, task_id=1) for _ in range(4)]
    second = [entered(scene, task_id=2) for _ in range(2)]
    third = [entered(scene, task_id=3) for _ in range(3)]

    assert executions(scene, keep_runs=3).count == 1
    assert left(scene) == [*first[1:], *second, *third]


def test_a_run_whose_file_is_still_there_stays(scene: Scene) -> None:
    run_ids = [scene.run_id() for _ in range(3)]
    numbers = [entered(scene, run_id=run_id) for run_id in run_ids]

    executions(scene, sheltered=[run_ids[1], scene.run_id()])

    assert left(scene) == [numbers[1]]


def test_a_loss_that_its_own_node_may_correct_stays_until_it_is_back(scene: Scene) -> None:
    node(scene, "away", heard=LONG_AGO - DAY)
    node(scene, "back", heard=NOON)
    node(scene, "struck", heard=LONG_AGO - DAY, forgotten=NOON)
    doubtful = entered(scene, status="lost", settled_by="other", node="away")
    for name in ("back", "struck", "unknown"):
        entered(scene, status="lost", settled_by="other", node=name)
    entered(scene, status="lost", node="away")

    assert executions(scene).count == 4
    assert left(scene) == [doubtful]


def node(scene: Scene, name: str, *, heard: datetime, forgotten: datetime | None = None) -> None:
    scene.sql(
        """INSERT INTO smart_cron_nodes
            (node_name, identity, boot_id, host, version, max_concurrent, heartbeat_at, forgotten_at)
         VALUES (%s, 'i', 'b', 'h', '1', 1, %s, %s)""",
        [name, instant(scene, heard), instant(scene, forgotten)],
    )


def test_a_run_that_is_opened_again_meanwhile_stays(scene: Scene) -> None:
    number = entered(scene)
    ((run,),) = scene.store.cleanup.old_runs(before=NOON)
    scene.sql("UPDATE smart_cron_executions SET status = 'unreachable' WHERE id = %s", [number])

    cut = scene.store.cleanup.delete_runs([run.id], before=NOON)

    assert (cut.looked_at, cut.rows) == (1, 0)


def test_a_dry_run_counts_the_same_and_deletes_nothing(scene: Scene) -> None:
    for _ in range(5):
        entered(scene)
    before = left(scene)

    would = executions(scene, keep_runs=2, dry_run=True).count

    assert left(scene) == before
    assert executions(scene, keep_runs=2).count == would == 3


def test_without_an_age_nothing_goes(scene: Scene) -> None:
    entered(scene)

    assert executions(scene, executions=None).count == 0


def test_portions_hang_together_where_many_started_at_one_instant(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "PORTION", 10)
    count = 25
    with scene.store.database.transaction():
        for _ in range(count):
            entered(scene)
            entered(scene, status="missed", started_at=None)

    found = [run.id for portion in scene.store.cleanup.old_runs(before=NOON) for run in portion]

    assert len(found) == len(set(found)) == 2 * count
    assert executions(scene, keep_runs=10).count == 2 * count - 10


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    runs=st.lists(st.tuples(st.integers(1, 3), st.integers(-120, 0), st.booleans()), max_size=25),
    keep=st.integers(0, 5),
)
def test_the_newest_n_of_each_task_stay_and_nothing_else_that_is_old(
    scene: Scene, runs: list[tuple[int, int, bool]], keep: int
) -> None:
    scene.sql("DELETE FROM smart_cron_executions")
    entries = [
        (entered(scene, task_id=task, ended=NOON + days * DAY, **({} if began else {"started_at": None})), task, days)
        for task, days, began in runs
    ]

    executions(scene, keep_runs=keep)

    newest = {
        number
        for wanted in (1, 2, 3)
        for number in sorted((number for number, task, _ in entries if task == wanted), reverse=True)[:keep]
    }
    assert set(left(scene)) == newest | {number for number, _, days in entries if days >= -90}


# rows that go by their age ---------------------------------------------------------------------------------


def test_skipped_slots_go_and_held_ones_wait_for_a_person(scene: Scene) -> None:
    for outcome, last in (("missed", LONG_AGO), ("held", LONG_AGO), ("skipped", NOON), ("coalesced", None)):
        scene.sql(
            """INSERT INTO smart_cron_skipped_slots (task_id, task_name, first_slot, last_slot, slot_count, outcome,
                reason, schedule_pattern, time_zone, recorded_at) VALUES (1, 'a', %s, %s, 1, %s, 'r', '* * * * *',
                'UTC', %s)""",
            [instant(scene, LONG_AGO), instant(scene, last), outcome, instant(scene, LONG_AGO)],
        )

    assert of_kind(scene, OldRows.SKIPPED_SLOTS, dry_run=True) == 2
    assert of_kind(scene, OldRows.SKIPPED_SLOTS) == 2
    outcomes = scene.store.session.rows("SELECT outcome FROM smart_cron_skipped_slots ORDER BY id")
    assert outcomes == [("held",), ("skipped",)]


def test_held_slots_can_still_be_decided_on_after_a_clean_up(scene: Scene) -> None:
    scene.add(on_missed=OnMissed.HOLD)
    scene.sql(
        """INSERT INTO smart_cron_skipped_slots (task_id, task_name, first_slot, last_slot, slot_count, outcome,
            reason, schedule_pattern, time_zone, recorded_at) VALUES (%s, 'report', %s, %s, 1, 'held', 'r',
            '* * * * *', 'UTC', %s)""",
        [scene.task().id, *[instant(scene, LONG_AGO - 900 * DAY)] * 3],
    )

    for kind in OldRows:
        of_kind(scene, kind)

    assert len(scene.store.held.held()) == 1


def test_findings_samples_and_expired_limits_go_by_their_time(scene: Scene) -> None:
    scene.store.health.note([Finding(check="memory", status=CheckStatus.OK, message="well.")])
    old, young = instant(scene, NOON - 40 * DAY), instant(scene, NOON)
    for at in (old, young):
        scene.sql("INSERT INTO smart_cron_health_checks (check_name, status, checked_at) VALUES ('a', 'ok', %s)", [at])
        scene.sql("INSERT INTO smart_cron_node_samples (node, sampled_at) VALUES ('one', %s)", [at])
        scene.sql("INSERT INTO smart_cron_rate_limits (limit_key, hits, expires_at) VALUES (%s, 1, %s)", [at, at])

    for kind in (OldRows.HEALTH_CHECKS, OldRows.NODE_SAMPLES, OldRows.RATE_LIMITS):
        assert (of_kind(scene, kind, dry_run=True), of_kind(scene, kind)) == (1, 1)
    assert [scene.count(f"smart_cron_{name}") for name in ("health_checks", "node_samples", "rate_limits")] == [2, 1, 1]


def test_alerts_go_once_they_are_resolved_and_told(scene: Scene) -> None:
    long_ago = instant(scene, NOON - 200 * DAY)
    kept = [
        {"resolved": 0, "resolved_at": None, "untold": 0},
        {"resolved": 1, "resolved_at": long_ago, "untold": 1},
        {"resolved": 1, "resolved_at": instant(scene, NOON), "untold": 0},
    ]
    gone = [
        {"resolved": 1, "resolved_at": long_ago, "untold": 0},
        # As the specification's UPDATE may be shortened by hand.
        {"resolved": 1, "resolved_at": None, "untold": 0},
    ]
    for row in (*kept, *gone):
        scene.sql(
            """INSERT INTO smart_cron_alerts (alert_type, severity, message, created_at, resolved, resolved_at, untold)
             VALUES ('task_failure', 'error', 'm', %s, %s, %s, %s)""",
            [long_ago, *row.values()],
        )

    assert of_kind(scene, OldRows.ALERTS) == 2
    assert scene.count("smart_cron_alerts") == 3


def test_messages_that_are_pending_stay(scene: Scene) -> None:
    for status in ("pending", "sent", "failed", "dropped"):
        scene.sql(
            """INSERT INTO smart_cron_deliveries (created_at, kind, channel, subject, status)
             VALUES (%s, 'alert', 'email', 's', %s)""",
            [instant(scene, LONG_AGO), status],
        )

    assert of_kind(scene, OldRows.DELIVERIES) == 3
    assert scene.store.session.rows("SELECT status FROM smart_cron_deliveries") == [("pending",)]


def test_audit_rows_and_revisions_outlive_everything(scene: Scene) -> None:
    scene.add()
    with unguarded(scene.store.session):
        scene.sql("UPDATE smart_cron_audit_log SET created_at = %s", [instant(scene, LONG_AGO - 9000 * DAY)])
    audited, revisions = scene.count("smart_cron_audit_log"), scene.count("smart_cron_task_revisions")

    executions(scene)
    for kind in OldRows:
        of_kind(scene, kind)

    assert (scene.count("smart_cron_audit_log"), scene.count("smart_cron_task_revisions")) == (audited, revisions)


# metrics ---------------------------------------------------------------------------------------------------

HOURLY = OldRows.HOURLY_METRICS


def hours_made_days(scene: Scene, *, now: datetime = LATE, days: int = 30, dry_run: bool = False) -> int:
    rows = replace(rows_of(scene, dry_run=dry_run, rows={HOURLY: days * DAY}), now=lambda: now)
    return rows.hours(lambda _: None).count


def ran_for_days(scene: Scene, *names: str) -> None:
    chance = random.Random(7)
    for number in range(24):  # four days of them
        for name in names:
            ended = NOON + number * timedelta(hours=3.7)
            end = {"duration": chance.expovariate(1) + 0.01, "completed_at": ended, "memory_peak_bytes": 10**7 * number}
            scene.ran(name, **(FAILED if number % 5 == 0 else {}), end=end)


def series(scene: Scene, task_id: int) -> list[Rollup]:
    return scene.store.rollups.series(task_id=task_id, since=NOON - DAY, until=NOON + 10 * DAY)


def all_tasks(scene: Scene) -> Rollup:
    since = day_of(NOON - DAY)
    return scene.store.runs.sums(RunFilter(), since=since, until=since + 12 * DAY)


def close(one: list[Rollup], other: list[Rollup]) -> bool:
    """Equal but for the last digit of sums of fractions."""
    return [_rounded(each) for each in one] == [_rounded(each) for each in other]


def _rounded(rollup: Rollup) -> Rollup:
    sums = ("duration_sum", "lateness_sum", "cpu_seconds")
    return replace(rollup, **{name: round(getattr(rollup, name), 6) for name in sums})


@pytest.mark.slow
def test_hours_become_the_exact_sum_of_their_day(scene: Scene) -> None:
    ran_for_days(scene, "report", "other")
    tasks = [scene.task(name).id for name in ("report", "other")]
    days = [by_day(series(scene, task_id)) for task_id in tasks]
    counts = scene.store.rollups.counts_by_task(since=NOON - DAY, until=LATE)
    together = all_tasks(scene)

    made = hours_made_days(scene)

    assert made == 48
    assert scene.store.session.rows("SELECT DISTINCT period FROM smart_cron_metrics") == [("day",)]
    assert [close(series(scene, task_id), before) for task_id, before in zip(tasks, days, strict=True)] == [True, True]
    assert close([all_tasks(scene)], [together])
    assert scene.store.rollups.counts_by_task(since=NOON - DAY, until=LATE) == counts
    stored = scene.store.session.rows("SELECT duration_p95, duration_histogram FROM smart_cron_metrics ORDER BY id")
    assert all(p95 is not None and sum(from_text(text).values()) for p95, text in stored)


@pytest.mark.slow
def test_days_that_are_not_over_yet_stay_hours(scene: Scene) -> None:
    ran_for_days(scene, "report")

    # The second of four days has just gone out of its time.
    made = hours_made_days(scene, now=NOON.replace(hour=0) + 32 * DAY + HOUR)

    periods = scene.store.session.rows("SELECT period, COUNT(*) FROM smart_cron_metrics GROUP BY period ORDER BY 1")
    assert periods == [("day", 2), ("hour", 24 - made)]
    assert made == 10


@pytest.mark.slow
def test_a_dry_run_counts_the_hours(scene: Scene) -> None:
    ran_for_days(scene, "report")

    assert hours_made_days(scene, dry_run=True) == 24
    assert hours_made_days(scene) == 24


def test_an_hour_that_comes_late_is_added_to_its_day(scene: Scene) -> None:
    scene.ran(end={"duration": 1.0})
    hours_made_days(scene)
    scene.ran(**FAILED, end={"duration": 3.0})

    (now,) = series_by_day(scene)
    hours_made_days(scene)

    (day,) = series(scene, scene.task().id)
    assert day == now
    assert (day.runs, day.failures, day.duration_sum, day.duration_max) == (2, 1, 4.0, 3.0)
    assert scene.count("smart_cron_metrics") == 1


def series_by_day(scene: Scene) -> list[Rollup]:
    parts = series(scene, scene.task().id)
    return [merge(parts, bucket_at=by_day(parts)[0].bucket_at)]


def test_a_task_that_was_deleted_keeps_its_days(scene: Scene) -> None:
    scene.ran()
    task = scene.task()
    scene.store.tasks.remove(task.id, actor="test", now=NOON)

    assert hours_made_days(scene) == 1
    assert [day.runs for day in series(scene, task.id)] == [1]


def test_a_loss_that_is_taken_back_is_taken_from_its_day(scene: Scene) -> None:
    number = scene.requested()
    scene.settle(scene.claim(), status=Status.LOST, success=False, end={"cause": EndCause.LOST, "started_at": None})
    scene.sql("UPDATE smart_cron_executions SET settled_by = 'other' WHERE id = %s", [number])
    hours_made_days(scene)
    run_id = scene.execution(number)["run_id"]

    with scene.store.database.transaction():
        assert scene.store.nodes.reopen_lost([(number, run_id)]) == {run_id}

    assert [(day.runs, day.failures) for day in series(scene, scene.task().id)] == [(0, 0)]


def test_days_go_when_their_time_is_over(scene: Scene) -> None:
    scene.ran()
    hours_made_days(scene)
    rows = replace(rows_of(scene, rows={OldRows.DAILY_METRICS: 365 * DAY}), now=lambda: NOON + 366 * DAY)

    assert rows.of_kind(OldRows.DAILY_METRICS, lambda _: None).count == 1
    assert scene.count("smart_cron_metrics") == 0


# the book --------------------------------------------------------------------------------------------------


def test_the_last_whole_clean_up_is_known_by_the_audit_log(scene: Scene) -> None:
    book, began = scene.store.cleanup_book, scene.store.database.now() - HOUR
    assert book.done_since(began) is None

    book.note({"executions": 3}, actor="cli:root", is_whole=False)
    assert book.done_since(began) is None

    book.note({"executions": 3}, actor="cli:root", is_whole=True)
    at = book.done_since(began)
    assert at is not None
    assert at >= began
    assert book.done_since(at + HOUR) is None
    (row,) = scene.store.session.rows("SELECT actor, new_values FROM smart_cron_audit_log WHERE action = 'cleanup'")
    assert row == ("cli:root", '{"executions": 3}')


def test_run_ids_are_known_with_their_end(scene: Scene) -> None:
    over, open_one, unknown = scene.run_id(), scene.run_id(), scene.run_id()
    numbers = entered(scene, run_id=over), entered(scene, run_id=open_one, status="running", completed_at=None)

    known = scene.store.cleanup.known_runs([over, open_one, unknown])

    assert {run_id: (run.id, run.is_final) for run_id, run in known.items()} == {
        over: (numbers[0], True),
        open_one: (numbers[1], False),
    }


def test_the_planner_is_told_of_a_table_where_its_server_does_not_do_so_itself(scene: Scene) -> None:
    scene.ran()
    table, kind = "smart_cron_executions", scene.store.session.dialect.name

    count = scene.store.statistics.refresh([table])

    assert count == (0 if kind == "mysql" else 1)
    if kind == "sqlite":
        assert scene.store.session.row("SELECT 1 FROM sqlite_stat1 WHERE tbl = %s", [table]) is not None
    if kind == "postgresql":
        assert scene.store.session.row("SELECT reltuples FROM pg_class WHERE relname = %s", [table]) == (1,)


def test_a_table_that_somebody_holds_keeps_nobody_waiting(opened: Callable[[str], Store], postgresql: Server) -> None:
    """On PostgreSQL; SQLite has but one lock, for which everybody waits in turns."""
    store = opened("postgresql")
    other = open_store(postgresql.url("smart_cron"), alias="holder", timeout_seconds=10)
    with other.database.transaction():
        other.session.execute("LOCK TABLE smart_cron_alerts IN SHARE UPDATE EXCLUSIVE MODE")

        assert store.statistics.refresh(["smart_cron_alerts"]) == 0
    other.database.close()
