"""What backups ask of the store: a dump, a place to restore it into, and a list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from smart_cron.core.backup import Backup, Contents, Drill, Dumped, TableSum
from smart_cron.core.roll import Roll


class LineSource(Protocol):
    """What the lines of a dump are read from, unpacked as they are read."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line with its end, at most *size* bytes of it; nothing at the end."""


class Scratch(Protocol):
    """A place beside the live tables into which one dump is restored; it is gone with its context."""

    def load(self, source: LineSource, *, taking: Collection[str] | None = None) -> Contents:
        """Restore a dump here: its rows of these tables alone, where they are named.

        Raise RefusedBackupError for one that is damaged, foreign, hostile or too new.
        """

    def sums(self, tables: Sequence[str]) -> dict[str, TableSum]:
        """Return the sums of what stands here now, as `load` returns those of the dump."""

    def bring_forward(self) -> list[str]:
        """Migrate what stands here to this version; return the names of the migrations applied."""

    def drill(self, now: datetime) -> Drill:
        """Open a scheduler on it that can only read, and ask for its due tasks."""

    def rolls(self) -> tuple[Roll, Roll]:
        """Return who may log in by the live tables, and who by these."""

    def take_place(
        self, tables: Sequence[str], *, actor: str, name: str, accounts: Sequence[str] | None = None
    ) -> list[str]:
        """Put these tables in the place of the live ones, all of them or none, with an audit row that says so.

        *accounts* is what changes by it for those who may log in; None leaves the accounts that are there. With other
        accounts every session ends.
        Return a sentence for each thing of ours that this account cannot make anew around them.
        """


class BackupSource(Protocol):
    """One database as backups see it."""

    @property
    def database(self) -> str:
        """The dialect of its dumps."""

    def dump(self, tables: Sequence[str], write: Callable[[bytes], object], folder: Path) -> Dumped:
        """Write these tables as SQL text that the database's own client restores, all of one moment.

        What has to lie on disk meanwhile lies in *folder*.
        """

    def has_accounts(self) -> bool:
        """Whether anybody is known here who may log in, or might."""

    def make_account_tables(self) -> None:
        """Bring the tables of accounts up to date. Raise RefusedBackupError where this process knows none."""

    def look(self, source: LineSource) -> Contents:
        """Read a dump to its end and restore nothing. Raise as `Scratch.load` does."""

    def scratch(self, folder: Path) -> AbstractContextManager[Scratch]:
        """Open an empty place; files of it lie in *folder*. Raise UnverifiableError where this account may not."""


class BackupBook(Protocol):
    """The rows of `smart_cron_backups`."""

    def enter(self, backup: Backup) -> None:
        """Write what is known of a backup, over its row where it has one."""

    def strike_out(self, path: str) -> None:
        """Forget a backup whose file is deleted."""

    def last_proven_at(self) -> datetime | None:
        """Return when the youngest full backup was taken that has been restored since."""

    def something_to_lose_since(self) -> datetime | None:
        """Return when the oldest task was defined."""

    def any_taken(self) -> bool:
        """Whether any backup was ever entered."""

    def failed(self) -> Sequence[Backup]:
        """Return those that were to be taken and failed, newest first."""
