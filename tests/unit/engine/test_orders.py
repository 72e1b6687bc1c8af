"""What the task runner is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smart_cron.core.run import Claim, Trigger
from smart_cron.core.task import Limits, TaskDefinition
from smart_cron.engine.clock import SystemClock, new_run_id
from smart_cron.engine.orders import OrderBook, epoch_microseconds
from smart_cron.engine.settings import EngineSettings

SLOT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
SETTINGS = EngineSettings(node="n", incarnation="b:i", default_zone="Europe/Berlin", output_root=Path("/var/log/x"))
TASK = TaskDefinition(name="nightly", shell_command="true", schedule="* * * * *")


def claim(task: TaskDefinition = TASK, **changes: object) -> Claim:
    whole = Claim(
        execution_id=7,
        task_id=3,
        run_id="run-1",
        task=task,
        scheduled_for=SLOT,
        attempt=2,
        triggered_by=Trigger.RETRY,
        node="n",
        incarnation="b:i",
        launch_deadline=1234.5,
        claimed_at=SLOT,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def environment(task: TaskDefinition = TASK, **changes: object) -> dict[str, str]:
    found: dict[str, str] = OrderBook(SETTINGS).order(claim(task, **changes))["environment"]
    return found


def test_a_task_sees_cron_s_variables_and_ours_and_nothing_else() -> None:
    assert set(environment()) == {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ",
        "SMART_CRON_TASK", "SMART_CRON_ATTEMPT", "SMART_CRON_RUN_ID", "SMART_CRON_SCHEDULED_FOR",
    }  # fmt: skip


def test_the_slot_is_told_in_utc() -> None:
    assert environment()["SMART_CRON_SCHEDULED_FOR"] == "2026-03-29T01:30:00Z"


def test_a_manual_run_is_told_no_slot() -> None:
    assert "SMART_CRON_SCHEDULED_FOR" not in environment(scheduled_for=None)


def test_a_task_s_own_variables_win_over_the_defaults_but_not_over_ours() -> None:
    found = environment(replace(TASK, environment={"PATH": "/opt/bin", "SMART_CRON_TASK": "forged"}))

    assert found["PATH"] == "/opt/bin"
    assert found["SMART_CRON_TASK"] == "nightly"


def test_tz_is_the_task_s_zone_or_the_configured_one() -> None:
    assert environment()["TZ"] == "Europe/Berlin"
    assert environment(replace(TASK, time_zone="Asia/Tokyo"))["TZ"] == "Asia/Tokyo"


def test_an_order_is_plain_json() -> None:
    task = replace(TASK, umask="027", limits=Limits(memory_mb=2), timeout=timedelta(seconds=90))

    order = json.loads(json.dumps(OrderBook(SETTINGS).order(claim(task))))

    assert (order["umask"], order["limits"]["memory_bytes"], order["timeout_seconds"]) == (0o27, 2_097_152, 90.0)
    assert order["output_path"] == "/var/log/x/2026-03-29/run-1.out"


def test_an_account_is_looked_up_once_until_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    book = OrderBook(SETTINGS)
    book.order(claim())
    monkeypatch.setattr("smart_cron.engine.orders._account_environment", lambda _: {"HOME": "/moved"})

    assert book.order(claim())["environment"]["HOME"] != "/moved"
    book.forget_accounts()
    assert book.order(claim())["environment"]["HOME"] == "/moved"


def test_microseconds_are_exact() -> None:
    assert epoch_microseconds(datetime(2026, 1, 1, 0, 0, 0, 123457, tzinfo=UTC)) % 1_000_000 == 123457


def test_run_ids_sort_by_time_and_are_version_7() -> None:
    earlier, later = new_run_id(SLOT), new_run_id(SLOT + timedelta(milliseconds=1))

    assert earlier < later
    assert (earlier[14], earlier[19] in "89ab") == ("7", True)


def test_run_ids_do_not_repeat() -> None:
    assert len({new_run_id(SLOT) for _ in range(10_000)}) == 10_000


def test_the_clock_is_aware() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)
