"""Alerts by the page, on every database."""

from __future__ import annotations

import pytest
from tests.conformance.scene import Scene

from smart_cron.core.alert import Alarm, Alert, AlertFilter, AlertType, Cause, Severity
from smart_cron.store.gateway import Store

OFFICE = frozenset({"office"})


@pytest.fixture
def alarmed(scene: Scene) -> Scene:
    """An alert of the system, and one of a task of each of two groups."""
    scene.add("invoices", group="office")
    scene.add("orders")
    causes = (
        (Cause(alert_type=AlertType.MEMORY), Severity.WARNING),
        (Cause(alert_type=AlertType.TASK_FAILURE, task_id=scene.task("invoices").id), Severity.CRITICAL),
        (Cause(alert_type=AlertType.TASK_FAILURE, task_id=scene.task("orders").id), Severity.WARNING),
    )
    scene.store.alerts.raise_alarms([Alarm(cause=cause, severity=grave, message="so") for cause, grave in causes])
    return scene


def numbers(store: Store, wanted: AlertFilter, **more: object) -> list[int]:
    return [each.id for each in store.alert_pages.page(wanted, limit=10, **more)]  # type: ignore[arg-type]


def by_cause(store: Store) -> tuple[Alert, Alert, Alert]:
    memory, invoices, orders = store.alerts.open_causes()
    return memory, invoices, orders


def test_open_ones_come_gravest_first_and_then_the_newest(alarmed: Scene) -> None:
    memory, invoices, orders = by_cause(alarmed.store)

    assert numbers(alarmed.store, AlertFilter()) == [invoices.id, orders.id, memory.id]


def test_a_page_goes_on_behind_the_last_one(alarmed: Scene) -> None:
    memory, invoices, orders = by_cause(alarmed.store)

    assert numbers(alarmed.store, AlertFilter(), after=invoices) == [orders.id, memory.id]
    assert numbers(alarmed.store, AlertFilter(), after=orders) == [memory.id]
    assert numbers(alarmed.store, AlertFilter(), after=memory) == []


def test_each_filter_leaves_out_the_others(alarmed: Scene) -> None:
    memory, invoices, orders = by_cause(alarmed.store)

    assert numbers(alarmed.store, AlertFilter(severity=Severity.CRITICAL)) == [invoices.id]
    assert numbers(alarmed.store, AlertFilter(alert_type=AlertType.MEMORY)) == [memory.id]
    assert numbers(alarmed.store, AlertFilter(task_id=orders.cause.task_id)) == [orders.id]
    assert numbers(alarmed.store, AlertFilter(task_id=-1)) == []


def test_with_groups_only_alerts_of_their_tasks_are_found(alarmed: Scene) -> None:
    _, invoices, orders = by_cause(alarmed.store)

    assert numbers(alarmed.store, AlertFilter(groups=OFFICE)) == [invoices.id]
    assert numbers(alarmed.store, AlertFilter(groups=frozenset({""}))) == [orders.id]
    assert numbers(alarmed.store, AlertFilter(groups=frozenset())) == []


def test_resolved_ones_are_the_history_newest_first(alarmed: Scene) -> None:
    memory, invoices, orders = by_cause(alarmed.store)
    for each in (memory, orders):
        alarmed.store.alerts.resolve(each.id, actor="test")

    assert numbers(alarmed.store, AlertFilter(resolved=True)) == [orders.id, memory.id]
    assert numbers(alarmed.store, AlertFilter(resolved=True), after=orders) == [memory.id]
    assert numbers(alarmed.store, AlertFilter()) == [invoices.id]
