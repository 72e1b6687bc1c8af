"""Alerts as incidents: one open row for one cause, counted, recovered, and changed by people, on every database."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.scene import MINUTE, NOON, SECOND, Scene, settlement
from tests.engine.scripted import ManualClock, RecordingLog

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity
from smart_cron.core.errors import UnknownAlertError
from smart_cron.core.run import AlertDraft, EndCause, RunEnd
from smart_cron.core.task import OnOverlap
from smart_cron.engine.recorder import Recorder
from smart_cron.store.gateway import Store

ENDS: Mapping[str, Mapping[str, Any]] = {
    "won": {"exit_code": 0},
    "failed": {"exit_code": 3},
    "timeout": {"cause": EndCause.TIMEOUT},
    "stuck": {"cause": EndCause.STUCK},
    "lost": {"cause": EndCause.LOST},
    "killed": {"cause": EndCause.KILLED},
}
DEADLINE = 30.0


def ran(scene: Scene, *words: str, task: str = "report", reverse: bool = False) -> None:
    """Let runs of a task end so, one second after the other, and record them in one batch by the engine's recorder."""
    for _ in words:
        scene.store.tasks.request_run(scene.task(task).id, arguments=None, actor="test", now=NOON)
    claims = sorted(scene.claim(), key=lambda claim: claim.execution_id, reverse=reverse)
    ends = [
        RunEnd(
            run_id=claim.run_id,
            execution_id=claim.execution_id,
            started_at=NOON,
            completed_at=NOON + place * SECOND,
            **({"cause": EndCause.EXITED} | dict(ENDS[word])),
        )
        for place, (claim, word) in enumerate(zip(claims, words, strict=True))
    ]
    recorder = Recorder(records=scene.store.records, clock=ManualClock(), log=RecordingLog(), jitter=lambda: 0.0)
    recorder.note((), ends)
    with scene.store.database.transaction():
        recorder.write()
    recorder.confirm()


def task_of(scene: Scene, **changes: Any) -> int:
    return scene.add(on_overlap=OnOverlap.ALLOW, **({"failure_threshold": 3} | changes)).id


def is_open(scene: Scene) -> list[tuple[str, int]]:
    return [(str(alert.cause.alert_type), alert.occurrences) for alert in scene.store.alerts.open_causes()]


def marks(scene: Scene, columns: str) -> list[tuple[Any, ...]]:
    return scene.store.session.rows(f"SELECT {columns} FROM smart_cron_alerts ORDER BY id")


def alarm(subtype: str = "clock", severity: Severity = Severity.WARNING, **changes: Any) -> Alarm:
    cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=subtype, node=changes.pop("node", None))
    known: dict[str, Any] = {"cause": cause, "severity": severity, "message": f"{subtype} is wrong."}
    return Alarm(**(known | changes))


def raised(scene: Scene, *alarms: Alarm) -> list[Alert]:
    return [scene.store.alerts.get(number) for number in scene.store.alerts.raise_alarms(alarms)]


# Runs ---------------------------------------------------------------------------------------------------------


def test_what_fails_again_is_counted_on_one_open_incident_and_a_success_ends_it(scene: Scene) -> None:
    task_of(scene)
    for _ in range(4):
        ran(scene, "failed")
    assert is_open(scene) == [("task_failure", 4), ("consecutive_failures", 2)]

    ran(scene, "won")

    assert is_open(scene) == []
    assert marks(scene, "resolved, resolved_by, untold") == [(1, "recovered", 1)] * 2


def test_a_failure_after_the_recovery_opens_a_new_incident(scene: Scene) -> None:
    task_of(scene)
    for word in ("failed", "won", "failed", "failed"):
        ran(scene, word)

    assert marks(scene, "alert_type, resolved, occurrences") == [("task_failure", 1, 1), ("task_failure", 0, 2)]


def test_with_a_threshold_of_1_the_first_failure_is_one_in_a_row_too(scene: Scene) -> None:
    task_of(scene, failure_threshold=1)

    ran(scene, "failed")

    assert is_open(scene) == [("task_failure", 1), ("consecutive_failures", 1)]
    assert marks(scene, "severity") == [("error",), ("critical",)]


