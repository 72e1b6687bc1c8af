"""Settings of the health checks: a threshold for each."""

from __future__ import annotations

from smart_cron.config.alerting import Section


class HealthConfig(Section):
    """Thresholds; what is at or beyond one is told."""
