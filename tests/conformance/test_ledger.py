"""The port `LedgerStore`: everything that became of slots, page by page, the same on every database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.conformance.scene import FAILED, MINUTE, NOON, SECOND, Scene
from tests.emptying import unguarded

from smart_cron.core.ledger import LedgerEntry, LedgerRun, LedgerTask, lines
from smart_cron.core.run import SlotOutcome, SlotRange, Status
from smart_cron.services.ledger import counts, entries
from smart_cron.store import ledger as ledger_file

pytestmark = pytest.mark.slow

INSTANT = timedelta(microseconds=1)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page has three rows, so that few rows make many pages."""
    monkeypatch.setattr(ledger_file, "PAGE", 3)


def not_run(scene: Scene, first: int, last: int, *, outcome: SlotOutcome = SlotOutcome.MISSED, **changes: Any) -> None:
    """Record a range from minute to minute, by the way of planning."""
    gap = SlotRange(
        first=NOON + first * MINUTE,
        last=NOON + last * MINUTE,
        count=last - first + 1,
        outcome=outcome,
        reason="nobody was there",
    )
    with scene.store.database.transaction():
        tasks = scene.store.plans.lock_due(now=NOON + 10_000 * MINUTE, limit=10)
        scene.store.plans.save_plans([scene.plan(task, not_run=(gap,), **changes) for task in tasks], now=NOON)


def told(found: Sequence[LedgerEntry]) -> list[tuple[float, int | None, str]]:
    """Return (minutes after noon, attempt, status) of each."""
    return [
        ((each.belongs_at - NOON) / MINUTE, each.attempt, str(each.status))
        if isinstance(each, LedgerRun)
        else ((each.slot - NOON) / MINUTE, None, str(each.gap.outcome))
        for each in found
    ]


def ledger(scene: Scene, **bounds: Any) -> list[LedgerEntry]:
    return list(entries(scene.store.ledger, scene.store.ledger.tasks()[0].task_id, **bounds))


@pytest.fixture
def full(scene: Scene, small_pages: None) -> Scene:
    """Slots of minutes 0 to 19: 0 to 7 ran, 8 to 11 were missed, 12 to 15 ran, 16 to 19 were skipped."""
    scene.add()
    scene.planned()
    for minute in (*range(8), *range(12, 16)):
        scene.start(at=NOON + minute * MINUTE)
    scene.settle(scene.claim())
    not_run(scene, 8, 11)
    not_run(scene, 16, 19, outcome=SlotOutcome.SKIPPED)
    return scene


def test_executions_and_slots_that_did_not_run_come_in_the_order_of_slots(full: Scene) -> None:
    ran = [(minute, 1, "success") for minute in range(8)]
    ran_too = [(minute, 1, "success") for minute in range(12, 16)]
    missed = [(minute, None, "missed") for minute in range(8, 12)]
    skipped = [(minute, None, "skipped") for minute in range(16, 20)]

    assert told(ledger(full)) == [*ran, *missed, *ran_too, *skipped]


@pytest.mark.parametrize(("since", "until"), [(0, 20), (3, 9), (10, 18), (9, 10), (16, 17), (5, 5), (30, 40)])
def test_an_interval_takes_its_beginning_and_not_its_end(full: Scene, since: int, until: int) -> None:
    found = ledger(full, since=NOON + since * MINUTE, until=NOON + until * MINUTE)

    assert [minute for minute, _, _ in told(found)] == [*range(since, min(until, 20))]


def test_counts_are_those_of_the_lines(full: Scene) -> None:
    [task] = full.store.ledger.tasks()

    assert counts(full.store.ledger, task.task_id) == {"success": 12, "missed": 4, "skipped": 4}
    some = counts(full.store.ledger, task.task_id, since=NOON + 10 * MINUTE, until=NOON + 18 * MINUTE)
    assert some == {"missed": 2, "success": 4, "skipped": 2}