def test_a_success_ends_timeouts_and_stuck_runs_and_leaves_other_tasks_alone(scene: Scene) -> None:
    task_of(scene)
    scene.add("other")
    ran(scene, "stuck", "timeout")
    ran(scene, "failed", task="other")
    assert sorted(name for name, _ in is_open(scene)) == ["stuck_task", "task_failure", "task_failure", "task_timeout"]

    ran(scene, "won")

    assert [(alert.task_name, str(alert.cause.alert_type)) for alert in scene.store.alerts.open_causes()] == [
        ("other", "task_failure")
    ]


def test_a_kill_neither_raises_nor_ends_anything(scene: Scene) -> None:
    task_of(scene)
    ran(scene, "failed")

    ran(scene, "killed")

    assert is_open(scene) == [("task_failure", 1)]


@pytest.mark.parametrize("reverse", [False, True], ids=["in order of numbers", "against it"])
def test_runs_recorded_together_count_in_the_order_of_their_ends(scene: Scene, reverse: bool) -> None:
    task_of(scene)
    ran(scene, "failed")

    ran(scene, "won", "failed", reverse=reverse)
    assert marks(scene, "resolved, occurrences") == [(1, 1), (0, 1)]

    ran(scene, "failed", "won", reverse=reverse)
    assert marks(scene, "resolved, occurrences") == [(1, 1), (1, 2)]


def test_what_failed_and_was_won_within_one_batch_is_on_record_as_over(scene: Scene) -> None:
    task_of(scene)

    ran(scene, "failed", "won")

    assert marks(scene, "resolved, resolved_by") == [(1, "recovered")]


def test_failures_recorded_together_reach_the_threshold_together(scene: Scene) -> None:
    task_of(scene)

    ran(scene, "failed", "failed", "failed")

    assert is_open(scene) == [("task_failure", 3), ("consecutive_failures", 1)]
    assert "3 times in a row" in scene.store.alerts.open_causes()[1].message


def test_each_repeat_is_to_be_told_anew_and_names_the_newest_run(scene: Scene) -> None:
    task_of(scene)
    ran(scene, "failed")
    scene.sql("UPDATE smart_cron_alerts SET untold = 0")

    ran(scene, "failed")

    (alert,) = scene.store.alerts.open_causes()
    assert marks(scene, "untold") == [(1,)]
    assert alert.execution_id == max(run["id"] for run in scene.store.history.runs())


@pytest.mark.parametrize("seed", range(4))
def test_any_history_leaves_what_a_plain_count_says(scene: Scene, seed: int) -> None:
    task_of(scene)
    drawn = random.Random(seed)
    expected: dict[str, int] = {}
    rows = in_a_row = 0
    for _ in range(12):
        words = drawn.choices(("won", "failed", "timeout", "killed"), k=drawn.randint(1, 3))
        ran(scene, *words, reverse=drawn.random() < 0.5)
        for word in words:
            if word == "won":
                expected, in_a_row = {}, 0
            elif word != "killed":
                in_a_row += 1
                names = ["task_timeout" if word == "timeout" else "task_failure"]
                for name in names + ["consecutive_failures"] * (in_a_row >= 3):
                    rows += name not in expected
                    expected[name] = expected.get(name, 0) + 1

    assert dict(is_open(scene)) == expected
    assert scene.count("smart_cron_alerts") == rows


# Anomalies ----------------------------------------------------------------------------------------------------


def odd(*subtypes: str) -> dict[str, Any]:
    drafts = [
        AlertDraft(alert_type="system_health", severity="warning", message="odd", subtype=subtype)
        for subtype in subtypes
    ]
    return {"alerts": tuple(drafts)}


def test_an_anomaly_is_over_with_the_next_success_that_does_not_show_it(scene: Scene) -> None:
    scene.ran(**odd("anomaly_duration", "anomaly_output"))
    scene.ran(**odd("anomaly_output"))

    (alert,) = scene.store.alerts.open_causes()
    assert (alert.cause.subtype, alert.occurrences) == ("anomaly_output", 2)
    scene.ran()
    assert is_open(scene) == []


