"""Smart Cron: a task scheduler that can be trusted. The specification's classes are importable from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smart_cron.classes_alert import SmartCronAlert
    from smart_cron.classes import SmartCronRunner
    from smart_cron.classes_health import SmartCronHealth
    from smart_cron.logs.logger import SmartCronLogger

__version__ = "0.1.0"
__all__ = ["SmartCronAlert", "SmartCronHealth", "SmartCronLogger", "SmartCronRunner", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the specification's classes when they are asked for, so that a command's start stays quick."""
    if name == "SmartCronRunner":
        from smart_cron.classes import SmartCronRunner

        return SmartCronRunner
    if name == "SmartCronAlert":
        from smart_cron.classes_alert import SmartCronAlert

        return SmartCronAlert
    if name == "SmartCronHealth":
        from smart_cron.classes_health import SmartCronHealth

        return SmartCronHealth
    if name == "SmartCronLogger":
        from smart_cron.logs.logger import SmartCronLogger

        return SmartCronLogger
    raise AttributeError(f"module 'smart_cron' has no attribute {name!r}")
