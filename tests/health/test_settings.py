"""Thresholds are settings, checked before they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_cron.config import load_config
from smart_cron.core.errors import ConfigError


def test_each_threshold_can_be_set_by_the_environment(tmp_path: Path) -> None:
    config = load_config(
        {"SMART_CRON_HOME": str(tmp_path), "SMART_CRON_HEALTH__DISK_WARNING_PERCENT": "70"},
    )

    assert config.health.disk_warning_percent == 70
    assert config.health.probe_seconds == 5


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DISK_WARNING_PERCENT", "95", "must not be above disk_critical_percent"),
        ("CERTIFICATE_WARNING_DAYS", "3", "must not be below certificate_critical_days"),
        ("PROBE_SECONDS", "0", "health.probe_seconds"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(tmp_path: Path, name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config({"SMART_CRON_HOME": str(tmp_path), f"SMART_CRON_HEALTH__{name}": value})