def test_attempts_follow_each_other_across_pages(scene: Scene, small_pages: None) -> None:
    scene.add()
    scene.planned()
    scene.start()
    for attempt in range(1, 8):
        again = None if attempt == 7 else NOON + attempt * SECOND
        scene.settle(scene.claim(), **FAILED | {"retry_at": again, "slot_failed": again is None})
        with scene.store.database.transaction():
            scene.store.plans.release_delayed(now=NOON + 100 * SECOND)

    assert told(ledger(scene)) == [(0, attempt, "failed") for attempt in range(1, 8)]


def test_runs_by_hand_come_at_the_time_they_were_asked_for(scene: Scene, small_pages: None) -> None:
    task = scene.add(on_overlap="allow")
    scene.planned()
    for minute in (1, 3, 5, 7, 9):
        scene.store.tasks.request_run(task.id, arguments=None, actor="ann", now=NOON + (minute + 0.5) * MINUTE)
    not_run(scene, 2, 6)
    not_run(scene, 7, 7)

    found = told(ledger(scene, since=NOON + 3 * MINUTE, until=NOON + 9 * MINUTE))

    assert [minute for minute, _, _ in found] == [3, 3.5, 4, 5, 5.5, 6, 7, 7.5]
    assert {run.requested_by for run in scene.store.ledger.runs_by_hand(task.id, since=None, until=None)} == {"ann"}


def test_slots_that_ran_within_a_range_are_told_once(full: Scene) -> None:
    """As after the clock was set back: a range reaches across slots that ran, and does not count them."""
    gap = SlotRange(
        first=NOON + 20 * MINUTE,
        last=NOON + 25 * MINUTE,
        count=5,
        outcome=SlotOutcome.MISSED,
        reason="nobody was there",
    )
    full.start(at=NOON + 22 * MINUTE)
    with full.store.database.transaction():
        [task] = full.store.plans.lock_due(now=NOON + 10_000 * MINUTE, limit=10)
        full.store.plans.save_plans([full.plan(task, not_run=(gap,))], now=NOON)

    found = told(ledger(full, since=NOON + 20 * MINUTE))

    assert [(minute, attempt) for minute, attempt, _ in found] == [
        (20, None), (21, None), (22, 1), (23, None), (24, None), (25, None),
    ]  # fmt: skip


def test_deleted_tasks_keep_their_lines_under_their_last_name(full: Scene) -> None:
    number = full.task().id
    full.store.tasks.remove(number, actor="test", now=NOON)
    full.add("another")

    tasks = full.store.ledger.tasks()

    assert [(task.name, task.exists) for task in tasks] == [("another", True), ("report", False)]
    assert len(list(entries(full.store.ledger, number))) == 20


def test_a_task_of_which_only_ranges_are_kept_is_found(scene: Scene, small_pages: None) -> None:
    for number in range(7):
        scene.add(f"t{number}")
    scene.planned()
    not_run(scene, 0, 0)
    scene.sql("DELETE FROM smart_cron_tasks_config")

    assert [task.name for task in scene.store.ledger.tasks()] == [f"t{number}" for number in range(7)]


def test_an_empty_database_has_no_tasks_and_no_lines(scene: Scene) -> None:
    assert scene.store.ledger.tasks() == []
    assert list(entries(scene.store.ledger, 1)) == []
    assert scene.store.ledger.last_slot(1, until=NOON) is None
    assert scene.store.ledger.marks(1) is None


def test_a_line_says_what_the_row_says(scene: Scene) -> None:
    scene.add()
    scene.planned()
    scene.start(at=NOON + INSTANT)
    end = {"stdout_bytes": 5, "output_sha256": "ab" * 32, "output_truncated": True, "term_signal": 15, "duration": 2.5}
    scene.settle(scene.claim(), **FAILED | {"error_message": "Exit code 3: no", "exit_code": 143, "end": end})

    [line] = lines(ledger(scene))
    assert line == (
        '{"task": "report", "scheduled_for": "2026-03-01T12:00:00.000001Z", "attempt": 1, "status": "failed", '
        '"reason": "Exit code 3: no", "started_at": "2026-03-01T12:00:00.000000Z", '
        '"completed_at": "2026-03-01T12:00:02.000000Z", "duration": 2.5, "exit_code": 143, "term_signal": 15, '
        '"triggered_by": "cron", "run_id": "00000000-0000-7000-8000-000000000001", "node": "one", '
        f'"output_bytes": 5, "output_sha256": "{"ab" * 32}", "output_truncated": true}}'
    )


