"""Findings become alerts: what is wrong is raised or counted up, what is well again is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smart_cron.core.alert import Alarm
from smart_cron.core.alert_rules import USUAL_SEVERITIES, Severities
from smart_cron.core.health import Finding, alarms_of, causes_over
from smart_cron.core.ports.alerts import AlertStore

BY = "smart_cron_health"


def tell(findings: Sequence[Finding], alerts: AlertStore, severities: Severities = USUAL_SEVERITIES) -> tuple[int, int]:
    """Raise what is wrong and resolve what is over; return how many alerts were raised, and how many resolved.

    *severities* are what the settings say instead of what was found.
    """
    raised = alerts.raise_alarms(graded(findings, severities))
    over = alerts.resolve_causes(causes_over(findings), by=BY)
    return len(raised), len(over)


def graded(findings: Sequence[Finding], severities: Severities = USUAL_SEVERITIES) -> list[Alarm]:
    """Return what is to be raised for these, as grave as the settings say."""
    return [replace(each, severity=severities.of(each.cause.alert_type, each.severity)) for each in alarms_of(findings)]
