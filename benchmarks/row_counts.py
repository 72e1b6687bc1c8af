"""How many rows a database read within a transaction, as far as each of them tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# SQLite counts no rows. Its virtual machine runs a few instructions for each row that it looks at.
UNITS = {"sqlite": "VM steps", "mariadb": "rows", "postgresql": "rows"}
_MARIADB = """
    SELECT SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME LIKE 'Handler_read_%%'"""
_POSTGRESQL = """
    SELECT COALESCE(SUM(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)), 0)
      FROM pg_stat_xact_user_tables WHERE relname LIKE 'smart_cron_%%'"""


@contextmanager
def row_counter(connection: Any) -> Iterator[Callable[[], int]]:
    """Count from here on; what is yielded returns the count so far. *connection* is Django's."""
    if connection.vendor == "sqlite":
        with _step_counter(connection.connection) as count:
            yield count
        return
    sql = _MARIADB if connection.vendor == "mysql" else _POSTGRESQL
    before = _number(connection, sql)
    yield lambda: _number(connection, sql) - before


@contextmanager
def _step_counter(raw: Any) -> Iterator[Callable[[], int]]:
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    raw.set_progress_handler(step, 1)
    try:
        yield lambda: steps
    finally:
        raw.set_progress_handler(None, 0)


def _number(connection: Any, sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, [])
        return int(cursor.fetchone()[0])
