"""Migrations on MariaDB and MySQL, which take no table back: one that was cut short goes on where it ended.

A migration's steps are statements that are done as a whole or not at all, so what is there is passed over. A step of
another kind (of data, say) runs again, and has to be written for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db.backends.mysql.schema import DatabaseSchemaEditor
from django.db.models import BaseConstraint, Field, Index, Model

if TYPE_CHECKING:
    from smart_cron.store.session import Session


@contextmanager
def resuming(session: Session) -> Iterator[None]:
    """Have migrations pass over what an earlier try has made, where the server cannot take it back itself."""
    connection: Any = session.connection
    if session.dialect.name != "mysql":
        yield
        return
    usual, connection.SchemaEditorClass = connection.SchemaEditorClass, _ResumingEditor
    try:
        yield
    finally:
        connection.SchemaEditorClass = usual


class _ResumingEditor(DatabaseSchemaEditor):
    def create_model(self, model: type[Model]) -> None:
        wanted = _options(model)
        # A table of another shape is somebody else's: making ours says so.
        if self._columns_of(model) != {field.column for field in wanted.local_concrete_fields}:
            super().create_model(model)
            return
        # They come behind the table, so they may be what is missing.
        for index in wanted.indexes:
            self.add_index(model, index)

    def add_field(self, model: type[Model], field: Field[Any, Any]) -> None:
        if field.column not in self._columns_of(model):
            super().add_field(model, field)

    def add_index(self, model: type[Model], index: Index) -> None:
        if index.name not in self._named_of(model):
            super().add_index(model, index)

    def add_constraint(self, model: type[Model], constraint: BaseConstraint) -> None:
        if constraint.name not in self._named_of(model):
            super().add_constraint(model, constraint)

    def _columns_of(self, model: type[Model]) -> set[str]:
        table = _options(model).db_table
        with self.connection.cursor() as cursor:
            if table not in self.connection.introspection.table_names(cursor):
                return set()
            cursor.execute(f"SELECT * FROM {self.quote_name(table)} WHERE 1 = 0")
            return {column[0] for column in cursor.description}

    def _named_of(self, model: type[Model]) -> set[str]:
        with self.connection.cursor() as cursor:
            return set(self.connection.introspection.get_constraints(cursor, _options(model).db_table))


def _options(model: type[Model]) -> Any:
    return model._meta  # noqa: SLF001
