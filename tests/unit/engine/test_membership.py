"""Several nodes on one database: who is silent, what becomes of their runs, and what a restored database stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.engine.scripted import Bench

from smart_cron.core.errors import NodeNameTakenError, RestoredDatabaseError
from smart_cron.core.run import EndCause

# Longer than any timeout in these tests, and than the launch window and all patience beside it.
LONG = 3 * 3600.0


def other_node(bench: Bench, **settings: Any) -> Bench:
    """A second node on the same database."""
    return Bench(bench.store, node="two", incarnation="boot:other", **settings)


def age(bench: Bench, node: str, seconds: float) -> None:
    """Let a node's last word lie so far back, by the database's clock."""
    then = bench.store.session.dialect.instant(bench.store.database.now() - timedelta(seconds=seconds))
    bench.sql("UPDATE smart_cron_nodes SET heartbeat_at = %s, started_at = %s WHERE node_name = %s", then, then, node)


def long_ago(bench: Bench) -> None:
    """The bench's clock stands in the past: claims made by it are old by the database's clock already."""
    assert bench.clock.now() < bench.store.database.now() - timedelta(days=30)


def start_one(bench: Bench, **changes: Any) -> str:
    """Have a run under way on this node; return its run id."""
    task = bench.add(**changes)
    bench.ask(task)
    bench.turn()
    return bench.launcher.launched[-1].run_id


def test_runs_of_a_node_that_fell_silent_are_unreachable_and_their_node_is_named(bench: Bench) -> None:
    bench.membership().enter()
    start_one(bench)
    two = other_node(bench)
    two.membership().enter()
    age(bench, "one", 60)

    two.membership().beat()

    assert bench.statuses() == ["unreachable"]
    assert [fields for _, event, fields in two.log.events if event == "Node fell silent"] == [{"silent_node": "one"}]


def test_a_hold_is_told_loudly_and_once_and_so_is_its_end(bench: Bench) -> None:
    membership = bench.membership()
    membership.enter()
    bench.store.holds.hold("stopped", reason="the disk burns", actor="cli:ann")

    for _ in range(3):
        membership.beat()

    assert [(level, fields) for level, event, fields in bench.log.events if event == "Starts are held back"] == [
        ("critical", {"kind": "stopped", "reason": "the disk burns", "by": "cli:ann"})
    ]
    bench.store.holds.release("stopped", actor="cli:ann")
    membership.beat()
    membership.beat()
    assert bench.log.count("Starts go on, a hold has ended") == 1


def test_tables_of_a_newer_version_under_a_master_at_work_are_told_loudly_and_once(bench: Bench) -> None:
    membership = bench.membership()
    membership.enter()
    membership.beat()
    bench.sql("INSERT INTO django_migrations (app, name, applied) VALUES ('smart_cron', '9999_later', '2030-01-01')")

    try:
        for _ in range(3):
            bench.clock.advance(61)
            membership.beat()
    finally:
        bench.sql("DELETE FROM django_migrations WHERE name = '9999_later'")

    [(level, fields)] = [(one, of) for one, event, of in bench.log.events if event == "Tables do not fit this version"]
    assert level == "critical"
    assert "9999_later" in str(fields["reason"])


def test_a_node_that_beats_is_left_alone(bench: Bench) -> None:
    bench.membership().enter()
    start_one(bench)
    two = other_node(bench)
    two.membership().enter()

    two.membership().beat()

    assert bench.statuses() == ["running"]


def test_runs_that_can_no_longer_live_are_lost_and_retried_where_the_task_says_so(bench: Bench) -> None:
    long_ago(bench)
    bench.membership().enter()
    start_one(bench, retry_lost=True, max_retries=1, timeout=timedelta(minutes=10))
    two = other_node(bench)
    two.membership().enter()
    age(bench, "one", LONG)

    two.membership().beat()

    assert bench.statuses() == ["lost", "delayed"]
    assert bench.rows("SELECT settled_by, late FROM smart_cron_executions ORDER BY id") == [("two", 0), (None, 0)]


def test_what_the_loss_of_a_silent_nodes_run_sets_free_is_noticed_although_nobody_else_writes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on SQLite, where several masters may share a file: what we write ourselves is no other's change."""
    long_ago(bench)
    bench.membership().enter()
    start_one(bench, schedule="@reboot", retry_lost=True, max_retries=1, timeout=timedelta(minutes=10))
    two = other_node(bench)
    master = two.master()
    master._begin()
    monkeypatch.setattr(two.database, "written_elsewhere", lambda: False)
    for _ in range(30):
        master.turn()
    age(bench, "one", LONG)

    for _ in range(30):
        master.turn()

    assert bench.statuses() == ["lost", "delayed"]
    [(due_at,)] = bench.rows("SELECT due_at FROM smart_cron_executions WHERE status = 'delayed'")
    assert master._agenda.next_due_at == bench.store.session.dialect.read_instant(due_at)


