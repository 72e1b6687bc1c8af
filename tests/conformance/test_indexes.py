"""Claims, plans and history stay flat: each reads an index in the order that it needs, without a sort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from benchmarks.row_counts import row_counter
from tests.conformance.scene import NOON, Scene

from smart_cron.core.audit import AuditFilter
from smart_cron.core.run import Status
from smart_cron.store.gateway import Store
from smart_cron.store.public.views import VIEWS

HOLDS = "smart_cron_holds"
# Squared it is the number of rows.
SIDE, SMALL_SIDE = 55, 16

READS: dict[str, Callable[[Store], object]] = {
    "next due": lambda store: store.plans.next_due_at(),
    "due": lambda store: store.plans.lock_due(now=NOON, limit=10),
    "changed": lambda store: store.plans.lock_changed(limit=10),
    "delayed": lambda store: store.plans.release_delayed(now=NOON),
    "waiting": lambda store: store.claims.lock_waiting(limit=10),
    "cancellations": lambda store: store.claims.cancellations(node="one"),
    "held": lambda store: store.records.held(node="one"),
    "groups": lambda store: store.claims.group_usage(["db"]),
    "history": lambda store: store.history.runs(limit=10),
    "history of a task": lambda store: store.history.runs(task_id=7, limit=10),
    "failures": lambda store: store.history.runs(statuses=[Status.FAILED, Status.LOST], limit=10),
    "running": lambda store: store.history.runs(statuses=[Status.RUNNING], limit=10),
    "heal": lambda store: store.records.heal_projections(),
    "audit of a user": lambda store: store.audit.entries(AuditFilter(user="node one"), limit=10),
    "audit of nobody": lambda store: store.audit.entries(AuditFilter(user="nobody"), limit=10),
}


@pytest.fixture(scope="module")
def crowded() -> set[str]:
    """The databases that are full already; filling them is the slow part."""
    return set()


@pytest.fixture
def crowd(database: str, opened: Callable[[str], Store], crowded: set[str]) -> Scene:
    scene = Scene(opened(database))
    if database not in crowded:
        fill(scene)
        crowded.add(database)
    return scene


def fill(scene: Scene, side: int = SIDE) -> None:
    """Many planned tasks, none of them due, and a long history of runs that were won."""
    session = scene.store.session
    for table in ("smart_cron_tasks_config", "smart_cron_executions"):
        session.execute(f"DELETE FROM {table}")
    task_id = scene.add("first").id
    scene.planned(next_run_at=NOON + 1000 * (NOON - NOON.replace(hour=11)))
    columns = """task_script, schedule_pattern, next_run_at, planned_next_run_at, planned_pattern, planned_zone,
        planned_enabled, planned_policy"""
    numbers = f"""WITH RECURSIVE d(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM d WHERE i < {side}),
        n(i) AS (SELECT a.i * {side} + b.i FROM d a, d b)"""
    name = "CONCAT('task', n.i)" if session.dialect.name == "mysql" else "'task' || n.i"
    tasks = f"SELECT {name}, {columns} FROM n, smart_cron_tasks_config t WHERE t.id = {task_id}"
    runs = "SELECT n.i, 'x', 'success', 5 FROM n"
    into_tasks = f"INSERT INTO smart_cron_tasks_config (task_name, {columns})"
    into_runs = "INSERT INTO smart_cron_executions (task_id, task_name, status, priority)"
    for into, select in ((into_tasks, tasks), (into_runs, runs)):
        # MariaDB wants the common table expression after INSERT INTO, and the others take it there.
        session.execute(f"{into} {numbers} {select}")
    into_audit = "INSERT INTO smart_cron_audit_log (actor, action, entity_type)"
    session.execute(f"{into_audit} {numbers} SELECT 'node one', 'update', 'task' FROM n")
    analyse = "ANALYZE TABLE smart_cron_tasks_config, smart_cron_executions, smart_cron_audit_log"
    session.rows(analyse) if session.dialect.name == "mysql" else session.execute("ANALYZE")


@contextmanager
def watched(store: Store) -> Iterator[list[tuple[str, list[object]]]]:
    """Collect the SELECTs that are run."""
    seen: list[tuple[str, list[object]]] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith("SELECT") and "FROM smart_cron" in sql:
            seen.append((sql, list(params)))
        return execute(sql, params, many, context)

    with store.session.connection.execute_wrapper(watch):
        yield seen


def faults(store: Store, sql: str, params: list[object]) -> list[str]:
    """Return what is slow about a statement's plan. The few that are under way may be sorted."""
    name = store.session.dialect.name
    explain = {"sqlite": "EXPLAIN QUERY PLAN ", "mysql": "EXPLAIN FORMAT=JSON ", "postgresql": "EXPLAIN (FORMAT JSON) "}
    rows = store.session.rows(explain[name] + sql, params)
    few = "active_task_id IS NOT NULL" in sql
    if name == "postgresql":
        # Holds are two rows at most, and read whole.
        kinds = [node["Node Type"] for node in _nodes(rows[0][0][0]["Plan"]) if node.get("Relation Name") != HOLDS]
        return [kind for kind in kinds if kind == "Seq Scan" or (kind == "Sort" and not few)]
    if name == "sqlite":
        steps = [row[3] for row in rows]
        scans = [step for step in steps if step.startswith("SCAN") and "USING" not in step]
        walks = [] if "ORDER BY id DESC" in sql and "WHERE 1 = 1" in sql else scans
        return walks + [step for step in steps if "TEMP B-TREE" in step and not few]
    text = str(rows[0][0])
    bad = ('"filesort"', '"access_type": "ALL"')
    return [f"{word} in {text}" for word in bad if word in text and not (few and word == '"filesort"')]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


