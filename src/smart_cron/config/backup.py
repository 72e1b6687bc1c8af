"""Settings of backups: how long they are kept, and how large a file may be that is read back."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from smart_cron.config.alerting import Section


class BackupConfig(Section):
    """`keep_*_days` are ages; `max_text_gb` and `max_ratio` bound what a file may unpack to.

    `warning_hours` and `critical_hours` are ages of the last proven backup. `compression` is gzip's level.
    """

    keep_daily_days: int = Field(default=30, ge=1, le=36_500)
    keep_weekly_days: int = Field(default=90, ge=1, le=36_500)
    keep_monthly_days: int = Field(default=365, ge=1, le=36_500)
    warning_hours: float = Field(default=30, gt=0)
    critical_hours: float = Field(default=72, gt=0)
    drill_days: int = Field(default=30, ge=1, le=36_500)
    compression: int = Field(default=4, ge=1, le=9)
    timeout_seconds: int = Field(default=14_400, ge=10, le=604_800)
    max_text_gb: float = Field(default=200, gt=0)
    max_ratio: float = Field(default=200, ge=2, le=1_100)

    @model_validator(mode="after")
    def _warn_before_it_is_critical(self) -> Self:
        if self.warning_hours > self.critical_hours:
            raise ValueError(
                f"warning_hours ({self.warning_hours:g}) must not be above critical_hours ({self.critical_hours:g})"
            )
        return self
