"""The statements that give two accounts no more than they need: one that runs, and one that makes tables.

They hold no password. What stands there is asked, so that each statement can be run as it is printed.
"""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.backup import ACCOUNTS
from smart_cron.store import schema
from smart_cron.store.bulk import placeholders
from smart_cron.store.session import Session

AUDIT = "smart_cron_audit_log"
MIGRATIONS = "django_migrations"
# Where a backup is restored to be proven: a database of its own, whose name begins so.
SCRATCH = "smart_cron_verify"
_MAKES_TABLES = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, LOCK TABLES, CREATE VIEW, SHOW VIEW,"
    " CREATE ROUTINE, ALTER ROUTINE, EXECUTE, TRIGGER, EVENT"
)
# What a login needs beside the accounts themselves, where something has listened here.
_LOGIN = (
    *ACCOUNTS,
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "axes_accessattempt",
    "axes_accessattemptexpiration",
    "axes_accessfailurelog",
    "axes_accesslog",
    "django_content_type",
    "django_session",
    "usersessions_usersession",
)
RUNS, MIGRATES = "smart_cron", "smart_cron_owner"


def grants(session: Session, *, runs: str = RUNS, migrates: str = MIGRATES, host: str = "localhost") -> list[str]:
    """Return the statements, with comments between; none for SQLite, which has no accounts.

    *runs* and *migrates* are the accounts' names, *host* is from where they connect, on MariaDB and MySQL alone.
    """
    if session.dialect.name == "sqlite":
        return []
    if session.dialect.name == "mysql":
        return _mysql(session, _account(runs, host), _account(migrates, host))
    return _postgresql(session, _quoted(runs, '"'), _quoted(migrates, '"'))


def _account(name: str, host: str) -> str:
    return f"{_quoted(name, chr(39))}@{_quoted(host, chr(39))}"


def _quoted(name: str, mark: str) -> str:
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"


def _rights(table: str) -> str:
    if table == MIGRATIONS:
        return "SELECT"
    return "SELECT, INSERT" if table == AUDIT else "SELECT, INSERT, UPDATE, DELETE"


def _tables(session: Session) -> list[str]:
    return [*schema.tables_of_ours(session), *_login_tables(session), MIGRATIONS]


def _login_tables(session: Session) -> list[str]:
    return schema.tables_among(session, _LOGIN)


def _mysql(session: Session, runs: str, migrates: str) -> list[str]:
    database = _quoted(str(session.connection.settings_dict["NAME"]), "`")
    # In a name of GRANT an underscore is any letter unless it is escaped.
    whole = database.replace("_", "\\_").replace("%", "\\%")
    scratch = SCRATCH.replace("_", "\\_")
    views, routines = _mysql_views(session), _mysql_routines(session)
    return [
        "-- Runs tasks. It cannot make or change tables, nor change or delete what the audit log holds.",
        f"CREATE USER IF NOT EXISTS {runs} IDENTIFIED BY '…';",
        *(f"GRANT {_rights(table)} ON {database}.{_quoted(table, '`')} TO {runs};" for table in _tables(session)),
        *(f"GRANT SELECT ON {database}.{_quoted(view, '`')} TO {runs};" for view in views),
        *(f"GRANT EXECUTE ON {kind} {database}.{_quoted(name, '`')} TO {runs};" for kind, name in routines),
        "-- Migrates and restores: [database] migrate_url. In databases named as the last one, backups are proven.",
        f"CREATE USER IF NOT EXISTS {migrates} IDENTIFIED BY '…';",
        f"GRANT {_MAKES_TABLES} ON {whole}.* TO {migrates};",
        f"GRANT ALL PRIVILEGES ON `{scratch}%`.* TO {migrates};",
    ]


def _mysql_views(session: Session) -> list[str]:
    where = "TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE %s"
    return _names(session, f"SELECT TABLE_NAME FROM information_schema.VIEWS WHERE {where}")


def _mysql_routines(session: Session) -> list[tuple[str, str]]:
    rows = session.rows(
        "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES"
        " WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME LIKE %s ORDER BY ROUTINE_NAME",
        ["smart\\_cron\\_%"],
    )
    return [(str(kind), str(name)) for kind, name in rows]


def _postgresql(session: Session, runs: str, migrates: str) -> list[str]:
    row = session.row("SELECT current_schema(), current_database()")
    assert row is not None
    place, database = _quoted(row[0], '"'), _quoted(row[1], '"')
    views = _names(session, "SELECT viewname FROM pg_views WHERE schemaname = current_schema() AND viewname LIKE %s")
    return [
        "-- Runs tasks. It cannot make or change tables, nor change or delete what the audit log holds.",
        f"CREATE ROLE {runs} LOGIN PASSWORD '…';",
        f"GRANT CONNECT ON DATABASE {database} TO {runs};",
        f"GRANT USAGE ON SCHEMA {place} TO {runs};",
        *(f"GRANT {_rights(table)} ON TABLE {place}.{table} TO {runs};" for table in _tables(session)),
        *(f"GRANT SELECT ON TABLE {place}.{view} TO {runs};" for view in views),
        *(
            f"GRANT USAGE, SELECT, UPDATE ON SEQUENCE {place}.{name} TO {runs};"
            for name in _sequences(session, _tables(session))
        ),
        "-- Migrates and restores: [database] migrate_url. It owns the tables; a schema that it makes proves backups.",
        f"CREATE ROLE {migrates} LOGIN PASSWORD '…';",
        f"GRANT CONNECT, CREATE ON DATABASE {database} TO {migrates};",
        f"GRANT USAGE, CREATE ON SCHEMA {place} TO {migrates};",
    ]


def _sequences(session: Session, tables: Sequence[str]) -> list[str]:
    rows = session.rows(
        f"""SELECT pg_get_serial_sequence(table_name, 'id') FROM information_schema.columns
         WHERE table_schema = current_schema() AND column_name = 'id' AND table_name IN ({placeholders(tables)})
         ORDER BY table_name""",
        list(tables),
    )
    return [str(name).rpartition(".")[2] for (name,) in rows if name]


def _names(session: Session, sql: str) -> list[str]:
    return sorted(str(name) for (name,) in session.rows(sql, ["smart\\_cron\\_%"]))
