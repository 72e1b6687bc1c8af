"""Cursors with no more between us and the driver than is needed.

What Django's cursor does for its ORM costs as much as a small statement, and a turn of the master makes a dozen of
them. Errors are wrapped by the caller, as Django's cursor would.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def new_cursor(connection: BaseDatabaseWrapper) -> Any:
    """Return a cursor for one statement, on a new connection where there is none."""
    if connection.execute_wrappers:
        return connection.cursor()  # Somebody wants to see each statement.
    raw: Any = connection.connection
    if raw is None:
        connection.ensure_connection()
        raw = connection.connection
    # SQLite's of Django translates each statement anew; the others' keep what the driver itself does not do.
    return raw.cursor() if connection.vendor == "sqlite" else connection.create_cursor()


@lru_cache(maxsize=512)
def as_sqlite_reads_it(sql: str) -> str:
    """Return a statement written with `%s` and `%%` as the driver of SQLite wants it."""
    return "%".join(part.replace("%s", "?") for part in sql.split("%%"))


def as_it_is(sql: str) -> str:
    """Return a statement for drivers that read `%s`."""
    return sql
