"""What readers make of a dump: rows of our tables, what numbers go on from, which version made it, what is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from smart_cron.core.backup import ACCOUNTS, LOGIN_APPS, TABLES, VERSIONS, RefusedBackupError, TableSum
from smart_cron.core.ports.backups import LineSource

# One line or statement; a row is a few kilobytes, and the largest text of ours has 16 MB, escaped.
LONGEST_BYTES = 64 * 1024 * 1024
OURS = frozenset((*TABLES, *ACCOUNTS))
# Whose migrations the head of a dump of ours names.
APPS = "|".join(("smart_cron", *LOGIN_APPS)).encode()
# Of what is not ours so much is named: a file may hold millions of names, or very long ones.
MOST_NAMED, LONGEST_NAME = 1_000, 100
_MASK = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class Version:
    """Migrations of ours that the tables had."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ours is described; what it holds may follow."""

    name: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a table, each as the dialect writes it; the columns are those that the rows hold values for.

    `named` says that the file names the columns with the rows, and so holds no value of a computed one.
    """

    table: str
    columns: tuple[str, ...]
    rows: Sequence[bytes]
    line: int
    named: bool = True


@dataclass(frozen=True, slots=True)
class Counter:
    """The number that the next new row of a table gets, at least."""

    table: str
    number: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something that is not ours is in the file, and passed over."""

    name: str


Event = Version | Table | Rows | Counter | Foreign


def remember(names: dict[str, None], event: Foreign) -> None:
    """Add a name to those that people are told, as far as anybody reads."""
    if len(names) < MOST_NAMED:
        names[event.name[:LONGEST_NAME]] = None


class Lines:
    """The lines of a dump, numbered from 1, without their ends."""

    def __init__(self, source: LineSource) -> None:
        self._source, self.number = source, 0

    def __iter__(self) -> Iterator[bytes]:
        read = self._source.readline
        while line := read(LONGEST_BYTES):
            self.number += 1
            if line[-1] != 10:
                if len(line) >= LONGEST_BYTES:
                    raise self.refusal(f"it is longer than {LONGEST_BYTES // 1024 // 1024} MB")
                # The last line of a file that does not end with one.
                yield line
                return
            yield line[:-1]

    def refusal(self, reason: str) -> RefusedBackupError:
        """Return the error that names the line read last."""
        return RefusedBackupError(f"{reason}.", line=self.number)

    def statement(self, first: bytes, iterator: Iterator[bytes], *, is_whole: re.Pattern[bytes]) -> bytes:
        """Return a statement that begins with *first* and goes on until a line matches."""
        parts, size = [first], len(first)
        while not is_whole.search(parts[-1]):
            line = next(iterator, None)
            if line is None:
                raise self.refusal("the file ends within a statement")
            parts.append(line)
            size += len(line)
            if size > LONGEST_BYTES:
                raise self.refusal(f"a statement is longer than {LONGEST_BYTES // 1024 // 1024} MB")
        return b"\n".join(parts)


def shown(line: bytes) -> str:
    """Return the beginning of a line for an error."""
    text = line[:60].decode("utf-8", "replace")
    return f"'{text}…'" if len(line) > 60 else f"'{text}'"


@dataclass(slots=True)
class Sums:
    """Adds up rows by table, in any order."""

    rows: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)

    def meet(self, table: str) -> None:
        """Count a table that may have no rows."""
        self.rows.setdefault(table, 0)
        self.sums.setdefault(table, 0)

    def add(self, table: str, rows: Iterable[bytes]) -> None:
        """Add rows of a table."""
        self.meet(table)
        count, total = 0, 0
        for row in rows:
            count += 1
            total += int.from_bytes(blake2b(row, digest_size=16).digest(), "big")
        self.rows[table] += count
        self.sums[table] = (self.sums[table] + total) & _MASK

    def tables(self) -> dict[str, TableSum]:
        """Return what was added up."""
        return {name: TableSum(rows=rows, checksum=f"{self.sums[name]:032x}") for name, rows in self.rows.items()}


def summed(events: Iterable[Event], sums: Sums) -> Iterator[Event]:
    """Yield the events, adding up their rows."""
    for event in events:
        if isinstance(event, Table):
            sums.meet(event.name)
        elif isinstance(event, Rows):
            sums.add(event.table, event.rows)
        yield event


def is_ours(table: str) -> bool:
    """Whether a table of this name is taken from a dump."""
    return table in OURS


def is_version_table(table: str) -> bool:
    """Whether it is the table that tells which version made the others."""
    return table == VERSIONS
