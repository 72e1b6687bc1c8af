"""The five levels of the specification, in order of weight."""

from __future__ import annotations

from typing import Final

from smart_cron.core.errors import InvalidInputError

DEBUG: Final = "DEBUG"
INFO: Final = "INFO"
WARNING: Final = "WARNING"
ERROR: Final = "ERROR"
CRITICAL: Final = "CRITICAL"

WEIGHTS: Final = {DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50}


def weight_of(level: str) -> int:
    """Return how much a level weighs; raise InvalidInputError for a word that is none."""
    try:
        return WEIGHTS[level.upper()]
    except KeyError:
        raise InvalidInputError(
            [f"there is no log level '{level}'."], remedy=f"Use one of {', '.join(WEIGHTS)}."
        ) from None