def test_what_else_is_wrong_with_a_task_does_not_end_with_a_success(scene: Scene) -> None:
    task = scene.add()
    cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="success_rate", task_id=task.id)
    raised(scene, Alarm(cause=cause, severity=Severity.WARNING, message="fewer and fewer", task_name="report"))

    scene.ran()

    assert is_open(scene) == [("system_health", 1)]


# The system's -------------------------------------------------------------------------------------------------


def test_an_alarm_is_opened_once_and_counted_up_for_its_cause(scene: Scene) -> None:
    first, other_node = raised(scene, alarm(node="one"), alarm(node="two"))
    (again,) = raised(scene, alarm(node="one", message="worse", details={"free_mb": 3}))

    assert first.id == again.id != other_node.id
    assert (again.occurrences, again.message, again.details) == (2, "worse", {"free_mb": 3})
    assert is_open(scene) == [("system_health", 2), ("system_health", 1)]


def test_the_same_cause_twice_in_one_call_is_one_alert(scene: Scene) -> None:
    one, two = raised(scene, alarm(), alarm())

    assert one == two
    assert one.occurrences == 2


def test_a_severity_rises_and_never_falls_while_it_is_open(scene: Scene) -> None:
    raised(scene, alarm(severity=Severity.WARNING))

    assert raised(scene, alarm(severity=Severity.CRITICAL))[0].severity is Severity.CRITICAL
    assert raised(scene, alarm(severity=Severity.INFO))[0].severity is Severity.CRITICAL


def test_what_is_over_is_resolved_by_its_cause_and_nothing_else_is(scene: Scene) -> None:
    clock, disk = raised(scene, alarm("clock"), alarm("disk"))

    assert scene.store.alerts.resolve_causes([clock.cause, alarm("never").cause], by="recovered") == [clock.id]
    assert scene.store.alerts.resolve_causes([clock.cause], by="recovered") == []
    assert [alert.id for alert in scene.store.alerts.open_causes()] == [disk.id]
    gone = scene.store.alerts.get(clock.id)
    assert (gone.resolved, gone.resolved_by, gone.resolved_at is not None) == (True, "recovered", True)


def test_open_causes_are_found_by_type(scene: Scene) -> None:
    memory = Alarm(cause=Cause(alert_type=AlertType.MEMORY, node="one"), severity=Severity.WARNING, message="full")
    raised(scene, alarm(), memory)

    (found,) = scene.store.alerts.open_causes(AlertType.MEMORY)

    assert found.cause == memory.cause


@pytest.mark.slow
def test_nodes_that_see_the_same_at_once_open_one_alert(scene: Scene) -> None:
    store, nodes, rounds = scene.store, 4, 5
    met = threading.Barrier(nodes, timeout=DEADLINE)

    def look(_: int) -> list[int]:
        try:
            return [number for turn in range(rounds) if met.wait() >= 0 for number in seen(turn)]
        finally:
            store.database.close()

    def seen(turn: int) -> list[int]:
        return store.alerts.raise_alarms([alarm(f"probe{turn}"), alarm("always")])

    with ThreadPoolExecutor(max_workers=nodes) as pool:
        told = list(pool.map(look, range(nodes)))

    assert all(numbers == told[0] for numbers in told)
    counts = {alert.cause.subtype: alert.occurrences for alert in store.alerts.open_causes()}
    assert counts == {"always": nodes * rounds} | {f"probe{turn}": nodes for turn in range(rounds)}


# People -------------------------------------------------------------------------------------------------------


def audit(scene: Scene) -> list[tuple[Any, ...]]:
    return scene.store.session.rows(
        """SELECT actor, action, entity_type, entity_name FROM smart_cron_audit_log
         WHERE entity_type = 'alert' ORDER BY id"""
    )


def test_an_acknowledgement_is_noted_once(scene: Scene) -> None:
    (alert,) = raised(scene, alarm())

    assert scene.store.alerts.acknowledge(alert.id, user_id=7, actor="ann", note="on it")
    assert not scene.store.alerts.acknowledge(alert.id, user_id=8, actor="bob")

    seen = scene.store.alerts.get(alert.id)
    assert (seen.acknowledged, seen.acknowledged_by, seen.note) == (True, 7, "on it")
    assert seen.acknowledged_at is not None
    assert audit(scene) == [("ann", "acknowledge", "alert", "clock")]