@pytest.mark.parametrize("read", READS)
def test_a_read_uses_an_index_in_its_own_order(crowd: Scene, read: str) -> None:
    with crowd.store.database.transaction():
        with watched(crowd.store) as seen:
            READS[read](crowd.store)
        assert seen
        for sql, params in seen:
            assert not faults(crowd.store, sql, params), sql


@pytest.mark.slow
def test_no_read_takes_in_more_rows_where_there_are_more(
    database: str, opened: Callable[[str], Store], crowded: set[str]
) -> None:
    """An index that is walked from end to end is in the right order, too."""
    scene = Scene(opened(database))
    fill(scene, SMALL_SIDE)
    of_few = rows_read(scene.store)
    fill(scene)
    crowded.add(database)

    of_many = rows_read(scene.store)

    # SQLite counts steps of its machine; a level more of an index costs some.
    assert {read: (of_few[read], rows) for read, rows in of_many.items() if rows > of_few[read] * 1.5 + 20} == {}


def rows_read(store: Store) -> dict[str, int]:
    """Return for each read how many rows, or steps, it took."""
    counts = {}
    for name, read in READS.items():
        with store.database.transaction(), row_counter(store.session.connection) as count:
            read(store)
            counts[name] = count()
    return counts


def test_what_is_not_due_is_not_read(crowd: Scene) -> None:
    with crowd.store.database.transaction():
        assert crowd.store.plans.lock_due(now=NOON, limit=10) == []
        assert crowd.store.plans.lock_changed(limit=10) == []
        assert crowd.store.claims.lock_waiting(limit=10) == []


def scans_of_history(store: Store, sql: str) -> list[str]:
    """Return the steps of a statement's plan that read all executions, or all entries of an index of them."""
    name = store.session.dialect.name
    if name == "sqlite":
        steps = [str(row[3]) for row in store.session.rows(f"EXPLAIN QUERY PLAN {sql}")]
        return [step for step in steps if step.startswith("SCAN smart_cron_executions")]
    if name == "postgresql":
        plan = store.session.rows(f"EXPLAIN (FORMAT JSON) {sql}")[0][0][0]["Plan"]
        nodes = [node for node in _nodes(plan) if node.get("Relation Name") == "smart_cron_executions"]
        return [node["Node Type"] for node in nodes if node["Node Type"] == "Seq Scan"]
    steps = store.session.dictionaries(f"EXPLAIN {sql}")
    return [
        str(step) for step in steps if step["table"] == "smart_cron_executions" and step["type"] in ("ALL", "index")
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_never_reads_the_whole_history(crowd: Scene, view: str) -> None:
    assert scans_of_history(crowd.store, f"SELECT * FROM {view}") == []
    assert scans_of_history(crowd.store, "SELECT COUNT(*) FROM smart_cron_executions") != []
