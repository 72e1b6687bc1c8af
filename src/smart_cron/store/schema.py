"""Whether server and tables fit this code, and how they come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from django.apps import apps
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from smart_cron.core.backup import LOGIN_APPS, USERS
from smart_cron.core.errors import SchemaError
from smart_cron.store import derived
from smart_cron.store.adoption import php_system
from smart_cron.store.faults import MIGRATE, told_in_ours
from smart_cron.store.migration_lock import sole_migrator
from smart_cron.store.resuming import resuming

if TYPE_CHECKING:
    from django.db.models import Model

    from smart_cron.core.adoption import Adoption
    from smart_cron.store.session import Session

APP = "smart_cron"
# The application that is migrated together with all that a login needs.
PEOPLE = "smart_cron_people"


def check_server(session: Session) -> None:
    """Raise SchemaError for a server that is too old, with its version and the one needed."""
    found = session.row(session.dialect.version_sql)
    problem = session.dialect.version_problem(str(found[0])) if found else None
    if problem:
        raise SchemaError(problem, remedy="Upgrade the database server.")


def check_tables(session: Session) -> None:
    """Raise SchemaError where migrations are missing, or were applied by a newer version."""
    missing = refuse_newer(session)
    there = _tables(session)
    if missing or f"{php_system.TASKS}{php_system.SUFFIX}" in there:
        system = php_system.find(session, there, _applied(session))
        if system is not None:
            from smart_cron.store.adoption import taking_over

            raise taking_over.describe(system)
    if missing:
        raise SchemaError("the database has no tables of this version yet.", remedy=MIGRATE)


def refuse_newer(session: Session) -> set[str]:
    """Raise SchemaError where a newer version made the tables; return the names of the migrations still missing."""
    applied = _applied(session)
    known = known_migrations()
    newer = sorted(applied - known)
    if newer:
        raise SchemaError(
            f"the database was made by a newer version of Smart Cron (it has '{newer[-1]}').",
            remedy="Upgrade Smart Cron, or restore an older backup.",
        )
    return known - applied


def known_migrations() -> set[str]:
    """Return the names of the migrations of this version."""
    return {name for app, name in MigrationLoader(None).disk_migrations if app == APP}


def tables_there(session: Session) -> set[str]:
    """Return the names of the tables of ours that are there, however old."""
    ours = {model._meta.db_table for model in apps.get_app_config(APP).get_models()}  # noqa: SLF001
    with told_in_ours(""):
        return ours & set(_tables(session))


def has_tables(session: Session) -> bool:
    """Whether any table of ours is there."""
    return bool(tables_there(session))


def migrate(session: Session, adoption: Adoption | None = None) -> list[str]:
    """Apply what is missing, and return its names; where *adoption* says how, take the original PHP system over.

    Raise SchemaError where there is one and nothing says so.
    """
    with sole_migrator(session):
        system = php_system.find(session, _tables(session), _applied(session))
        if system is None:
            return _migrate(session)
        # Here and not above: these work with models, which are there only once Django is configured.
        from smart_cron.store.adoption import taking_over

        if adoption is None:
            raise taking_over.describe(system)
        taking_over.put_aside(session, system, adoption)
        if system.is_aside and not _hold_rows(session):
            drop_unfinished(session)
        names = _migrate(session)
        taking_over.fill(session, system, adoption)
        return names


def _migrate(session: Session) -> list[str]:
    refuse_newer(session)
    _refuse_collisions(session)
    executor = MigrationExecutor(session.connection)
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == APP]
    plan = executor.migration_plan(targets)
    if plan:
        derived.drop(session)
        with resuming(session):
            executor.migrate(targets, plan=plan)
    session.not_made = tuple(derived.create(session))
    return [migration.name for migration, _ in plan]


def migrate_others(session: Session) -> list[str]:
    """Bring the tables of the other applications of this process up to date: users, sessions, second factors.

    Return the names of the migrations applied. Raise SchemaError where another Django project has tables of such names.
    """
    with sole_migrator(session):
        executor = MigrationExecutor(session.connection)
        targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] != APP]
        plan = executor.migration_plan(targets)
        if plan:
            _refuse_another_project(session, executor)
            with told_in_ours(""):
                executor.migrate(targets, plan=plan)
        return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _refuse_another_project(session: Session, executor: MigrationExecutor) -> None:
    """Users of another project are none of ours, and its sessions would be read as logins."""
    if any(app == PEOPLE for app, _ in executor.loader.applied_migrations):
        return
    others = {model._meta.db_table for model in apps.get_models() if model._meta.app_label != APP}  # noqa: SLF001
    if taken := sorted(others & set(_tables(session))):
        raise SchemaError(
            f"the database holds tables of another Django project: {', '.join(taken[:3])}.",
            remedy="Give Smart Cron a database of its own; 'smart-cron db move' carries everything there.",
        )


def make_missing(session: Session) -> list[str]:
    """Make the tables that this version has and somebody dropped, empty; return their names."""
    there = set(_tables(session))
    models = apps.get_app_config(APP).get_models()
    missing = [model for model in models if model._meta.db_table not in there]  # noqa: SLF001
    for model in missing:
        with told_in_ours(""), session.connection.schema_editor() as editor:
            editor.create_model(model)
    return [model._meta.db_table for model in missing]  # noqa: SLF001


def make_tables(session: Session, migrations: Sequence[str]) -> None:
    """Make the tables as they were after these migrations (all, where none are named), without views and routines."""
    last = max(migrations or known_migrations())
    MigrationExecutor(session.connection).migrate([(APP, last)])


def migrations_of(session: Session, tables: Sequence[str]) -> list[tuple[str, str]]:
    """Return the migrations that made these tables, by application and name: those of accounts are of their own."""
    if "django_migrations" not in _tables(session):
        return []
    rows = session.rows("SELECT app, name FROM django_migrations ORDER BY id")
    found = [(str(app), str(name)) for app, name in rows]
    apps_of = (APP, *LOGIN_APPS) if USERS in tables else (APP,)
    return [each for app in apps_of for each in found if each[0] == app]


def applied_migrations(session: Session) -> list[str]:
    """Return the names of the migrations that were applied, in order."""
    return sorted(_applied(session))


def _refuse_collisions(session: Session) -> None:
    """A table that has one of our names, before the first migration of ours, is somebody else's, or was left over."""
    if _applied(session):
        return
    ours = {model._meta.db_table: model for model in apps.get_app_config(APP).get_models()}  # noqa: SLF001
    taken = sorted(set(ours) & set(_tables(session)))
    if not taken:
        return
    foreign = [table for table in taken if not columns(session, table) <= _columns_of(ours[table])]
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


