"""Settings of metrics and anomalies."""

from __future__ import annotations

from smart_cron.config.alerting import Section


class MetricsConfig(Section):
    """What is exported, and where to."""
