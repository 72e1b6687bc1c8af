"""The specification's classes in Python's spelling: thin faces over the same engine that the commands use."""

from __future__ import annotations

from smart_cron.classes.alert import SmartCronAlert
from smart_cron.classes.health import SmartCronHealth
from smart_cron.classes.runner import SmartCronRunner

__all__ = ["SmartCronAlert", "SmartCronHealth", "SmartCronRunner"]
