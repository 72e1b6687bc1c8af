"""The tables as the move sees them: columns in order, their kinds and what fits into them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db import models

from smart_cron.store import fields
from smart_cron.store.dialects import FLOAT, INSTANT, INT, TEXT

APP = "smart_cron"
HOLDS = "smart_cron_holds"
# Says that a FLOAT of MariaDB and MySQL has seven digits.
SINGLE = "single"
_KINDS: tuple[tuple[type[models.Field[Any, Any]], str], ...] = (
    (fields.Instant, INSTANT),
    (fields.Float, SINGLE),
    (fields.Double, FLOAT),
    (models.IntegerField, INT),
    (models.CharField, TEXT),
    (models.TextField, TEXT),
)
_TINY, _SMALL, _NORMAL, _BIG = 2**7, 2**15, 2**31, 2**63
# In bytes; on MariaDB and MySQL alone.
TEXT_BYTES, LONG_TEXT_BYTES = 65_535, 16_777_215


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `field` is the model's own."""

    name: str
    kind: str
    field: models.Field[Any, Any]

    @property
    def is_required(self) -> bool:
        """Whether it must have a value."""
        return not self.field.null

    @property
    def default(self) -> Any:
        """The value that the database gives where none is said; None where there is none, or where it is a clock."""
        default = getattr(self.field, "db_default", None)
        return default if isinstance(default, int | float | str) else getattr(default, "value", None)

    @property
    def characters(self) -> int | None:
        """How many characters fit; None where that is not what counts."""
        return self.field.max_length if self.kind == TEXT else None

    def bytes_on(self, vendor: str) -> int | None:
        """How many bytes of text fit; None where that is not what counts."""
        if vendor != "mysql" or self.kind != TEXT or self.field.max_length:
            return None
        return LONG_TEXT_BYTES if isinstance(self.field, fields.LongText) else TEXT_BYTES

    def span_on(self, vendor: str) -> tuple[int, int] | None:
        """The smallest and the greatest number that fit."""
        if self.kind != INT or vendor == "sqlite":
            return None
        if isinstance(self.field, models.SmallIntegerField):
            bound = _TINY if vendor == "mysql" and isinstance(self.field, fields.TinyInt | fields.Flag) else _SMALL
        else:
            bound = _BIG if isinstance(self.field, models.BigIntegerField | models.BigAutoField) else _NORMAL
        return -bound, bound - 1


@dataclass(frozen=True)
class Table:
    """A table: its columns but for those that the database computes itself; the first is `id`."""

    name: str
    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def listed(self) -> str:
        return ", ".join(self.names)


def tables() -> list[Table]:
    """Return every table of ours, the history of runs last: what is wrong with a small one shows at once."""
    found = [_table(model) for model in apps.get_app_config(APP).get_models()]
    return sorted(found, key=lambda table: (table.name == "smart_cron_executions", table.name))


def _table(model: type[models.Model]) -> Table:
    own = [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]  # noqa: SLF001
    columns = tuple(Column(name=str(field.column), kind=_kind(field), field=field) for field in own)
    assert columns[0].name == "id"
    return Table(model._meta.db_table, columns)  # noqa: SLF001


def _kind(field: models.Field[Any, Any]) -> str:
    return next(kind for cls, kind in _KINDS if isinstance(field, cls))