def test_the_last_slot_is_the_latest_that_ran_or_did_not(full: Scene) -> None:
    number = full.task().id

    assert full.store.ledger.last_slot(number, until=NOON + 100 * MINUTE) == NOON + 19 * MINUTE
    assert full.store.ledger.last_slot(number, until=NOON + 15 * MINUTE + INSTANT) == NOON + 15 * MINUTE
    assert full.store.ledger.last_slot(number, until=NOON) is None


def test_the_past_of_a_task_is_read_in_order_with_what_changed(scene: Scene) -> None:
    task = scene.add()
    scene.store.tasks.set_enabled(task.id, False, actor="ann")
    scene.store.tasks.set_next_run(task.id, NOON + INSTANT, actor="bob")
    scene.store.tasks.remove(task.id, actor="ann", now=NOON)

    changes = scene.store.ledger.changes(task.id)

    assert [(change.action, change.actor) for change in changes] == [
        ("create", "test"), ("disable", "ann"), ("update", "bob"), ("delete", "ann"),
    ]  # fmt: skip
    assert (changes[1].old, changes[1].new) == ({"enabled": 1}, {"enabled": 0})
    assert str(changes[2].new["next_run_at"]).startswith("2026-03-01 12:00:00.000001")
    assert changes[3].old["schedule_pattern"] == "* * * * *"


def test_an_audit_row_that_was_cut_says_nothing(scene: Scene) -> None:
    task = scene.add()
    with unguarded(scene.store.session):
        scene.sql("UPDATE smart_cron_audit_log SET new_values = '{\"schedule'")

    assert [change.new for change in scene.store.ledger.changes(task.id)] == [{}]


def test_marks_say_what_planning_saw(scene: Scene) -> None:
    task = scene.add()
    unseen = scene.store.ledger.marks(task.id)
    scene.planned()
    seen = scene.store.ledger.marks(task.id)

    assert unseen is not None
    assert (unseen.schedule, unseen.accounted_until, unseen.set_by_hand) == (None, None, False)
    assert seen is not None
    assert (seen.schedule, seen.zone, seen.enabled) == ("* * * * *", "UTC", True)
    assert (seen.accounted_until, seen.next_run_at) == (NOON - MINUTE, NOON)


def test_a_task_is_told_by_number_not_by_name(scene: Scene) -> None:
    first = scene.add()
    scene.store.tasks.remove(first.id, actor="test", now=NOON)
    second = scene.add()
    scene.store.tasks.request_run(second.id, arguments=None, actor="test", now=NOON)

    assert scene.store.ledger.tasks() == [LedgerTask(task_id=second.id, name="report", exists=True)]
    assert [run.status for run in scene.store.ledger.runs_by_hand(second.id, since=None, until=None)] == [
        Status.WAITING
    ]


def test_words_that_sql_put_there_are_told_as_they_stand(full: Scene) -> None:
    full.sql("UPDATE smart_cron_executions SET status = 'eaten' WHERE scheduled_for = %s", [_text(full, 3)])
    full.sql("UPDATE smart_cron_skipped_slots SET outcome = 'lunch' WHERE outcome = 'skipped'")

    words = [status for _, _, status in told(ledger(full))]

    assert (words.count("eaten"), words.count("lunch"), len(words)) == (1, 4, 20)


def _text(scene: Scene, minute: int) -> str:
    return scene.store.session.dialect.instant(NOON + minute * MINUTE)
