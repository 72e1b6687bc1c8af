"""Smart Cron: a task scheduler that can be trusted. The specification's classes are importable from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smart_cron.classes import SmartCronAlert, SmartCronHealth, SmartCronRunner
    from smart_cron.logs.logger import SmartCronLogger

__version__ = "0.1.0"
__all__ = ["SmartCronAlert", "SmartCronHealth", "SmartCronLogger", "SmartCronRunner", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the specification's classes when they are asked for, so that a command's start stays quick."""
    if name == "SmartCronLogger":
        from smart_cron.logs.logger import SmartCronLogger

        return SmartCronLogger
    if name in __all__:
        from smart_cron import classes

        return getattr(classes, name)
    raise AttributeError(f"module 'smart_cron' has no attribute {name!r}")
