"""What has been proven takes the place of the live tables."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.store import derived
from smart_cron.store.audit import Audit
from smart_cron.store.backups.accounts import exchange_accounts
from smart_cron.store.definitions import COLUMNS as DEFINED
from smart_cron.store.session import Session

_TASKS, _HOLDS, _RUNS = "smart_cron_tasks_config", "smart_cron_holds", "smart_cron_executions"
# Of what changes for people, so much stands in the audit row.
MOST_TOLD = 200
# A task that is not there now comes back as a new one: nothing of its past may start.
_AS_NEW = (
    "is_running = 0, running_execution_id = NULL, next_run_at = NULL, planned_pattern = NULL, planned_zone = NULL,"
    " planned_enabled = NULL, planned_policy = NULL, planned_next_run_at = NULL, accounted_until = NULL"
)


def make_fit(live: Session, scratch: str, here: str, tables: Sequence[str]) -> None:
    """Take over into the scratch tables what has to outlive a restore; *scratch* and *here* go before their names.

    What holds starts back goes on to do so. Where definitions come back without the runs, what is known of each task's
    runs and slots stays what it is.
    """
    if _HOLDS in tables:
        live.execute(f"DELETE FROM {scratch}{_HOLDS}")
        columns = "id, kind, reason, actor, created_at"
        live.execute(f"INSERT INTO {scratch}{_HOLDS} ({columns}) SELECT {columns} FROM {here}{_HOLDS}")
    if _TASKS in tables and _RUNS not in tables:
        _keep_past(live, f"{scratch}{_TASKS}", f"{here}{_TASKS}")


def _keep_past(live: Session, restored: str, known: str) -> None:
    columns = _figures()
    if live.dialect.name == "mysql":
        sets = ", ".join(f"s.{name} = l.{name}" for name in columns)
        live.execute(f"UPDATE {restored} s JOIN {known} l ON l.id = s.id SET {sets}")
    else:
        listed = ", ".join(columns)
        live.execute(
            f"""UPDATE {restored} AS s SET ({listed}) = (SELECT {listed} FROM {known} l WHERE l.id = s.id)
             WHERE s.id IN (SELECT id FROM {known})"""
        )
    live.execute(f"UPDATE {restored} SET {_AS_NEW} WHERE id NOT IN (SELECT id FROM {known})")


def _figures() -> list[str]:
    """Return the columns of a task that no person decides and no database computes."""
    from smart_cron.store.models import TaskConfig

    fields = TaskConfig._meta.concrete_fields  # noqa: SLF001
    plain = [str(field.column) for field in fields if not field.generated]
    return [name for name in plain if name not in (*DEFINED, "id", "created_at", "updated_at")]


def exchange_by_rows(
    live: Session,
    scratch: str,
    here: str,
    tables: Sequence[str],
    *,
    actor: str,
    name: str,
    accounts: Sequence[str] | None = None,
) -> list[str]:
    """Put the rows in the place of the live ones in one transaction, which keeps all that hangs on the live tables.

    What others have built on them (views, rights, indexes of their own) stays as it is.
    """
    with live.transaction():
        make_fit(live, scratch, here, tables)
        derived.drop(live)
        for table in tables:
            _exchange(live, scratch, here, table)
        if accounts is not None:
            exchange_accounts(live, scratch, here)
        left_out = derived.create(live)
        note(live, tables, actor=actor, name=name, accounts=accounts)
    return left_out


def _exchange(live: Session, scratch: str, here: str, table: str) -> None:
    columns = ", ".join(f'"{column}"' for column in stored_columns(live, table))
    live.execute(f"TRUNCATE {here}{table}" if live.dialect.name == "postgresql" else f"DELETE FROM {here}{table}")
    live.execute(f"INSERT INTO {here}{table} ({columns}) SELECT {columns} FROM {scratch}{table} ORDER BY id")
    if live.dialect.name == "postgresql":
        sequence = f"pg_get_serial_sequence('{here}{table}', 'id')"
        # Only ever forward: a number that was given out once is not given to another row.
        live.rows(f"SELECT setval({sequence}, GREATEST((SELECT MAX(id) FROM {here}{table}), nextval({sequence})))")


def stored_columns(live: Session, table: str) -> list[str]:
    """Return the columns of a live table for which rows hold values, in order."""
    if live.dialect.name == "postgresql":
        from smart_cron.store.backups.dump_postgresql import columns_of

        return [name for name, is_computed in columns_of(live, table).items() if not is_computed]
    rows = live.rows("SELECT name FROM pragma_table_xinfo(%s) WHERE hidden = 0", [table])
    return [row[0] for row in rows]


def note(live: Session, tables: Sequence[str], *, actor: str, name: str, accounts: Sequence[str] | None = None) -> None:
    """Write the audit row; the audit log itself may have come from the backup a moment ago."""
    told = {"tables": ", ".join(tables), **({} if accounts is None else {"accounts": list(accounts[:MOST_TOLD])})}
    Audit(live).note("restore", actor=actor, entity=("backup", 0, name), new=told)
