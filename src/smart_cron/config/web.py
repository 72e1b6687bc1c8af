"""Settings of what listens."""

from __future__ import annotations

from smart_cron.config.alerting import Section


class WebConfig(Section):
    """Where the web server listens, and who may read the metrics."""
