"""Whether server and tables fit this code, and how they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.apps import apps
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from smart_cron.core.errors import SchemaError
from smart_cron.store import derived
from smart_cron.store.faults import MIGRATE
from smart_cron.store.migration_lock import sole_migrator

if TYPE_CHECKING:
    from django.db.models import Model

    from smart_cron.store.session import Session

APP = "smart_cron"


def check_server(session: Session) -> None:
    """Raise SchemaError for a server that is too old, with its version and the one needed."""
    found = session.row(session.dialect.version_sql)
    problem = session.dialect.version_problem(str(found[0])) if found else None
    if problem:
        raise SchemaError(problem, remedy="Upgrade the database server.")


def check_tables(session: Session) -> None:
    """Raise SchemaError where migrations are missing, or were applied by a newer version."""
    if _missing(session):
        raise SchemaError("the database has no tables of this version yet.", remedy=MIGRATE)


def _missing(session: Session) -> set[str]:
    """Return the migrations to be applied. Raise SchemaError where some were applied that this version has not."""
    applied = _applied(session)
    known = {name for app, name in MigrationLoader(None).disk_migrations if app == APP}
    newer = sorted(applied - known)
    if newer:
        raise SchemaError(
            f"the database was made by a newer version of Smart Cron (it has '{newer[-1]}').",
            remedy="Upgrade Smart Cron, or restore an older backup.",
        )
    return known - applied


def migrate(session: Session) -> list[str]:
    """Apply what is missing, and return its names. Raise SchemaError for a database that is newer than this code."""
    with sole_migrator(session):
        _missing(session)
        _refuse_collisions(session)
        executor = MigrationExecutor(session.connection)
        targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == APP]
        plan = executor.migration_plan(targets)
        if plan:
            derived.drop(session)
            executor.migrate(targets, plan=plan)
        session.not_made = tuple(derived.create(session))
        return [migration.name for migration, _ in plan]


def _refuse_collisions(session: Session) -> None:
    """A table that has one of our names, before the first migration of ours, is somebody else's, or was left over."""
    if _applied(session):
        return
    ours = {model._meta.db_table: model for model in apps.get_app_config(APP).get_models()}  # noqa: SLF001
    taken = sorted(set(ours) & set(_tables(session)))
    if not taken:
        return
    foreign = [table for table in taken if not _columns(session, table) <= _columns_of(ours[table])]
    if foreign:
        raise SchemaError(
            f"the database holds tables of another program with names of ours: {', '.join(foreign)}.",
            remedy="Rename them, or give Smart Cron a database of its own.",
        )
    raise _left_over(session, taken)


def _left_over(session: Session, tables: Sequence[str]) -> SchemaError:
    """MariaDB and MySQL cannot take a table back: a first migration that was cut short leaves what it had made."""
    full = [table for table in tables if session.row(f"SELECT 1 FROM {table} LIMIT 1")]
    if full:
        return SchemaError(
            f"the tables {', '.join(full)} hold rows, and django_migrations does not say which version made them.",
            remedy="Restore the table django_migrations, or the whole database, from a backup.",
        )
    statements = " ".join(f"DROP TABLE {table};" for table in tables)
    return SchemaError(
        f"an earlier first migration did not reach its end and left empty tables: {', '.join(tables)}.",
        remedy=f"Remove them with '{statements}', then run 'smart-cron db migrate' again.",
    )


def _columns(session: Session, table: str) -> set[str]:
    # Not Django's introspection, which cannot read back our own generated columns on SQLite.
    with session.connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} WHERE 1 = 0")
        return {column[0] for column in cursor.description}


def _columns_of(model: type[Model]) -> set[str]:
    return {field.column for field in model._meta.concrete_fields if field.column}  # noqa: SLF001


def _applied(session: Session) -> set[str]:
    if "django_migrations" not in _tables(session):
        return set()
    return {name for (name,) in session.rows("SELECT name FROM django_migrations WHERE app = %s", [APP])}


def _tables(session: Session) -> list[str]:
    with session.connection.cursor() as cursor:
        return session.connection.introspection.table_names(cursor)
