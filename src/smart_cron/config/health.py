"""Settings of the health checks: a threshold for each."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from smart_cron.config.alerting import Section

_PAIRS = (
    "database_{}_ms",
    "disk_{}_percent",
    "memory_{}_percent",
    "lateness_{}_seconds",
    "clock_{}_seconds",
    "unrecorded_{}_seconds",
)


class HealthConfig(Section):
    """Thresholds; what is at or beyond one is told. `probe_seconds` is how long one check may take.

    `certificates` are PEM files whose end is watched, beside those that the settings use themselves.
    """

    probe_seconds: float = Field(default=5.0, ge=0.1, le=60)
    database_warning_ms: float = Field(default=500, gt=0)
    database_critical_ms: float = Field(default=2000, gt=0)
    disk_warning_percent: float = Field(default=80, gt=0, le=100)
    disk_critical_percent: float = Field(default=90, gt=0, le=100)
    memory_warning_percent: float = Field(default=80, gt=0, le=100)
    memory_critical_percent: float = Field(default=90, gt=0, le=100)
    lateness_warning_seconds: float = Field(default=10, gt=0)
    lateness_critical_seconds: float = Field(default=60, gt=0)
    clock_warning_seconds: float = Field(default=1, gt=0)
    clock_critical_seconds: float = Field(default=5, gt=0)
    unrecorded_warning_seconds: float = Field(default=120, gt=0)
    unrecorded_critical_seconds: float = Field(default=900, gt=0)
    undelivered_minutes: float = Field(default=10, gt=0)
    certificate_warning_days: float = Field(default=21, gt=0)
    certificate_critical_days: float = Field(default=7, gt=0)
    certificates: tuple[Path, ...] = ()

    @model_validator(mode="after")
    def _warn_before_it_is_critical(self) -> Self:
        for name in _PAIRS:
            warning, critical = getattr(self, name.format("warning")), getattr(self, name.format("critical"))
            if warning > critical:
                raise ValueError(
                    f"{name.format('warning')} ({warning:g}) must not be above {name.format('critical')} ({critical:g})"
                )
        if self.certificate_warning_days < self.certificate_critical_days:
            raise ValueError("certificate_warning_days must not be below certificate_critical_days: days are left")
        return self
