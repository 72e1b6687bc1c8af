"""What every place beside the live tables has in common: how a dump gets in, and how its rows are made fit to serve.

Tables are made by us, after the live ones where the dump is of their version, so that what somebody added to a table
by hand is there, too; else by the migrations that the dump names. The file's own definitions are never carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from smart_cron.core.backup import ACCOUNTS, TABLES, USERS, Contents, Drill, RefusedBackupError, TableSum
from smart_cron.core.errors import DatabaseError, DatabaseUnavailableError
from smart_cron.core.ports.backups import LineSource
from smart_cron.store import schema
from smart_cron.store.backups.accounts import known_accounts, make_empty
from smart_cron.store.backups.events import Counter, Event, Foreign, Rows, Sums, Table, Version, remember, summed
from smart_cron.store.people.roll import account_tables, roll_of

if TYPE_CHECKING:
    from smart_cron.core.roll import Roll
    from smart_cron.store.session import Session

ALIAS = "smart_cron_scratch"
OLDER_FITS = "Upgrade Smart Cron, or take an older backup."
_DUE_LIMIT = 1000
Read = Callable[[LineSource], Iterator[Event]]


class Place:
    """Base of the three; subclasses say how tables are made and rows get in and out."""

    def __init__(self, live: Session, read: Read) -> None:
        self._live, self._read = live, read
        self._migrations: tuple[str, ...] = ()
        self._columns: dict[str, dict[str, bool]] | None = None
        self._account_tables: frozenset[str] = frozenset()

    # What a dialect says ---------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The connection to this place."""
        raise NotImplementedError

    def make_like_live(self, table: str) -> None:
        """Make an empty table that is what the live one is."""
        raise NotImplementedError

    def columns_of(self, table: str) -> dict[str, bool]:
        """Return the columns of a table here in order, and of each whether the database computes it."""
        raise NotImplementedError

    def dumped_columns(self, table: str) -> tuple[str, ...]:
        """Return the columns for which a dump of this dialect's own tool holds values."""
        return tuple(name for name, is_computed in self._known(table).items() if not is_computed)

    def put(self, rows: Rows) -> None:
        """Put rows into their table."""
        raise NotImplementedError

    def count_on(self, counter: Counter) -> None:
        """Let the numbers of new rows go on from here, where the rows alone do not see to that."""

    def before_rows(self) -> None:
        """Make ready for many rows."""

    def after_rows(self) -> None:
        """Undo that."""

    def sums(self, tables: Sequence[str]) -> dict[str, TableSum]:
        """Return the sums of what stands here now."""
        raise NotImplementedError

    # The way in ------------------------------------------------------------------------------------------------

    def load(self, source: LineSource, *, taking: Collection[str] | None = None) -> Contents:
        """Restore a dump here: its rows of these tables alone, where they are named."""
        sums, comparable, foreign, counters = Sums(), set[str](), dict[str, None](), dict[str, Counter]()
        passed_over = set[str]()
        self._account_tables = frozenset(account_tables(self._live) or known_accounts())
        for event in summed(self._read(source), sums):
            if isinstance(event, Table | Rows | Counter) and not self._takes(_table_of(event), taking):
                passed_over.add(_table_of(event))
            elif isinstance(event, Rows):
                self._take(event)
                if event.columns == self.dumped_columns(event.table):
                    comparable.add(event.table)
            elif isinstance(event, Version):
                self._told(event)
            elif isinstance(event, Counter):
                counters[event.table] = event
            elif isinstance(event, Foreign):
                remember(foreign, event)
        self._require_ours(sums.rows, foreign)
        self._ready()
        for counter in counters.values():
            self.count_on(counter)
        self.after_rows()
        empty = {name for name, rows in sums.rows.items() if not rows and name not in passed_over}
        return Contents(
            tables=sums.tables(),
            migrations=self._migrations,
            foreign=tuple(foreign),
            comparable=frozenset(comparable | empty),
            passed_over=frozenset(passed_over),
        )

    def _takes(self, table: str, taking: Collection[str] | None) -> bool:
        """Say whether rows of a table are wanted, and can be: of accounts there may be no tables here."""
        if taking is not None and table not in taking:
            return False
        return table not in ACCOUNTS or table in self._account_tables

    def _told(self, version: Version) -> None:
        require_known(version.names)
        if self._columns is None:
            self._migrations = tuple(sorted({*self._migrations, *version.names}))

    @staticmethod
    def _require_ours(found: Mapping[str, int], foreign: Mapping[str, None]) -> None:
        if not holds_ours(found):
            raise nothing_of_ours(list(foreign))

    def _ready(self) -> None:
        if self._columns is not None:
            return
        live = schema.applied_migrations(self._live)
        if self._migrations in ((), tuple(live)):
            there = schema.tables_there(self._live)
            for table in TABLES:
                if table in there:
                    self.make_like_live(table)
        else:
            schema.make_tables(self.session, self._migrations)
        self._make_account_tables()
        self._columns = {}
        self.before_rows()

    def _make_account_tables(self) -> None:
        """As they are live; a database in which nobody may log in yet has none, and then they are as this version's."""
        there = account_tables(self._live)
        for table in there:
            self.make_like_live(table)
        if not there:
            make_empty(self.session, known_accounts())

    def _known(self, table: str) -> dict[str, bool]:
        self._ready()
        assert self._columns is not None
        if table not in self._columns:
            self._columns[table] = self.columns_of(table)
        return self._columns[table]

    def _take(self, event: Rows) -> None:
        unknown = [name for name in event.columns if name not in self._known(event.table)]
        if unknown:
            raise RefusedBackupError(
                f"{event.table} has the column '{unknown[0]:.60}', which it has neither in this version nor here.",
                line=event.line,
                remedy="It may be another program's table, or one that was altered by hand: add the column here first.",
            )
        try:
            self.put(event)
        except (DatabaseUnavailableError, RefusedBackupError):
            raise
        except DatabaseError as error:
            raise RefusedBackupError(f"a row of {event.table} does not fit: {error.message}", line=event.line) from None

    # The way on ------------------------------------------------------------------------------------------------

    def rolls(self) -> tuple[Roll, Roll]:
        """Return who may log in by the live tables, and who by these."""
        return roll_of(self._live), roll_of(self.session)

    def bring_forward(self) -> list[str]:
        """Migrate what stands here to this version; return the names of the migrations applied."""
        live = schema.applied_migrations(self._live)
        missing = sorted(set(live) - set(self._migrations)) if self._migrations else []
        if missing:
            try:
                schema.make_tables(self.session, ())
            except DatabaseError as error:
                raise RefusedBackupError(f"it cannot be brought to this version: {error.message}") from None
        return missing

    def drill(self, now: datetime) -> Drill:
        """Ask a scheduler on it, which can only read, for its due tasks."""
        from smart_cron.store.alerts import Alerts
        from smart_cron.store.audit import Audit
        from smart_cron.store.plans import Plans
        from smart_cron.store.releases import Releases
        from smart_cron.store.revisions import Revisions
        from smart_cron.store.tasks import Tasks

        session = self.session
        releases = Releases(session)
        revisions = Revisions(session, Audit(session))
        plans = Plans(session, releases, revisions)
        self._read_only(on=True)
        try:
            tasks = Tasks(
                session, releases, plans=plans, audit=Audit(session), alerts=Alerts(session), revisions=revisions
            )
            return Drill(due=len(tasks.due(now=now, limit=_DUE_LIMIT)), next_due_at=plans.next_due_at())
        finally:
            self._read_only(on=False)

    def _read_only(self, *, on: bool) -> None:
        raise NotImplementedError


