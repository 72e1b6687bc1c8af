"""The adoption, step by step, each of which may be cut short."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timezone
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from smart_cron.core.adoption import (
    Adoption,
    Values,
    alert_taken_over,
    audit_taken_over,
    read_zone,
    run_taken_over,
    task_taken_over,
)
from smart_cron.core.errors import SchemaError
from smart_cron.core.move import Invalids
from smart_cron.core.node import HoldKind
from smart_cron.store.adoption import php_system
from smart_cron.store.adoption.php_rows import PhpReader
from smart_cron.store.adoption.php_system import SUFFIX, TASKS, PhpSystem
from smart_cron.store.audit import Audit
from smart_cron.store.dialects import INSTANT
from smart_cron.store.moving import counters
from smart_cron.store.moving.canon import Canon, Row
from smart_cron.store.moving.reading import Reader
from smart_cron.store.moving.shape import HOLDS, Column, Table, tables
from smart_cron.store.moving.writing import Writer

if TYPE_CHECKING:
    from smart_cron.store.session import Session

RUNS = "smart_cron_executions"
ACTOR = "db migrate"
# Columns that are given a value where the PHP system has none.
GIVEN = {"smart_cron_audit_log": frozenset({"actor"})}
# What these count is of the moment, or summed up in another way: it stays where it is.
NOT_TAKEN = ("smart_cron_metrics", "smart_cron_rate_limits")


def describe(system: PhpSystem) -> SchemaError:
    """Return what to say to whoever did not ask for an adoption."""
    what = "is half taken over" if system.is_aside else "is still to be taken over"
    return SchemaError(
        f"the database holds the tables of the original PHP system, with {system.tasks} tasks, which {what}.",
        remedy="Stop it (take the line of master_runner.php out of its crontab), then run 'smart-cron db migrate'.",
    )


def put_aside(session: Session, system: PhpSystem, adoption: Adoption) -> None:
    """Back the PHP system up and put its tables aside. Raise SchemaError where there is to be a backup and is none."""
    if system.is_aside:
        return
    if adoption.backup is not None and not adoption.without_backup:
        adoption.say(adoption.backup(system.tables))
    elif not adoption.without_backup:
        raise SchemaError(
            "the tables of the original PHP system are to be backed up before they are taken over.",
            remedy="Dump them with mariadb-dump or mysqldump, then call this again with --no-backup.",
        )
    for event in php_system.switch_events_off(session):
        adoption.say(f"disabled the event {event} of the PHP system, which deletes rows")
    php_system.put_aside(session, system)
    adoption.say(f"put the tables of the PHP system aside, each as <name>{SUFFIX}")


def fill(session: Session, system: PhpSystem, adoption: Adoption) -> None:
    """Fill our tables, which are all made by now, from those put aside; then let masters work here."""
    _mark(session)
    invalids, kept = Invalids(), list[str]()
    zone = read_zone(adoption.zone) if adoption.zone else None
    shapes = _shapes(session, zone)
    for table in (table for table in tables() if table.name in system.tables):
        if not _is_base(session, table):
            continue
        reader = PhpReader(session, table, reader_name(table), zone, given=GIVEN.get(table.name, frozenset()))
        if table.name in NOT_TAKEN or reader.missing:
            kept.append(_kept(table, reader))
            continue
        adoption.say(_Filling(session, table, reader, shapes.get(table.name, _as_it_is), invalids).run())
    for sentence in (*kept, *(f"not as it was: {value}" for value in invalids.told)):
        adoption.say(sentence)
    _complete(session, invalids)
    adoption.say(
        f"the PHP system's own tables stay as <name>{SUFFIX}: drop them when you need them no longer. Its crontab line "
        "(master_runner.php) must be gone before a master starts here, or every task runs twice"
    )


def reader_name(table: Table) -> str:
    """Return the name of the PHP system's table that fills one of ours."""
    return f"{table.name}{SUFFIX}"


