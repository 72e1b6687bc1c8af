"""Holds, pings and counts of failures that SQL changed: the audit log hears of them, and only of them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.conformance.scene import FAILED, Scene

from smart_cron.core.audit import AuditFilter
from smart_cron.core.node import HoldKind
from smart_cron.core.ping import PingTerms
from smart_cron.core.run import AlertDraft

HOUR = timedelta(hours=1)
TERMS = PingTerms(name="job", period=HOUR, grace=HOUR)
IN_A_ROW: dict[str, Any] = {
    **FAILED,
    "alerts": (AlertDraft(alert_type="consecutive_failures", severity="critical", message="5 in a row"),),
}


@pytest.fixture(autouse=True)
def _empty(scene: Scene) -> None:
    scene.sql("DELETE FROM smart_cron_ping_checks")


def noticed(scene: Scene) -> list[tuple[str, str, str, Any]]:
    """Look twice, the second time in vain; return what was audited for it: action, type, name, new values."""
    count = scene.store.revisions.notice_others()
    assert scene.store.revisions.notice_others() == 0
    return by_sql(scene)[-count:] if count else []


def by_sql(scene: Scene) -> list[tuple[str, str, str, Any]]:
    entries = [each for each in scene.store.audit.entries(AuditFilter()) if each.source == "sql"]
    return [
        (each.action, each.entity_type, str(each.entity_name), each.new_values and json.loads(each.new_values))
        for each in reversed(entries)
    ]


def test_what_we_did_ourselves_is_not_taken_for_sql(scene: Scene) -> None:
    scene.store.holds.hold(HoldKind.STOPPED, reason="a fire", actor="ann")
    scene.store.pings.add(TERMS, key="k" * 27, actor="ann")
    scene.store.pings.add(PingTerms(name="gone", period=HOUR, grace=HOUR), key="g" * 27, actor="ann")
    scene.store.pings.change(PingTerms(name="job", period=2 * HOUR, grace=HOUR, description="x"), actor="ann")
    scene.store.pings.rotate("job", key="n" * 27, actor="ann")
    scene.store.pings.remove("gone", actor="ann")
    assert noticed(scene) == []

    scene.store.holds.release(HoldKind.STOPPED, actor="ann")
    assert noticed(scene) == []


def test_a_hold_that_sql_put_up_and_one_that_it_took_away_are_noticed(scene: Scene) -> None:
    scene.sql("INSERT INTO smart_cron_holds (kind, reason, actor) VALUES ('mine', 'a move of ours', 'eve')")
    assert noticed(scene) == [("hold", "hold", "mine", {"reason": "a move of ours"})]

    scene.sql("DELETE FROM smart_cron_holds")
    assert noticed(scene) == [("release", "hold", "mine", None)]


def test_the_holds_of_moves_and_restores_are_told_where_those_are(scene: Scene) -> None:
    scene.store.holds.hold(HoldKind.MOVED, reason="it moves", actor="ann")
    scene.sql("UPDATE smart_cron_holds SET reason = 'it was moved'")
    scene.sql("INSERT INTO smart_cron_holds (kind, reason, actor) VALUES ('restored', 'a backup', 'x')")

    assert noticed(scene) == []


def test_a_hold_that_outlived_a_restore_of_the_log_is_not_taken_for_a_new_one(scene: Scene) -> None:
    scene.sql("INSERT INTO smart_cron_holds (kind, reason, actor) VALUES ('stopped', 'a fire', 'ann')")
    scene.store.audit.note("restore", actor="ann", entity=("backup", 0, "backup.sql.gz"))

    assert noticed(scene) == []


def test_pings_that_sql_added_changed_and_deleted_are_noticed(scene: Scene) -> None:
    scene.store.pings.add(TERMS, key="k" * 27, actor="ann")
    scene.sql("UPDATE smart_cron_ping_checks SET period_seconds = 60")
    assert noticed(scene) == [("edit", "ping", "job", {"period_seconds": 60})]

    scene.sql("DELETE FROM smart_cron_ping_checks")
    assert noticed(scene) == [("remove", "ping", "job", None)]

    columns = "check_name, key_hash, key_hint, period_seconds, grace_seconds"
    scene.sql(f"INSERT INTO smart_cron_ping_checks ({columns}) VALUES ('new', 'h', 'h', 5, 5)")
    ((action, _, name, values),) = noticed(scene)
    assert (action, name, values["period_seconds"], values["enabled"]) == ("add", "new", 5, 1)


def test_failures_that_sql_counted_anew_are_audited_with_the_alert_that_it_ends(scene: Scene) -> None:
    scene.ran(**IN_A_ROW)
    scene.sql("UPDATE smart_cron_tasks_config SET consecutive_failures = 0")

    assert scene.store.incidents.resolve_recovered() == ["report"]
    assert scene.store.incidents.resolve_recovered() == []
    assert by_sql(scene) == [("reset failures", "task", "report", {"consecutive_failures": 0})]


def test_failures_that_we_counted_anew_are_not_taken_for_sql(scene: Scene) -> None:
    scene.ran(**IN_A_ROW)

    assert scene.store.incidents.reset_failures(actor="ann") == 1
    assert scene.store.incidents.resolve_recovered() == []
    assert by_sql(scene) == []
    assert scene.store.audit.verify().is_whole
