"""Settings of the clean-up: how long everything is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from smart_cron.config.alerting import Section
from smart_cron.core.retention import SERVER_KEEPS_RUNS, OldRows, Retention

# What is looked back upon: a week of findings and messages, two weeks of hours, compared with each other.
_LEAST_DAYS = {"health_checks_days": 8, "deliveries_days": 8, "alerts_days": 8, "hourly_metrics_days": 15}


class RetentionConfig(Section):
    """Ages in whole days, 0 is for ever. `output_budget` is in bytes, 0 is no bound."""

    executions_days: int = Field(default=90, ge=0, le=36_500)
    keep_runs: int = Field(default=100, ge=0, le=1_000_000)
    output_days: int = Field(default=30, ge=0, le=36_500)
    output_budget: int = Field(default=10_000_000_000, ge=0)
    skipped_slots_days: int = Field(default=90, ge=0, le=36_500)
    hourly_metrics_days: int = Field(default=90, ge=0, le=36_500)
    daily_metrics_days: int = Field(default=1_830, ge=0, le=36_500)
    health_checks_days: int = Field(default=30, ge=0, le=36_500)
    alerts_days: int = Field(default=180, ge=0, le=36_500)
    deliveries_days: int = Field(default=90, ge=0, le=36_500)
    node_samples_days: int = Field(default=30, ge=0, le=36_500)
    rate_limits_days: int = Field(default=1, ge=0, le=36_500)
    compress_logs_days: int = Field(default=7, ge=0, le=36_500)
    logs_days: int = Field(default=90, ge=0, le=36_500)

    @model_validator(mode="after")
    def _what_depends_goes_first(self) -> Self:
        for first, later in (
            ("output_days", "executions_days"),
            ("hourly_metrics_days", "daily_metrics_days"),
            ("compress_logs_days", "logs_days"),
        ):
            earlier, last = getattr(self, first), getattr(self, later)
            if earlier and last and earlier > last:
                raise ValueError(f"{first} ({earlier}) must not be above {later} ({last})")
        for name, least in _LEAST_DAYS.items():
            if 0 < getattr(self, name) < least:
                raise ValueError(f"{name} must be 0, or {least} or more: so far back is looked")
        return self

    def spared_days(self) -> int | None:
        """Return how far back the database's own clean-up must not reach, None where it must delete nothing."""
        days = (
            self.executions_days,
            self.skipped_slots_days,
            self.health_checks_days,
            self.alerts_days,
            self.deliveries_days,
            self.node_samples_days,
        )
        return None if 0 in days or self.keep_runs > SERVER_KEEPS_RUNS else max(days)

    def policy(self) -> Retention:
        """Return them as the clean-up takes them."""
        return Retention(
            executions=_age(self.executions_days),
            keep_runs=self.keep_runs,
            # For ever is as long as there is a row that tells of it.
            output=_age(self.output_days or self.executions_days),
            output_budget=self.output_budget or None,
            rows={kind: _age(getattr(self, f"{kind}_days")) for kind in OldRows},
            compress_logs=_age(self.compress_logs_days),
            logs=_age(self.logs_days),
        )


def _age(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None
