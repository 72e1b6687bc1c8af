"""Accounts that take the place of the live ones: as rows, in one transaction, in the order of their references.

Not by a table in the place of another: other tables refer to these (sessions, and each other), on a server by
constraints that would follow a renamed table.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.apps import apps
from django.db.models import Model

from smart_cron.core.backup import ACCOUNTS, USERS, RefusedBackupError
from smart_cron.store import schema
from smart_cron.store.faults import told_in_ours
from smart_cron.store.people.roll import account_tables
from smart_cron.store.session import Session

# What somebody asked for under a key is not forgotten by a restore: asked again, it would be done twice.
_ONCE = "smart_cron_once_keys"
SESSIONS = ("usersessions_usersession", "django_session")
REFERENCES = {
    "smart_cron_api_keys": ("user_id", USERS),
    "smart_cron_identities": ("user_id", USERS),
    "account_emailaddress": ("user_id", USERS),
    "account_emailconfirmation": ("email_address_id", "account_emailaddress"),
    "mfa_authenticator": ("user_id", USERS),
}


def exchange_accounts(live: Session, scratch: str, here: str) -> None:
    """Put the accounts of the scratch tables in the place of the live ones, within the caller's transaction.

    *scratch* and *here* go before the tables' names. Every session ends.
    """
    tables = account_tables(live)
    _require_whole(live, scratch, tables)
    for table in (*_sessions(live), *reversed([name for name in tables if name != _ONCE])):
        live.execute(f"DELETE FROM {here}{table}")
    for table in tables:
        _copy(live, f"{scratch}{table}", f"{here}{table}", adds=table == _ONCE)


def _sessions(live: Session) -> list[str]:
    with live.connection.cursor() as cursor:
        there = live.connection.introspection.table_names(cursor)
    return [name for name in SESSIONS if name in there]


def _require_whole(live: Session, scratch: str, tables: Sequence[str]) -> None:
    """SQLite and PostgreSQL would say so only at the end, and in words of their own."""
    for table, (column, named) in REFERENCES.items():
        if table in tables:
            odd = live.row(
                f"SELECT {column} FROM {scratch}{table} WHERE {column} NOT IN (SELECT id FROM {scratch}{named}) LIMIT 1"
            )
            if odd is not None:
                raise RefusedBackupError(f"a row of {table} is of number {odd[0]}, which {named} does not hold.")


def _copy(live: Session, source: str, target: str, *, adds: bool) -> None:
    mark = "`" if live.dialect.name == "mysql" else '"'
    names = sorted(schema.columns(live, target.replace("%%", "%")) - ({"id"} if adds else set()))
    columns = ", ".join(f"{mark}{name}{mark}" for name in names)
    known = f" WHERE key_hash NOT IN (SELECT key_hash FROM {target})" if adds else ""
    live.execute(f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {source}{known} ORDER BY id")
    if live.dialect.name == "postgresql":
        sequence = f"pg_get_serial_sequence('{target}', 'id')"
        # Only ever forward: a number that was given out once is not given to another row.
        live.rows(f"SELECT setval({sequence}, GREATEST((SELECT MAX(id) FROM {target}), nextval({sequence})))")


def known_accounts() -> list[str]:
    """Return the tables of accounts that this process has models of: all of them, or none."""
    models = _models()
    return [name for name in ACCOUNTS if name in models]


def make_empty(session: Session, tables: Sequence[str]) -> None:
    """Make these as this process's models have them, without references.

    A place to try a backup in needs none, and rows come in whatever order a dump has.
    """
    models = _models()
    if not tables:
        return
    with told_in_ours(""), session.connection.schema_editor() as editor:
        for name in tables:
            editor.create_model(models[name])
        editor.deferred_sql = [sql for sql in editor.deferred_sql if "FOREIGN KEY" not in str(sql)]


def _models() -> dict[str, type[Model]]:
    return {model._meta.db_table: model for model in apps.get_models()}  # noqa: SLF001
