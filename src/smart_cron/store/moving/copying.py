"""One table carried over: what is missing is copied, then both sides are read and compared."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from smart_cron.core.errors import DatabaseError
from smart_cron.core.move import ChecksumError, InvalidRowsError, Invalids, MoveProgress, OnInvalid, TableMoved, Tell
from smart_cron.store.moving.canon import Canon, Row
from smart_cron.store.moving.reading import BEFORE_ALL, Reader
from smart_cron.store.moving.shape import Table
from smart_cron.store.moving.writing import Writer
from smart_cron.store.session import Session

# Of one transaction: a commit is a sync of the disk, and what is cut short is done again.
BATCH_ROWS, BATCH_CHARACTERS = 5_000, 8_000_000

# Without a master only a person's SQL changes what ended; it would take as long again to look for that.
LOOKED_AT_TWICE = 100_000


class Sum:
    """A checksum over rows in the one form, in the order of their numbers, and how many they are."""

    def __init__(self) -> None:
        self._digest, self.rows = hashlib.blake2b(digest_size=20), 0

    def add(self, rows: list[Row]) -> None:
        # The second version of this format spells equal values alike, whoever made them; later ones do not.
        self._digest.update(b"".join([marshal.dumps(row, 2) for row in rows]))
        self.rows += len(rows)

    @property
    def checksum(self) -> str:
        return self._digest.hexdigest()

    def is_as(self, other: Sum) -> bool:
        return (self.rows, self.checksum) == (other.rows, other.checksum)


class Side:
    """One table of one database, read in the one form."""

    def __init__(self, table: Table, session: Session, *, into: Session, narrow: bool) -> None:
        self.reader = Reader(session, table)
        self._canon = Canon(table, source=session.dialect, target=into.dialect, narrow=narrow)
        self.span = (0, 0)

    def look_at_span(self) -> None:
        """Note the first and last number, by which progress is told: counting ten million rows takes a while."""
        self.span = (self.reader.first() or 0, self.reader.last())

    def share(self, row_id: int) -> float:
        """Return how far this number is into the table."""
        first, last = self.span
        return (row_id - first + 1) / (last - first + 1) if last >= first else 1.0

    def pages(
        self, invalids: Invalids, on_invalid: OnInvalid, *, after: int = BEFORE_ALL, until: int | None = None
    ) -> Iterator[list[Row]]:
        """Yield rows in the one form; invalid ones are noted, then mended or left out."""
        fits = self._canon.fits
        for rows in self.reader.pages(after=after, until=until):
            odd = {at for at, row in enumerate(rows) if not fits(row)} | self.reader.odd
            yield self._looked_at(rows, odd, invalids, on_invalid) if odd else rows

    def _looked_at(self, rows: list[Row], odd: set[int], invalids: Invalids, on_invalid: OnInvalid) -> list[Row]:
        kept: list[Row] = []
        for at, row in enumerate(rows):
            faults = self._canon.mended(row, self.reader.unreadable(row[0])) if at in odd else []
            invalids.add(faults)
            if not (faults and on_invalid is OnInvalid.LEAVE_OUT):
                kept.append(row)
        return kept


class TableCopy:
    """Carries one table from *source* to *target*, whose part of it was copied by an earlier call or is empty."""

    def __init__(self, table: Table, source: Session, target: Session, *, on_invalid: OnInvalid, tell: Tell) -> None:
        narrow = "mysql" in (source.dialect.name, target.dialect.name)
        self.table, self._target, self._on_invalid, self._tell = table, target, on_invalid, tell
        self._here = Side(table, source, into=target, narrow=narrow)
        self._there = Side(table, target, into=target, narrow=narrow)
        self._writer = Writer(target, table)
        self._sum = Sum()
        self.invalids = Invalids()

    def look(self) -> TableMoved:
        """Read the source alone; the invalid values are in `invalids` then."""
        self._here.look_at_span()
        self._add_up(None, "looking at")
        return self._moved(0)

    def run(self) -> TableMoved:
        """Copy what is missing, and compare. Raise InvalidRowsError, or ChecksumError where nothing helps."""
        self._here.look_at_span()
        position = self._there.reader.last()
        resumed = position > BEFORE_ALL
        if resumed:
            self._add_up(position, "comparing")
        done = self._sum.rows
        self._copy(position)
        there = self._sum_there()
        if there.is_as(self._sum):
            return self._moved(done)
        if not resumed:
            raise ChecksumError(self.table.name, here=self._sum.rows, there=there.rows)
        # The source was changed since an earlier call copied this: it is copied anew, from its beginning.
        self._empty()
        self._sum, self.invalids = Sum(), Invalids()
        return self.run()

    def changed_since(self, moved: TableMoved) -> bool:
        """Whether the source reads otherwise than when it was copied; of a long history only whether it grew."""
        if moved.rows > LOOKED_AT_TWICE:
            return self._here.reader.last() != self._there.reader.last()
        self._sum = Sum()
        self._add_up(None, "comparing")
        return (self._sum.rows, self._sum.checksum) != (moved.rows, moved.checksum)

    def again(self) -> TableMoved:
        """Copy the table anew."""
        self._empty()
        self._sum, self.invalids = Sum(), Invalids()
        return self.run()

    def _moved(self, resumed: int) -> TableMoved:
        return TableMoved(table=self.table.name, rows=self._sum.rows, checksum=self._sum.checksum, resumed=resumed)

    def _add_up(self, until: int | None, step: str) -> None:
        for rows in self._here.pages(self.invalids, self._on_invalid, until=until):
            self._sum.add(rows)
            self._say(step, self._here, rows, self._sum.rows)

    def _copy(self, position: int) -> None:
        """Read and write at the same time: while the new database works, nothing else has to wait."""
        with ThreadPoolExecutor(1, "mover") as hand:
            try:
                self._hand_over(hand, position)
            finally:
                # A connection belongs to its thread.
                hand.submit(self._target.close)
        self._refuse_invalid()

    def _hand_over(self, hand: Executor, position: int) -> None:
        written: Future[None] | None = None
        for batch in self._batches(position):
            if written is not None:
                written.result()
            written = hand.submit(self._write, batch)
        if written is not None:
            written.result()

    def _batches(self, position: int) -> Iterator[list[Row]]:
        batch: list[Row] = []
        size = 0
        for rows in self._here.pages(self.invalids, self._on_invalid, after=position):
            self._sum.add(rows)
            batch += rows
            size += self._here.reader.page_characters
            self._say("copying", self._here, rows, self._sum.rows)
            if len(batch) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
                yield batch
                batch, size = [], 0
        yield batch

    def _write(self, batch: list[Row]) -> None:
        if self._on_invalid is OnInvalid.REFUSE and self.invalids.count:
            return  # All the others are still to be told.
        try:
            with self._target.transaction():
                self._writer.write(batch)
        except DatabaseError as error:
            raise self._named(error, batch) from None

    def _refuse_invalid(self) -> None:
        if self._on_invalid is OnInvalid.REFUSE and self.invalids.count:
            raise InvalidRowsError(self.invalids)

    def _named(self, error: DatabaseError, rows: list[Row]) -> DatabaseError:
        if not error.transient and rows:
            error.message = (
                f"rows {rows[0][0]} to {rows[-1][0]} of {self.table.name} cannot be written: {error.message}"
            )
        return error

    def _sum_there(self) -> Sum:
        found, nothing = Sum(), Invalids()
        self._there.span = self._here.span
        for rows in self._there.pages(nothing, OnInvalid.MEND):
            found.add(rows)
            self._say("checking", self._there, rows, found.rows)
        return found

    def _empty(self) -> None:
        # TRUNCATE asks for more rights than DELETE, and is no part of a transaction everywhere.
        with self._target.transaction():
            self._target.execute(f"DELETE FROM {self.table.name}")

    def _say(self, step: str, side: Side, rows: list[Row], count: int) -> None:
        if rows:
            share = min(1.0, side.share(rows[-1][0]))
            self._tell(MoveProgress(table=self.table.name, step=step, rows=count, share=share))