def test_a_repeat_leaves_an_acknowledgement_as_it_is(scene: Scene) -> None:
    (alert,) = raised(scene, alarm())
    scene.store.alerts.acknowledge(alert.id, user_id=None, actor="cli:ann")

    (again,) = raised(scene, alarm())

    assert (again.acknowledged, again.acknowledged_by, again.occurrences) == (True, None, 2)


def test_what_a_person_resolves_is_told_to_nobody_and_comes_anew_where_it_was_not_mended(scene: Scene) -> None:
    (alert,) = raised(scene, alarm())

    assert scene.store.alerts.resolve(alert.id, actor="ann", note="changed the cable")
    assert not scene.store.alerts.resolve(alert.id, actor="ann")
    assert not scene.store.alerts.acknowledge(alert.id, user_id=1, actor="ann")
    assert not scene.store.alerts.snooze(alert.id, until=None, actor="ann")

    assert marks(scene, "resolved, resolved_by, untold, note") == [(1, "ann", 0, "changed the cable")]
    assert raised(scene, alarm())[0].id != alert.id
    assert [row[:2] for row in audit(scene)] == [("ann", "resolve")]


def test_a_silence_has_an_end_and_can_be_ended_before(scene: Scene) -> None:
    (alert,) = raised(scene, alarm())
    scene.sql("UPDATE smart_cron_alerts SET untold = 0")
    until = NOON + timedelta(days=1, microseconds=5)

    assert scene.store.alerts.snooze(alert.id, until=until, actor="ann")
    assert scene.store.alerts.get(alert.id).snoozed_until == until
    assert marks(scene, "untold") == [(0,)]

    assert scene.store.alerts.snooze(alert.id, until=None, actor="ann")
    assert scene.store.alerts.get(alert.id).snoozed_until is None
    assert marks(scene, "untold") == [(1,)]
    assert [row[1] for row in audit(scene)] == ["snooze", "wake"]


@pytest.mark.parametrize("number", [0, 123_456, 2**63, 2**200])
def test_a_number_that_is_no_alerts_is_told(scene: Scene, number: int) -> None:
    alerts = scene.store.alerts
    for ask in (
        lambda: alerts.get(number),
        lambda: alerts.acknowledge(number, user_id=1, actor="ann"),
        lambda: alerts.resolve(number, actor="ann"),
        lambda: alerts.snooze(number, until=None, actor="ann"),
    ):
        with pytest.raises(UnknownAlertError, match=rf"there is no alert {number}\. 'smart-cron alert list --all'"):
            ask()


def test_lists_are_newest_first_and_go_on_behind_a_number(scene: Scene) -> None:
    numbers = [alert.id for alert in raised(scene, *(alarm(f"probe{n}") for n in range(5)))]
    scene.store.alerts.resolve(numbers[0], actor="ann")
    task_of(scene)
    ran(scene, "failed")

    def listed(**choice: Any) -> list[int]:
        return [alert.id for alert in scene.store.alerts.alerts(**choice)]

    newest = listed()[0]
    assert listed() == [newest, *reversed(numbers)]
    assert listed(resolved=False, limit=2) == [newest, numbers[4]]
    assert listed(resolved=True) == [numbers[0]]
    assert listed(severity=Severity.ERROR) == listed(task_id=scene.task().id) == [newest]
    assert listed(before_id=numbers[2]) == [numbers[1], numbers[0]]
    assert listed(before_id=2**70, limit=1) == [newest]