def _is_base(session: Session, table: Table) -> bool:
    return not php_system.is_view(session, reader_name(table))


def _kept(table: Table, reader: PhpReader) -> str:
    why = f" (it has no {', '.join(reader.missing)})" if reader.missing else ""
    return f"{reader.count()} rows of {table.name} stay in {reader_name(table)} alone{why}"


Shape = Callable[[Values], Values]


def _shapes(session: Session, zone: ZoneInfo | timezone | None) -> Mapping[str, Shape]:
    now = session.dialect.instant(session.now())
    named = zone.key if isinstance(zone, ZoneInfo) else None
    return {
        TASKS: partial(task_taken_over, now=now, zone=named),
        RUNS: run_taken_over,
        "smart_cron_alerts": alert_taken_over,
        "smart_cron_audit_log": audit_taken_over,
    }


def _as_it_is(values: Values) -> Values:
    return values


class _Filling:
    """Fills one table."""

    def __init__(self, session: Session, table: Table, reader: PhpReader, shape: Shape, invalids: Invalids) -> None:
        self._session, self._table, self._reader, self._shape = session, table, reader, shape
        self._invalids = invalids
        self._canon = Canon(table, source=session.dialect, target=session.dialect, narrow=True, is_checked=True)
        self._now = session.dialect.instant(session.now())

    def run(self) -> str:
        """Write what is missing; return a sentence. Raise SchemaError where rows did not arrive."""
        writer = Writer(self._session, self._table)
        for page in self._reader.pages(after=Reader(self._session, self._table).last()):
            rows = [self._row(self._shape(values)) for values in page]
            with self._session.transaction():
                writer.write(rows)
        here, there = self._count(), self._reader.count()
        if here < there:
            raise SchemaError(
                f"{there - here} rows of {reader_name(self._table)} did not arrive in {self._table.name}.",
                remedy="Does a program still write there? Stop it, empty our table, and call this again.",
            )
        counters.count_on_from(self._session, self._table, counters.last_given(self._session, self._table))
        stay = f"; its columns {', '.join(self._reader.unknown)} stay behind" if self._reader.unknown else ""
        return f"took over {there} rows of {self._table.name}{stay}"

    def _row(self, values: Values) -> Row:
        row = [self._value(column, values.get(column.name)) for column in self._table.columns]
        if not self._canon.fits(row):
            self._invalids.add(self._canon.mended(row))
        return row

    def _value(self, column: Column, value: object) -> object:
        if value is None and column.kind == INSTANT and column.is_required:
            return self._now
        return column.default if value is None and column.is_required else value

    def _count(self) -> int:
        row = self._session.row(f"SELECT COUNT(*) FROM {self._table.name}")
        return int(row[0]) if row else 0


def _mark(session: Session) -> None:
    """Let no master begin before all is there."""
    if session.row(f"SELECT id FROM {HOLDS} WHERE kind = %s", [HoldKind.ARRIVING]):
        return
    reason = "the tables of the PHP system are not all taken over yet"
    session.execute(
        f"INSERT INTO {HOLDS} (kind, reason, actor) VALUES (%s, %s, %s)", [HoldKind.ARRIVING, reason, ACTOR]
    )


def _complete(session: Session, invalids: Invalids) -> None:
    with session.transaction():
        session.execute(f"DELETE FROM {HOLDS} WHERE kind = %s", [HoldKind.ARRIVING])
        counts = _counts(session, (TASKS, RUNS))
        new: dict[str, object] = {**counts, "invalid": invalids.count}
        Audit(session).note("adopt", actor=ACTOR, entity=("database", 0, "smart_cron"), new=new)


def _counts(session: Session, names: Sequence[str]) -> dict[str, int]:
    rows = [(name, session.row(f"SELECT COUNT(*) FROM {name}")) for name in names]
    return {name: int(row[0]) if row else 0 for name, row in rows}
