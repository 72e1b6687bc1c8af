"""How things stand at one glance, on every database, and for who is let near some groups only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conformance.scene import FAILED, MINUTE, NOON, Scene

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.overview import Counters
from smart_cron.core.rollup import hour_of
from smart_cron.store.gateway import Store

HOUR = timedelta(hours=1)
OFFICE, NOBODYS, NONE = frozenset({"office"}), frozenset({""}), frozenset[str]()


@pytest.fixture
def peopled(scene: Scene) -> Scene:
    """Two groups and a task without one; the office's failed, the shop's runs, the third waits."""
    scene.add("invoices", group="office")
    scene.add("orders", group="shop")
    scene.add("report")
    scene.add("asleep", enabled=False)
    scene.planned()
    scene.ran("invoices", **FAILED)
    scene.requested("orders")
    scene.claim()
    scene.requested("report")
    return scene


def test_one_statement_counts_tasks_runs_and_alerts(peopled: Scene) -> None:
    peopled.store.alerts.raise_alarms(
        [Alarm(cause=Cause(alert_type=AlertType.DISK_SPACE), severity=Severity.CRITICAL, message="full")]
    )

    assert peopled.store.overview.counters(None) == Counters(
        enabled=3, disabled=1, failing=1, running=1, waiting=1, alerts={"critical": 1, "error": 1}
    )


def test_who_is_let_near_one_group_gets_its_figures_only(peopled: Scene) -> None:
    overview = peopled.store.overview
    peopled.store.alerts.raise_alarms(
        [Alarm(cause=Cause(alert_type=AlertType.DISK_SPACE), severity=Severity.CRITICAL, message="full")]
    )

    assert overview.counters(OFFICE) == Counters(enabled=1, failing=1, alerts={"error": 1})
    assert overview.counters(NOBODYS) == Counters(enabled=1, disabled=1, waiting=1)
    assert overview.counters(NONE) == Counters()


def test_what_runs_is_listed_with_what_it_usually_takes(peopled: Scene) -> None:
    found = peopled.store.overview.running(None, limit=10)

    assert [(run.task, run.group, run.since, run.usual_seconds) for run in found] == [("orders", "shop", NOON, None)]
    assert peopled.store.overview.running(OFFICE, limit=10) == []


def test_next_slots_come_earliest_first_and_within_the_span(peopled: Scene) -> None:
    peopled.sql("UPDATE smart_cron_tasks_config SET next_run_at = %s WHERE task_name = 'report'", [_at(peopled, 2)])
    overview = peopled.store.overview

    found = overview.upcoming(None, until=NOON + HOUR, limit=10)

    assert [(slot.task, slot.at) for slot in found] == [
        ("invoices", NOON),
        ("orders", NOON),
        ("report", NOON + 2 * MINUTE),
    ]
    assert found[0].usual_seconds == 2.0
    assert [slot.task for slot in overview.upcoming(NOBODYS, until=NOON + HOUR, limit=10)] == ["report"]
    assert overview.upcoming(NOBODYS, until=NOON + MINUTE, limit=10) == []


def test_what_fails_stands_before_what_ran_last(peopled: Scene) -> None:
    overview = peopled.store.overview
    names = [line.name for line in overview.tasks(None, limit=10)]

    assert names[:2] == ["invoices", "orders"]
    assert [line.name for line in overview.tasks(None, limit=1)] == ["invoices"]
    assert [line.name for line in overview.tasks(NOBODYS, limit=10)] == ["report", "asleep"]
    assert overview.tasks(None, limit=1)[0].is_failing


def test_hours_are_summed_up_over_the_tasks_that_somebody_may_see(peopled: Scene) -> None:
    overview, hour = peopled.store.overview, hour_of(NOON)

    (one,) = overview.sums(None, since=hour, until=hour + HOUR)

    assert (one.runs, one.failures, one.duration_sum) == (1, 1, 2.0)
    assert len(overview.sums(OFFICE, since=hour, until=hour + HOUR)) == 1
    assert overview.sums(NOBODYS, since=hour, until=hour + HOUR) == []
    assert overview.sums(NONE, since=hour, until=hour + HOUR) == []


def test_the_hours_of_some_tasks_are_told_apart(peopled: Scene) -> None:
    overview, hour, task = peopled.store.overview, hour_of(NOON), peopled.task("invoices")

    found = overview.task_hours([task.id, peopled.task("report").id], since=hour, until=hour + HOUR)

    assert {each: [(one.runs, one.failures) for one in hours] for each, hours in found.items()} == {task.id: [(1, 1)]}
    assert overview.task_hours([], since=hour, until=hour + HOUR) == {}


def test_groups_are_told_of_tasks_that_there_are(peopled: Scene) -> None:
    one, other = peopled.task("invoices").id, peopled.task("report").id

    assert peopled.store.overview.groups_of([one, other, 999_999]) == {one: "office", other: None}
    assert peopled.store.overview.groups_of([]) == {}


def test_names_are_sought_whatever_their_case_and_no_mark_is_a_joker(peopled: Scene) -> None:
    peopled.add("100%_done!")
    peopled.add("my_report")
    search = peopled.store.overview.search

    assert [line.name for line in search("REPORT", None, limit=10)] == ["report", "my_report"]
    assert [line.name for line in search("%_", None, limit=10)] == ["100%_done!"]
    assert [line.name for line in search("!", None, limit=10)] == ["100%_done!"]
    assert search("' OR 1=1 --", None, limit=10) == []
    assert search("o", OFFICE, limit=10)[0].name == "invoices"


def _at(scene: Scene, minutes: int) -> str:
    return scene.store.session.dialect.instant(NOON + minutes * MINUTE)


def test_a_store_without_a_task_counts_nothing(store: Store) -> None:
    assert store.overview.counters(None) == Counters()
