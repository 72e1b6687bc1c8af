"""Whether the tables of the original PHP system are here, and how far taking them over is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smart_cron.core.errors import SchemaError

if TYPE_CHECKING:
    from smart_cron.store.session import Session

TASKS = "smart_cron_tasks_config"
SUFFIX = "_php"
NAMES = (
    TASKS,
    "smart_cron_executions",
    "smart_cron_audit_log",
    "smart_cron_alerts",
    "smart_cron_health_checks",
    "smart_cron_metrics",
    "smart_cron_rate_limits",
    "smart_cron_backups",
    "smart_cron_task_performance",
    "smart_cron_recent_failures",
    "smart_cron_active_alerts",
    "smart_cron_system_status",
)
# The specification's columns, without which it is another program's table; and one of ours, which it has not.
_THEIRS = {"id", "task_name", "task_script", "schedule_pattern", "enabled", "is_running", "next_run_at"}
_OURS = "planned_pattern"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhpSystem:
    """What there is: `tables` are its tables and views by their own names, `is_aside` whether they were put aside."""

    tables: Sequence[str]
    is_aside: bool
    tasks: int

    def name_of(self, table: str) -> str:
        """Return under which name a table stands now."""
        return f"{table}{SUFFIX}" if self.is_aside else table


def find(session: Session, tables: Sequence[str], applied: set[str]) -> PhpSystem | None:
    """Return the PHP system that is still to be taken over, or None; *tables* are those there are."""
    if session.dialect.name != "mysql":
        return None
    there = set(tables)
    if f"{TASKS}{SUFFIX}" in there:
        return None if _is_done(session, there) else _system(session, is_aside=True)
    if applied or TASKS not in there or not _is_theirs(session):
        return None
    return _system(session, is_aside=False)


def _is_done(session: Session, there: set[str]) -> bool:
    audit = "smart_cron_audit_log"
    return audit in there and bool(session.row(f"SELECT id FROM {audit} WHERE action = 'adopt' LIMIT 1"))


def _is_theirs(session: Session) -> bool:
    columns = set(column_types(session, TASKS))
    return columns >= _THEIRS and _OURS not in columns


def _system(session: Session, *, is_aside: bool) -> PhpSystem:
    suffix = SUFFIX if is_aside else ""
    row = session.row(f"SELECT COUNT(*) FROM {TASKS}{suffix}")
    # Views, too, of which Django's list of tables knows nothing.
    every = session.rows("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
    found = [name for name in NAMES if (f"{name}{suffix}",) in every]
    return PhpSystem(tables=found, is_aside=is_aside, tasks=int(row[0]) if row else 0)


def column_types(session: Session, table: str) -> dict[str, str]:
    """Return the columns of a table with their types."""
    rows = session.rows(
        "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        [table],
    )
    return {str(name): str(kind).lower() for name, kind in rows}


def is_view(session: Session, name: str) -> bool:
    """Whether this is a view."""
    row = session.row(
        "SELECT 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s", [name]
    )
    return row is not None


def put_aside(session: Session, system: PhpSystem) -> None:
    """Give each of its tables another name, all in one statement. Raise SchemaError where such a name is taken."""
    taken = [f"{name}{SUFFIX}" for name in system.tables if column_types(session, f"{name}{SUFFIX}")]
    if taken:
        raise SchemaError(f"there are tables {', '.join(taken)} already.", remedy="Rename them.")
    names = ", ".join(f"{name} TO {name}{SUFFIX}" for name in system.tables)
    session.execute(f"RENAME TABLE {names}")


def switch_events_off(session: Session) -> list[str]:
    """Disable what the PHP system left to the server's clock: it would delete rows of ours. Return the names."""
    rows = session.rows(
        "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"
        " AND STATUS = 'ENABLED' AND EVENT_DEFINITION LIKE %s",
        ["%smart_cron_%"],
    )
    for (name,) in rows:
        session.execute(f"ALTER EVENT {session.connection.ops.quote_name(name)} DISABLE")
    return [str(name) for (name,) in rows]
