"""Do the tables fit this version."""

from __future__ import annotations

from smart_cron.core.errors import SchemaError
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.ports import Database
from smart_cron.services.health.checks.words import none_of
from smart_cron.services.health.looking import SCHEMA

NAME = SCHEMA


def look(database: Database) -> Finding:
    """Ask for the server's version and the migrations that were applied."""
    try:
        database.check()
    except SchemaError as error:
        remedy = error.remedy or "Bring the tables up to date: smart-cron db migrate"
        return Finding(
            check=NAME,
            status=CheckStatus.CRITICAL,
            message=error.message,
            remedy=remedy,
            measured=1.0,
            threshold=1.0,
            unit="faults",
        )
    return none_of("faults", NAME, "server and tables fit this version.")
