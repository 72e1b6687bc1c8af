"""Rows that SQL by hand left unreadable, as SQLite alone allows: one of them stops no look at the others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conformance.scene import Scene

from smart_cron.core.ping import PingState, PingTerms
from smart_cron.services.metrics.exposition import exposition
from smart_cron.store.gateway import Store

DAY = timedelta(days=1)
DEEP = "[" * 200_000 + "]" * 200_000


@pytest.fixture
def database() -> str:
    """The servers' columns have types that refuse such values."""
    return "sqlite"


def scraped(store: Store) -> str:
    return exposition(store.figures, task_label_limit=100, version="1")


@pytest.mark.parametrize(
    "change",
    [
        "task_name = x'ff'",
        "total_successes = 'abc'",
        "total_failures = 9e999",
        "timed_seconds = 'x'",
        "consecutive_failures = x'00'",
    ],
)
def test_a_task_with_odd_values_does_not_stop_a_scrape(scene: Scene, store: Store, change: str) -> None:
    scene.add("other")
    scene.add("odd")

    store.session.execute(f"UPDATE smart_cron_tasks_config SET {change} WHERE task_name = 'odd'")

    assert 'task="other"' in scraped(store)


@pytest.mark.parametrize("value", ["'abc'", "x'ff'", "9e999", "-9e999"])
def test_a_sample_with_odd_values_does_not_stop_a_scrape(store: Store, value: str) -> None:
    for node, used in (("odd", value), ("well", "512")):
        store.session.execute(
            f"""INSERT INTO smart_cron_node_samples (node, sampled_at, memory_used_mb, cpu_percent)
             VALUES ('{node}', '2999-01-01 00:00:00', {used}, {used})"""
        )

    assert 'node="well"' in scraped(store)


@pytest.mark.parametrize(
    "change",
    [
        "state = 'bogus'",
        "period_seconds = 99999999999999",
        "period_seconds = 'abc'",
        "grace_seconds = x'ff'",
        "last_ping_at = '9999-12-31 23:59:59', last_exit_code = 0",
        "last_start_at = '9999-12-31 23:59:59'",
        "check_name = x'ff'",
    ],
)
def test_a_job_elsewhere_with_odd_terms_hides_no_silence_of_another(store: Store, change: str) -> None:
    for name in ("odd", "silent"):
        store.pings.add(PingTerms(name=name, period=DAY, grace=timedelta(0)), key=f"key of {name}", actor="cli:root")
    store.pings.listening()
    store.session.execute(f"UPDATE smart_cron_ping_checks SET {change} WHERE check_name = 'odd'")
    long_ago = "'2026-01-01 00:00:00'"
    store.session.execute(
        f"UPDATE smart_cron_ping_checks SET created_at = {long_ago}, back_at = {long_ago} WHERE check_name = 'silent'"
    )

    turned = {check.terms.name: check.state for check in store.pings.look()}

    assert turned["silent"] is PingState.LATE
    assert len(store.pings.checks()) == 2


def test_details_that_nest_too_deep_hide_no_health(store: Store) -> None:
    store.session.execute(
        "INSERT INTO smart_cron_health_checks (check_name, status, node, details) VALUES ('clock', 'ok', 'one', %s)",
        [DEEP],
    )

    (finding,) = store.health.latest(within=DAY).findings

    assert (finding.check, finding.details) == ("clock", {})
    assert store.health.last_details("clock", node="one") == {}