# Tasks that go ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["remove", "disable", "edit"])
def test_the_alerts_of_a_task_that_a_person_takes_away_are_over(scene: Scene, way: str) -> None:
    task_id = task_of(scene)
    ran(scene, "failed")
    raised(scene, alarm())
    tasks = scene.store.tasks

    if way == "remove":
        tasks.remove(task_id, actor="ann", now=NOON)
    elif way == "disable":
        tasks.set_enabled(task_id, False, actor="ann")
    else:
        tasks.replace(task_id, replace(scene.task().definition, enabled=False), actor="ann")

    word = "task removed" if way == "remove" else "task disabled"
    assert marks(scene, "resolved, resolved_by, untold") == [(1, word, 0), (0, None, 1)]


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("DELETE FROM smart_cron_tasks_config WHERE task_name = 'report'", "task removed"),
        ("UPDATE smart_cron_tasks_config SET enabled = 0 WHERE task_name = 'report'", "task disabled"),
    ],
)
def test_so_they_are_where_sql_took_it_away(scene: Scene, statement: str, word: str) -> None:
    task_of(scene)
    scene.add("other")
    ran(scene, "failed")
    ran(scene, "failed", task="other")
    raised(scene, alarm())
    scene.sql(statement)

    assert scene.store.incidents.resolve_recovered() == []

    assert marks(scene, "resolved, resolved_by") == [(1, word), (0, None), (0, None)]


def test_failures_that_a_person_counts_anew_are_over_without_a_word(scene: Scene) -> None:
    task_of(scene, failure_threshold=1)
    ran(scene, "failed")

    scene.store.incidents.reset_failures(actor="ann")

    assert marks(scene, "alert_type, resolved_by, untold") == [
        ("task_failure", None, 1),
        ("consecutive_failures", "failures reset", 0),
    ]


# What SQL and strangers write ---------------------------------------------------------------------------------

ACKNOWLEDGE = """UPDATE smart_cron_alerts
SET acknowledged = 1, acknowledged_at = NOW(), acknowledged_by = 1
WHERE id = 123;"""
RESOLVE = """UPDATE smart_cron_alerts
SET resolved = 1, resolved_at = NOW()
WHERE id = 123;"""


def test_the_specifications_statements_do_what_the_commands_do(mariadb_scene: Scene) -> None:
    scene = mariadb_scene
    task_of(scene)
    ran(scene, "failed")
    scene.sql("UPDATE smart_cron_alerts SET id = 123")

    scene.sql(ACKNOWLEDGE)
    seen = scene.store.alerts.get(123)
    assert (seen.acknowledged, seen.acknowledged_by) == (True, 1)
    assert seen.acknowledged_at is not None

    scene.sql(RESOLVE)
    over = scene.store.alerts.get(123)
    assert (over.resolved, over.resolved_by) == (True, None)
    assert is_open(scene) == []
    ran(scene, "failed")
    assert is_open(scene) == [("task_failure", 1)]


def test_words_that_are_none_of_ours_are_told_and_stop_nobody(scene: Scene) -> None:
    scene.sql(
        """INSERT INTO smart_cron_alerts (alert_type, severity, message, details)
         VALUES ('backup_missing', 'HIGH', 'no backup', '{not json'), ('memory', 'info', 'fine', '[1]')"""
    )

    strange, known = scene.store.alerts.open_causes()

    assert strange.cause == Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="backup_missing")
    assert (strange.severity, strange.details) == (Severity.ERROR, {"text": "{not json"})
    assert (known.cause.alert_type, known.severity, known.details) == (
        AlertType.MEMORY,
        Severity.INFO,
        {"text": "[1]"},
    )
    assert known.last_occurred_at == known.created_at


def test_two_open_rows_of_one_cause_that_sql_made_are_one_again_with_the_next_success(scene: Scene) -> None:
    task_of(scene)
    ran(scene, "failed")
    ran(scene, "won")
    ran(scene, "failed")
    scene.sql("UPDATE smart_cron_alerts SET resolved = 0")

    ran(scene, "failed")
    assert marks(scene, "occurrences") == [(1,), (2,)]
    ran(scene, "won")
    assert is_open(scene) == []


