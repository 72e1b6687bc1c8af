"""One database as backups see it: the port `BackupSource`. What it takes is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any

from smart_cron.core.backup import ACCOUNTS, Contents, Dumped, RefusedBackupError
from smart_cron.core.ports.backups import LineSource, Scratch
from smart_cron.store import schema
from smart_cron.store.people.roll import account_tables, has_accounts
from smart_cron.store.session import Session

# A server that works through a large table may say nothing for a while.
_PATIENCE = 4.0


class Source:
    """Dumps this database, and opens places to restore dumps into."""

    def __init__(self, session: Session, *, timeout_seconds: float) -> None:
        self._session, self._stall_seconds = session, timeout_seconds * _PATIENCE

    @property
    def database(self) -> str:
        """The dialect of its dumps."""
        return self._session.dialect.name

    def dump(self, tables: Sequence[str], write: Callable[[bytes], object], folder: Path) -> Dumped:
        """Write these tables as SQL text, all of one moment; what has to lie on disk meanwhile, in *folder*."""
        dumped: Dumped = self._part("dump").dump(
            self._session, self._there(tables), write, folder=folder, stall_seconds=self._stall_seconds
        )
        return dumped

    def _there(self, tables: Sequence[str]) -> list[str]:
        """Return those that the tables' version has. One that is missing although its version has it is told."""
        there = schema.tables_there(self._session)
        missing = [name for name in tables if name not in there and name not in ACCOUNTS]
        if missing and schema.known_migrations() <= set(schema.applied_migrations(self._session)):
            raise RefusedBackupError(
                f"the table {missing[0]} is not there any more.", remedy="Restore it: smart-cron backup restore --table"
            )
        there |= set(account_tables(self._session))
        return [name for name in tables if name in there]

    def has_accounts(self) -> bool:
        """Whether anybody is known here who may log in, or might."""
        return has_accounts(self._session)

    def make_account_tables(self) -> None:
        """Bring the tables of accounts up to date. Raise RefusedBackupError where this process knows none."""
        from smart_cron.store.backups.accounts import known_accounts

        if known_accounts():
            self._session.migrate_others()
        elif not account_tables(self._session):
            raise RefusedBackupError("there are no tables of users here yet.", remedy="Start the dashboard once.")

    def look(self, source: LineSource) -> Contents:
        """Read a dump to its end and restore nothing."""
        from smart_cron.store.backups.scratch import looked_through

        return looked_through(self._part("reading").read, source)

    def scratch(self, folder: Path) -> AbstractContextManager[Scratch]:
        """Open an empty place; files of it lie in *folder*."""
        place: AbstractContextManager[Scratch] = self._part("scratch").scratch(
            self._session, folder=folder, stall_seconds=self._stall_seconds
        )
        return place

    def _part(self, name: str) -> Any:
        return import_module(f"smart_cron.store.backups.{name}_{self.database}")
