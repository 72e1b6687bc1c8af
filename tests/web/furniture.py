"""What stands in the database of a dashboard under test: two groups, what fails, what runs, alerts and findings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.web.conftest import Dashboard
from tests.web.visitors import PASSWORD, Visitor

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.task import TaskDefinition
from smart_cron.store.gateway import Store, open_store

# Playwright keeps a loop in the thread of the test, in which Django sees a danger that is none here.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

HOSTILE = "<img src=x onerror=alert(1)>"
SAID = "<script>alert(1)</script> \x1b[31mred"


@contextmanager
def opened(dashboard: Dashboard) -> Iterator[Store]:
    """Open the dashboard's database from here."""
    path = dashboard.house.home / "state" / "smart-cron.db"
    store = open_store(f"sqlite://{path}", alias=f"web{dashboard.port}")
    try:
        yield store
    finally:
        store.database.close()


def furnish(store: Store) -> dict[str, int]:
    """Put tasks, runs, alerts and findings in; return the numbers of the alerts by what they are about."""
    add(store, "invoices", group="office")
    add(store, "orders", group="shop")
    # A name that no form takes, written by SQL.
    add(store, "hostile", description=SAID)
    store.session.execute("UPDATE smart_cron_tasks_config SET task_name = %s WHERE task_name = 'hostile'", [HOSTILE])
    store.session.execute(
        """UPDATE smart_cron_tasks_config SET consecutive_failures = 4, last_status = 'failed', last_run_at = %s
         WHERE task_name IN ('invoices', %s)""",
        [store.session.dialect.instant(store.database.now()), HOSTILE],
    )
    store.health.note(
        [
            Finding(
                check="disk_space",
                status=CheckStatus.CRITICAL,
                message=f"the disk is 95 % full. {SAID}",
                remedy="Make room.",
                measured=95.0,
                threshold=90.0,
                unit="%",
                node="web-1",
            )
        ]
    )
    return {
        name: alarm(store, name, task_id=task_id, severity=severity)
        for name, task_id, severity in (
            ("invoices", task_number(store, "invoices"), Severity.ERROR),
            ("orders", task_number(store, "orders"), Severity.WARNING),
            (HOSTILE, task_number(store, HOSTILE), Severity.CRITICAL),
            ("system", None, Severity.CRITICAL),
        )
    }


def add(store: Store, name: str, *, group: str | None = None, description: str = "") -> int:
    definition = TaskDefinition(
        name=name, script="/bin/true", schedule="0 3 * * *", group=group, description=description
    )
    return store.tasks.add(definition, actor="test").id


def task_number(store: Store, name: str) -> int:
    return store.tasks.get(name).id


def alarm(store: Store, name: str, *, task_id: int | None, severity: Severity) -> int:
    kind = AlertType.TASK_FAILURE if task_id else AlertType.DISK_SPACE
    cause = Cause(alert_type=kind, task_id=task_id)
    message = f"{name} is wrong. {SAID}"
    (number,) = store.alerts.raise_alarms(
        [Alarm(cause=cause, severity=severity, message=message, task_name=name if task_id else None)]
    )
    return number


def running(store: Store, name: str) -> int:
    """Let a task run on a node that is nowhere; return the number of the execution."""
    number = store.tasks.request_run(task_number(store, name), arguments=None, actor="test", now=store.database.now())
    now = store.session.dialect.instant(store.database.now())
    store.session.execute(
        """UPDATE smart_cron_executions SET status = 'running', node = 'web-1', started_at = %s, claimed_at = %s,
         allowed_seconds = 3600 WHERE id = %s""",
        [now, now, number],
    )
    return number


def bind(dashboard: Dashboard, name: str, groups: list[str], *, role: str = "viewer") -> None:
    """Make a user who is let near these groups only."""
    dashboard.house.sure_with(f"{PASSWORD}\n", "user", "add", name, "--role", role)
    with opened(dashboard) as store:
        changed = store.session.execute(
            "UPDATE smart_cron_users SET task_groups = %s WHERE username = %s", [json.dumps(groups), name]
        )
    assert changed == 1


_VISITORS: dict[tuple[int, str], Visitor] = {}


def visitor(dashboard: Dashboard, name: str) -> Visitor:
    """Return somebody who is logged in; nobody may log in as often as a file has tests."""
    key = (dashboard.port, name)
    if key not in _VISITORS:
        _VISITORS[key] = Visitor(dashboard)
        assert _VISITORS[key].log_in(name).status == 302
    return _VISITORS[key]