@pytest.mark.parametrize(
    "text",
    ["a\0b", "\udcff raw", "💥" * 5000, "two\nlines\x1b[31m", "'; DROP TABLE smart_cron_alerts; --", "%s {} {message}"],
    ids=["nul", "surrogate", "long", "lines", "sql", "marks"],
)
def test_texts_of_any_kind_fit_their_columns(scene: Scene, text: str) -> None:
    (alert,) = raised(scene, alarm(text, message=text, node=text, task_name=text, details={text: text * 9}))
    (again,) = raised(scene, alarm(text, message=text, node=text, details={"x": "y" * 100_000}))

    assert scene.store.alerts.acknowledge(alert.id, user_id=None, actor=text, note=text)
    assert scene.store.alerts.resolve(alert.id, actor=text, note=text)
    assert again.id == alert.id
    assert "left_out" in again.details
    assert "\n" not in alert.message + str(scene.store.alerts.get(alert.id).note)
    assert len(alert.message) <= 1000


DOCUMENTED = re.findall(r"```sql\n(.*?)```", (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(), re.DOTALL)


def test_the_documented_statements_run_everywhere(scene: Scene) -> None:
    task_of(scene)
    ran(scene, "failed")
    scene.sql("UPDATE smart_cron_alerts SET id = 123")
    acknowledge, resolve, active = (each for block in DOCUMENTED for each in block.split(";") if each.strip())

    (row,) = scene.store.session.rows(active)
    assert row[:5] == (123, "error", "task_failure", "report", 1)
    assert scene.sql(acknowledge) == 1
    assert scene.store.alerts.get(123).acknowledged
    assert scene.sql(resolve) == 1
    assert scene.store.session.rows(active) == []
    assert scene.store.alerts.get(123).resolved_at is not None


# What it costs ------------------------------------------------------------------------------------------------


def filled(scene: Scene, task_id: int, count: int) -> None:
    """Give a task many alerts that are long resolved."""
    side = round(count**0.5) + 1
    numbers = f"""WITH RECURSIVE d(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM d WHERE i < {side}),
        n(i) AS (SELECT a.i FROM d a, d b)"""
    into = "INSERT INTO smart_cron_alerts (task_id, task_name, alert_type, severity, message, resolved, untold)"
    scene.sql(f"{into} {numbers} SELECT {task_id}, 'report', 'task_failure', 'error', 'old', 1, 0 FROM n")
    analyse = "ANALYZE TABLE smart_cron_alerts"
    session = scene.store.session
    session.rows(analyse) if session.dialect.name == "mysql" else session.execute("ANALYZE")


@pytest.mark.slow
def test_many_resolved_alerts_cost_a_run_nothing(scene: Scene) -> None:
    task_id = task_of(scene)
    filled(scene, task_id, 3000)
    store = scene.store
    ask = f"SELECT COUNT(*) FROM smart_cron_alerts a WHERE a.resolved = 0 AND a.task_id = {task_id}"
    name = store.session.dialect.name
    explain = {"sqlite": "EXPLAIN QUERY PLAN ", "mysql": "EXPLAIN ", "postgresql": "EXPLAIN "}[name]

    plan = " ".join(str(row) for row in store.session.rows(explain + ask))

    assert "smart_cron_alerts_open" in plan, plan
    assert "Seq Scan" not in plan


def test_a_success_without_open_alerts_asks_nothing_of_them(scene: Scene) -> None:
    task_of(scene)
    asked = statements(scene.store, lambda: ran(scene, "won"))

    touching = [sql for sql in asked if "smart_cron_alerts" in sql]
    assert len(touching) == 1, touching
    assert "smart_cron_executions" in touching[0]


def statements(store: Store, work: Any) -> Sequence[str]:
    seen: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with store.session.connection.execute_wrapper(watch):
        work()
    return seen


def test_a_settlement_of_the_past_is_told_by_the_drafts_that_it_has(scene: Scene) -> None:
    scene.add()
    scene.requested()
    claims = scene.claim()
    draft = AlertDraft(alert_type="task_failure", severity="warning", message="as the settings say")
    with scene.store.database.transaction():
        runs = scene.open_runs(claims)
        scene.store.records.settle([settlement(run, success=False, alerts=(draft,)) for run in runs], now=NOON + MINUTE)

    (alert,) = scene.store.alerts.open_causes()
    assert (alert.severity, alert.created_at) == (Severity.WARNING, NOON + MINUTE)
