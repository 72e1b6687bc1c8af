"""Column types: the specification's own on MariaDB and MySQL, their nearest kin on SQLite and PostgreSQL.

Text is utf8mb4 and compared byte by byte everywhere, whatever the server's default: two tasks may differ by case
alone on no database or on all, and `planned_pattern` must notice every edit.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import RawSQL

if TYPE_CHECKING:
    _Char = models.CharField[str, str]
    _Text = models.TextField[str, str]
    _Small = models.SmallIntegerField[int, int]
    _Int = models.IntegerField[int, int]
    _BigInt = models.BigIntegerField[int, int]
    _Float = models.FloatField[float, float]
    _Instant = models.DateTimeField[datetime, datetime]
else:
    _Char, _Text, _Small = models.CharField, models.TextField, models.SmallIntegerField
    _Int, _BigInt = models.IntegerField, models.BigIntegerField
    _Float, _Instant = models.FloatField, models.DateTimeField

_BYTEWISE = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


def _is_mysql(connection: BaseDatabaseWrapper) -> bool:
    return connection.vendor == "mysql"


class Varchar(_Char):
    """VARCHAR, compared byte by byte."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return f"varchar({self.max_length}) {_BYTEWISE}" if _is_mysql(connection) else super().db_type(connection)


class Text(_Text):
    """TEXT: at most 65,535 bytes on MariaDB and MySQL, so no writer may count on more anywhere."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return f"text {_BYTEWISE}" if _is_mysql(connection) else super().db_type(connection)


class LongText(_Text):
    """MEDIUMTEXT, 16 MB on MariaDB and MySQL: for what grows with a crowd of alerts, or with letters beyond ASCII."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return f"mediumtext {_BYTEWISE}" if _is_mysql(connection) else super().db_type(connection)


class TinyInt(_Small):
    """TINYINT where there is one."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "tinyint" if _is_mysql(connection) else super().db_type(connection)


class Flag(_Small):
    """0 or 1 as an integer, since `enabled = 1` must mean the same on PostgreSQL."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "tinyint(1)" if _is_mysql(connection) else super().db_type(connection)


class Int(_Int):
    """INT."""


class BigInt(_BigInt):
    """BIGINT."""


class Double(_Float):
    """DOUBLE, where adding up must not stop at seven digits."""


class Float(_Float):
    """FLOAT, as the specification says; double precision elsewhere."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "float" if _is_mysql(connection) else super().db_type(connection)


class Instant(_Instant):
    """An instant with microseconds, which `NOW()` of any client in any time zone means rightly.

    On MariaDB and MySQL a TIMESTAMP that says NULL or has a default: an undeclared one updates itself. On SQLite text
    in UTC, in one form only, since it is compared as text; what it could not be read back from is refused there and on
    PostgreSQL ('infinity') by a check. MariaDB takes zero dates by INSERT; they are read as no date.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        if _is_mysql(connection):
            return "timestamp(6)"
        return "text" if connection.vendor == "sqlite" else super().db_type(connection)

    def db_check(self, connection: BaseDatabaseWrapper) -> str | None:
        column = connection.ops.quote_name(str(self.column))
        if connection.vendor == "sqlite":
            return f"{column} IS NULL OR COALESCE(substr({column}, 1, 19) = datetime({column}), 0)"
        if connection.vendor == "postgresql":
            return f"{column} >= '0001-01-02' AND {column} < '9999-12-31'"
        return None


class RowSql(RawSQL):
    """SQL over one row that all four databases understand, but for `{policy}`, which stands for `policy_text`."""

    def __init__(self, sql: str) -> None:
        super().__init__(sql, ())

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> tuple[str, tuple[()]]:  # noqa: ARG002
        return f"({self.sql.replace('{policy}', policy_text(connection.vendor))})", ()


def policy_text(vendor: str) -> str:
    """Return SQL for what planning heeds of a task beside its pattern and zone, as one text."""
    parts = ["on_missed", "on_overlap", "COALESCE(start_deadline_seconds, 0)", "timeout_seconds", "priority"]
    if vendor == "mysql":
        return "CONCAT(" + ", '/', ".join(parts) + ")"
    return " || '/' || ".join(f"CAST({part} AS text)" for part in parts)


def generated(sql: str, output_field: models.Field[Any, Any] | None = None) -> Any:
    """Return a stored column, a small integer by default, that the database computes from the row's other columns."""
    return models.GeneratedField(expression=RowSql(sql), output_field=output_field or TinyInt(), db_persist=True)


class PartialIndex(models.Index):
    """An index of some rows only; of all rows on MariaDB and MySQL, which know no other kind.

    Where it matters there, the condition is also in a generated column that is NULL for all other rows.
    """

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **options: Any) -> Any:
        if schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using=using, **options)
        return models.Index(fields=self.fields, name=self.name).create_sql(model, schema_editor, using, **options)