def _table_of(event: Table | Rows | Counter) -> str:
    return event.name if isinstance(event, Table) else event.table


def require_known(migrations: Sequence[str]) -> None:
    """Raise RefusedBackupError where a newer version made these tables."""
    newer = sorted(set(migrations) - schema.known_migrations())
    if newer:
        raise RefusedBackupError(
            f"it was made by a newer version of Smart Cron (it has '{newer[-1]:.100}').", remedy=OLDER_FITS
        )


def holds_ours(tables: Collection[str]) -> bool:
    """Whether any of these can be nobody else's: second factors are kept by other programs in tables of that name."""
    return any(name in TABLES or name == USERS for name in tables)


def nothing_of_ours(foreign: Sequence[str]) -> RefusedBackupError:
    """Return the error that a file holds no table of ours."""
    named = f"; it holds {', '.join(foreign[:5])}" if foreign else ""
    return RefusedBackupError(f"it holds no table of Smart Cron{named}.", remedy="Is it a dump of another database?")


def looked_through(read: Read, source: LineSource) -> Contents:
    """Read a dump to its end, restoring nothing."""
    sums, migrations, foreign = Sums(), set[str](), dict[str, None]()
    for event in summed(read(source), sums):
        if isinstance(event, Version):
            require_known(event.names)
            migrations.update(event.names)
        elif isinstance(event, Foreign):
            remember(foreign, event)
        elif isinstance(event, Table):
            continue
    if not holds_ours(sums.rows):
        raise nothing_of_ours(list(foreign))
    return Contents(tables=sums.tables(), migrations=tuple(sorted(migrations)), foreign=tuple(foreign))