def test_within_its_timeout_a_run_of_a_silent_node_is_not_given_up(bench: Bench) -> None:
    bench.membership().enter()
    start_one(bench, timeout=timedelta(seconds=LONG))
    two = other_node(bench)
    two.membership().enter()
    age(bench, "one", LONG - 60)

    two.membership().beat()

    assert bench.statuses() == ["unreachable"]


def test_a_node_that_comes_back_replaces_the_loss_by_what_it_knows(bench: Bench) -> None:
    bench.membership().enter()
    run_id = start_one(bench, timeout=timedelta(minutes=10))
    two = other_node(bench)
    two.membership().enter()
    age(bench, "one", LONG)
    two.membership().beat()
    bench.launcher.end(run_id)
    bench.launcher.forget_news()

    bench.new_cycle()
    bench.membership().enter()
    bench.cycle.read_files_again()
    bench.cycle.sweep()
    bench.turn()

    assert bench.rows("SELECT status, late, settled_by FROM smart_cron_executions") == [("success", 1, None)]
    task = bench.store.tasks.get("report")
    assert (task.total_executions, task.total_successes, task.total_failures) == (1, 1, 0)
    assert run_id in bench.launcher.discarded


def test_a_node_that_comes_back_in_time_goes_on_with_its_runs(bench: Bench) -> None:
    bench.membership().enter()
    run_id = start_one(bench)
    two = other_node(bench)
    two.membership().enter()
    age(bench, "one", 60)
    two.membership().beat()

    bench.membership().enter()
    bench.cycle.sweep()

    assert bench.statuses() == ["running"]
    bench.launcher.end(run_id)
    bench.turn()
    assert bench.statuses() == ["success"]


def test_a_master_that_was_frozen_sees_to_its_runs_before_it_starts_anything(bench: Bench) -> None:
    master = bench.master()
    run_id = start_one(bench, timeout=timedelta(minutes=10))
    master._begin()
    two = other_node(bench)
    two.membership().enter()
    age(bench, "one", LONG)
    two.membership().beat()
    assert bench.statuses() == ["lost"]
    bench.launcher.end(run_id, cause=EndCause.EXITED, exit_code=3)

    bench.clock.advance(LONG)
    for _ in range(5):
        master.turn()

    by_hand = bench.rows("SELECT status, late FROM smart_cron_executions WHERE scheduled_for IS NULL")
    assert by_hand == [("failed", 1)]
    assert bench.log.count("This node was silent for too long; its runs are looked at again") == 1


def test_a_file_whose_row_is_final_is_let_go_at_the_next_start(bench: Bench) -> None:
    run_id = start_one(bench)
    bench.launcher.end(run_id)
    bench.turn()
    bench.launcher.discarded.clear()

    bench.new_cycle()
    bench.cycle.read_files_again()
    bench.cycle.sweep()

    assert bench.launcher.discarded == [run_id]


def test_in_a_restored_database_nothing_is_started_until_it_is_recovered(bench: Bench) -> None:
    bench.membership().enter()
    bench.turn()
    start_one(bench)
    bench.memory.write(50)

    with pytest.raises(RestoredDatabaseError):
        bench.membership().enter()

    assert [hold.kind for hold in bench.store.holds.holds()] == ["restored"]


def test_a_second_node_of_the_same_name_is_refused(bench: Bench) -> None:
    bench.membership().enter()
    twin = Bench(bench.store)
    member = twin.membership()
    member._node = replace(member._node, identity="another")

    with pytest.raises(NodeNameTakenError):
        member.enter()
