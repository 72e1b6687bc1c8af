"""Lists of tasks: filters, orders, counts and the last hours of each, the same on every database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conformance.scene import NOON, Scene, definition

from smart_cron.core.errors import TaskChangedError
from smart_cron.core.task_board import TaskFilter, TaskSort, TaskState
from smart_cron.store.gateway import Store

HOUR = timedelta(hours=1)


def names(store: Store, sort: TaskSort = TaskSort.NAME, *, descending: bool = False, **wanted: object) -> list[str]:
    lines = store.board.page(TaskFilter(**wanted), sort=sort, descending=descending, offset=0, limit=50)  # type: ignore[arg-type]
    return [line.name for line in lines]


@pytest.fixture
def three(scene: Scene) -> Scene:
    scene.add("alpha", group="shop", description="Sends 100%_of the INVOICES")
    scene.add("beta", group="feeds", node_tag="gpu", enabled=False, priority=1)
    scene.add("gamma", schedule="0 2 * * *", priority=9)
    return scene


def test_filters_by_text_group_tag_and_state(three: Scene) -> None:
    store = three.store

    assert names(store) == ["alpha", "beta", "gamma"]
    assert names(store, text="invoices") == ["alpha"]
    assert names(store, text="ET") == ["beta"]
    assert names(store, group="shop") == ["alpha"]
    assert names(store, group="") == ["gamma"]
    assert names(store, tag="gpu") == ["beta"]
    assert names(store, state=TaskState.DISABLED) == ["beta"]
    assert names(store, state=TaskState.ENABLED) == ["alpha", "gamma"]


@pytest.mark.parametrize(("text", "found"), [("100%_", 1), ("1%s", 0), ("_f", 0), ("!", 0), ("' OR 1=1 --", 0)])
def test_each_character_of_a_search_stands_for_itself(three: Scene, text: str, found: int) -> None:
    three.sql("UPDATE smart_cron_tasks_config SET task_description = %s WHERE task_name = 'alpha'", ["Sends 100%_x"])

    assert len(names(three.store, text=text)) == found


def test_shows_only_groups_that_somebody_is_let_near(three: Scene) -> None:
    store = three.store

    assert names(store, near=frozenset({"shop"})) == ["alpha"]
    assert names(store, near=frozenset({""})) == ["gamma"]
    assert names(store, near=frozenset()) == []
    assert store.board.groups(None) == ["feeds", "shop"]
    assert store.board.groups(frozenset({"shop"})) == ["shop"]
    assert store.board.tags(frozenset({"shop"})) == []
    assert store.board.counts(TaskFilter(near=frozenset({"shop", ""}))).all == 2


def test_sorts_with_what_has_no_value_last_either_way(three: Scene) -> None:
    three.planned(next_run_at=NOON)
    three.sql("UPDATE smart_cron_tasks_config SET avg_execution_time = 3 WHERE task_name = 'gamma'")

    assert names(three.store, TaskSort.NAME, descending=True) == ["gamma", "beta", "alpha"]
    assert names(three.store, TaskSort.PRIORITY) == ["beta", "alpha", "gamma"]
    assert names(three.store, TaskSort.NEXT)[-1] == "beta"
    assert names(three.store, TaskSort.NEXT, descending=True)[-1] == "beta"
    assert names(three.store, TaskSort.TIME)[0] == names(three.store, TaskSort.TIME, descending=True)[0] == "gamma"


@pytest.mark.parametrize("sort", TaskSort)
def test_every_order_is_whole(three: Scene, sort: TaskSort) -> None:
    assert sorted(names(three.store, sort)) == ["alpha", "beta", "gamma"]


def test_pages_follow_each_other(three: Scene) -> None:
    board, every = three.store.board, TaskFilter()
    pages = [board.page(every, sort=TaskSort.NAME, descending=False, offset=n, limit=2) for n in (0, 2, 4)]

    assert [[line.name for line in page] for page in pages] == [["alpha", "beta"], ["gamma"], []]


def test_counts_each_state_whatever_state_is_wanted(three: Scene) -> None:
    three.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 2 WHERE task_name = 'alpha'")
    three.sql("UPDATE smart_cron_tasks_config SET invalid_reason = 'odd' WHERE task_name = 'gamma'")
    hold(three, "beta")
    counts = three.store.board.counts(TaskFilter(state=TaskState.DISABLED))

    assert counts.all == 3
    assert counts.by_state == {
        TaskState.ENABLED: 2,
        TaskState.DISABLED: 1,
        TaskState.RUNNING: 0,
        TaskState.FAILING: 1,
        TaskState.INVALID: 1,
        TaskState.HELD: 1,
    }
    assert names(three.store, state=TaskState.HELD) == ["beta"]


def hold(scene: Scene, name: str) -> None:
    slot = scene.store.session.dialect.instant(NOON)
    scene.sql(
        """INSERT INTO smart_cron_skipped_slots (task_id, task_name, first_slot, last_slot, slot_count, outcome, reason,
            schedule_pattern, time_zone) VALUES (%s, %s, %s, %s, 1, 'held', 'x', '* * * * *', 'UTC')""",
        [scene.task(name).id, name, slot, slot],
    )


def test_the_last_hours_of_each_task_come_in_order_and_summed_over_nodes(three: Scene) -> None:
    alpha, gamma = three.task("alpha").id, three.task("gamma").id
    for hours, node, runs in ((1, "one", 2), (1, "two", 3), (2, "one", 1), (3, "one", 7)):
        hour_of_runs(three, alpha, hours, node, runs)
    found = three.store.board.pulses([alpha, gamma], limit=3)

    assert list(found) == [alpha]
    assert [(each.at, each.runs, each.failures) for each in found[alpha]] == [
        (NOON - 2 * HOUR, 1, 1),
        (NOON - HOUR, 5, 2),
    ]
    assert found[alpha][0].average == 2.0
    assert three.store.board.pulses([], limit=3) == {}


def test_pulses_between_two_instants(three: Scene) -> None:
    alpha = three.task("alpha").id
    for hours in (1, 2, 3):
        hour_of_runs(three, alpha, hours, "one", 1)

    found = three.store.board.pulses_between(alpha, since=NOON - 2 * HOUR, until=NOON - HOUR)
    assert [each.at for each in found] == [NOON - 2 * HOUR]


def hour_of_runs(scene: Scene, task_id: int, hours_ago: int, node: str, runs: int) -> None:
    at = scene.store.session.dialect.instant(NOON - hours_ago * HOUR)
    scene.sql(
        """INSERT INTO smart_cron_metrics (period, bucket_at, task_id, task_name, node, runs, successes, failures,
            timed_runs, duration_sum) VALUES ('hour', %s, %s, 'x', %s, %s, 0, 1, %s, %s)""",
        [at, task_id, node, runs, runs, 2.0 * runs],
    )


def test_a_task_that_somebody_else_saved_is_not_overwritten(scene: Scene) -> None:
    task = scene.add("report")
    tasks = scene.store.tasks
    tasks.replace(task.id, definition(description="first"), actor="one", read=1)

    with pytest.raises(TaskChangedError, match="revision 2 stands, and this was made from 1"):
        tasks.replace(task.id, definition(description="second"), actor="two", read=1)
    assert scene.task().definition.description == "first"
    assert tasks.replace(task.id, definition(description="second"), actor="two", read=2).definition.description


def test_what_sql_changed_meanwhile_counts_as_somebody_else(scene: Scene) -> None:
    task = scene.add("report")
    scene.sql("UPDATE smart_cron_tasks_config SET priority = 2")

    with pytest.raises(TaskChangedError):
        scene.store.tasks.replace(task.id, definition(), actor="one", read=1)


def test_a_task_of_which_no_revision_was_kept_yet_can_be_saved(scene: Scene) -> None:
    columns = "task_name, task_script, schedule_pattern"
    scene.sql(f"INSERT INTO smart_cron_tasks_config ({columns}) VALUES ('x', '/x', '@daily')")
    number = scene.task("x").id

    scene.store.tasks.replace(number, definition("x"), actor="one", read=0)
    assert [each.number for each in scene.store.revisions.revisions(number)] == [2, 1]