def drop_unfinished(session: Session) -> None:
    """Drop the empty tables of a migration that was cut short, so that it can begin anew. Ask first that all are empty.

    MariaDB and MySQL cannot take back what a statement made.
    """
    if not refuse_newer(session):
        return
    ours = {model._meta.db_table: model for model in _models()}  # noqa: SLF001
    found = tables_of_ours(session)
    if any(not columns(session, table) <= _columns_of(ours[table]) for table in found):
        return  # Somebody else's; the migration says so.
    derived.drop(session)
    for table in found:
        session.execute(f"DROP TABLE {table}")
    if "django_migrations" in _tables(session):
        session.execute("DELETE FROM django_migrations WHERE app = %s", [APP])


def _hold_rows(session: Session) -> bool:
    return any(session.row(f"SELECT 1 FROM {name} LIMIT 1") for name in tables_of_ours(session))


def tables_of_ours(session: Session) -> list[str]:
    """Return which tables with names of ours there are."""
    return sorted({model._meta.db_table for model in _models()} & set(_tables(session)))  # noqa: SLF001


def tables_among(session: Session, names: Iterable[str]) -> list[str]:
    """Return which of these tables there are, by name."""
    return sorted(set(names) & set(_tables(session)))


def _models() -> list[type[Model]]:
    return list(apps.get_app_config(APP).get_models())


def columns_of(table: str) -> set[str]:
    """Return the columns that a table of ours has by this version."""
    return next(_columns_of(model) for model in _models() if model._meta.db_table == table)  # noqa: SLF001


def columns(session: Session, table: str) -> set[str]:
    """Return the columns that a table has."""
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
