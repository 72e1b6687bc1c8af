"""How grave each type of alert is, and what a success ends."""

from __future__ import annotations

import pytest

from smart_cron.core.alert import AlertType, Severity
from smart_cron.core.alert_rules import RUN_ANOMALIES, USUAL, Severities, ends_with_success, graver, read_severities


def test_every_type_has_a_severity_of_its_own() -> None:
    assert set(USUAL) == set(AlertType)


def test_failures_timeouts_and_stuck_runs_are_errors_and_failures_in_a_row_critical() -> None:
    usual = {str(alert_type): Severities().of(alert_type) for alert_type in AlertType}

    assert usual["task_failure"] == usual["task_timeout"] == usual["stuck_task"] == Severity.ERROR
    assert usual["consecutive_failures"] == Severity.CRITICAL
    assert usual["disk_space"] == usual["memory"] == Severity.WARNING


def test_what_a_threshold_found_counts_unless_the_settings_say_otherwise() -> None:
    found = Severity.CRITICAL

    assert Severities().of(AlertType.DISK_SPACE, found) is Severity.CRITICAL
    assert read_severities({"disk_space": "info"}).of(AlertType.DISK_SPACE, found) is Severity.INFO


def test_unknown_words_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'task' is no type of alert; 'high' is no severity; types are task_failure, "):
        read_severities({"task": "error", "memory": "high"})


@pytest.mark.parametrize("one", Severity)
@pytest.mark.parametrize("other", Severity)
def test_of_two_severities_the_graver_is_taken(one: Severity, other: Severity) -> None:
    assert graver(one, other).rank == min(one.rank, other.rank)


@pytest.mark.parametrize(
    ("alert_type", "subtype", "shown", "is_over"),
    [
        ("task_failure", None, (), True),
        ("task_timeout", None, (), True),
        ("consecutive_failures", None, (), True),
        ("stuck_task", None, (), True),
        ("disk_space", None, (), False),
        ("memory", None, (), False),
        ("system_health", "invalid_tasks", (), False),
        ("system_health", "anomaly_duration", (), True),
        ("system_health", "anomaly_duration", ("anomaly_duration",), False),
        ("system_health", "anomaly_duration", ("anomaly_output",), True),
        ("somebody's own", None, (), False),
    ],
)
def test_a_success_ends_what_its_task_failed_by(
    alert_type: str, subtype: str | None, shown: tuple[str, ...], is_over: bool
) -> None:
    assert ends_with_success(alert_type, subtype, shown=frozenset(shown)) is is_over


def test_anomalies_of_runs_are_named_as_such() -> None:
    assert all(name.startswith("anomaly_") for name in RUN_ANOMALIES)
