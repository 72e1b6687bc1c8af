"""Those who may log in, carried over: few rows, with references among them, in one transaction with the move's end.

By their models, which know how each database writes a flag, an instant and a document. Sessions stay behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps

from smart_cron.core.backup import ACCOUNTS, USERS
from smart_cron.core.errors import DatabaseError
from smart_cron.core.move import ChecksumError, MoveRefusedError, TableMoved
from smart_cron.store.dialects import INT
from smart_cron.store.faults import told_in_ours
from smart_cron.store.moving.counters import count_on_from, last_given
from smart_cron.store.moving.shape import Column, Table
from smart_cron.store.people.roll import account_tables, has_accounts

if TYPE_CHECKING:
    from django.db.models import Model

    from smart_cron.store.session import Session

_PAGE = 500


class Accounts:
    """The accounts of *source*, on their way to another database."""

    def __init__(self, source: Session) -> None:
        self._source = source
        there = account_tables(source)
        self._models = _models(there) if there else []

    def look(self) -> list[TableMoved]:
        """Return what there is to move."""
        return [_moved(model, self._rows(model, self._source)) for model in self._models]

    def prepare(self, target: Session) -> None:
        """Make the tables there. Raise MoveRefusedError where somebody may log in there already."""
        refuse_known(target)
        if self._models:
            target.migrate_others()

    def count_on(self, target: Session) -> None:
        """Let numbers go on there behind every one that was ever given here; not within a transaction."""
        for model in self._models:
            table = _numbered(model)
            count_on_from(target, table, last_given(self._source, table))

    def copy(self, target: Session) -> list[TableMoved]:
        """Write and compare them, within the caller's transaction. Raise MoveRefusedError for what does not fit."""
        return [self._copied(model, target) for model in self._models]

    def _copied(self, model: type[Model], target: Session) -> TableMoved:
        for row in model._base_manager.using(self._source.alias).order_by("pk").iterator(_PAGE):  # noqa: SLF001
            try:
                # Raw: nothing about it is computed anew, such as the instant at which it was made.
                with told_in_ours(""):
                    row.save_base(raw=True, force_insert=True, using=target.alias)
            except (DatabaseError, ValueError) as error:
                raise MoveRefusedError(
                    f"row {row.pk} of {model._meta.db_table} cannot be written: {error}"  # noqa: SLF001
                ) from None
        here, there = (_moved(model, self._rows(model, session)) for session in (self._source, target))
        if here != there:
            raise ChecksumError(here.table, here=here.rows, there=there.rows)
        return there

    @staticmethod
    def _rows(model: type[Model], session: Session) -> Iterator[tuple[Any, ...]]:
        fields = [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001
        rows = model._base_manager.using(session.alias).order_by("pk").values_list(*fields)  # noqa: SLF001
        return iter(rows.iterator(_PAGE))


def refuse_known(target: Session) -> None:
    """Raise MoveRefusedError where somebody may log in there already."""
    if has_accounts(target):
        raise MoveRefusedError(
            f"the new database holds users, in {USERS}.",
            remedy="Name an empty one; or drop that database and make it anew.",
        )


def _models(tables: Sequence[str]) -> list[type[Model]]:
    known = {model._meta.db_table: model for model in apps.get_models()}  # noqa: SLF001
    if USERS not in known:
        raise MoveRefusedError("there are users here, and this process does not know their tables.")
    return [known[name] for name in ACCOUNTS if name in tables]


def _moved(model: type[Model], rows: Iterator[tuple[Any, ...]]) -> TableMoved:
    digest, count = hashlib.blake2b(digest_size=20), 0
    for row in rows:
        digest.update(json.dumps(row, default=str, sort_keys=True).encode())
        count += 1
    return TableMoved(table=model._meta.db_table, rows=count, checksum=digest.hexdigest())  # noqa: SLF001


def _numbered(model: type[Model]) -> Table:
    """Return the table as far as its numbers go."""
    key = model._meta.pk  # noqa: SLF001
    assert key is not None
    return Table(model._meta.db_table, (Column(name="id", kind=INT, field=key),))  # noqa: SLF001
