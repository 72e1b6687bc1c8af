"""Dumps of SQLite, as we and its own client write them, read without carrying anything out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smart_cron.core.ports.backups import LineSource
from smart_cron.store.backups.events import (
    APPS,
    LONGEST_BYTES,
    Counter,
    Event,
    Foreign,
    Lines,
    Rows,
    Table,
    Version,
    is_ours,
    is_version_table,
    shown,
)
from smart_cron.store.backups.literals import SQLITE, rows_in, values_in

_NAME = rb"[\"'`]?([^\"'`\s(]+)[\"'`]?"
_IGNORED = re.compile(
    rb"PRAGMA foreign_keys=OFF;|BEGIN TRANSACTION;|COMMIT;|DROP (?:TABLE|VIEW|TRIGGER) IF EXISTS \"[^\"\n]+\";"
    rb"|CREATE (?:UNIQUE )?INDEX [^;]*;|DELETE FROM sqlite_sequence(?: WHERE name = '[a-z_]+')?;"
    rb"|DELETE FROM \"django_migrations\" WHERE \"app\" = '(?:" + APPS + rb")';|ANALYZE sqlite_schema;",
    re.DOTALL,
)
_CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?" + _NAME + rb" ?\(")
_STORED = re.compile(rb"CREATE (?:TEMP |TEMPORARY )?(?:VIEW|TRIGGER) ")
_INSERT = re.compile(rb"INSERT INTO " + _NAME + rb" ?(?:\(([^)]+)\) ?)?VALUES ?\n?")
_STRING = re.compile(rb"'[^']*'")
_CHUNK_BYTES = 500_000
_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")


def read(source: LineSource) -> Iterator[Event]:
    """Yield what the dump holds. Raise RefusedBackupError at the first line that no dump has."""
    return _Reader(source).events()


class _Reader:
    def __init__(self, source: LineSource) -> None:
        self._lines = Lines(source)
        self._texts = self._whole_texts()
        self._columns: dict[str, tuple[str, ...]] = {}

    def _whole_texts(self) -> Iterator[bytes]:
        """Yield lines, those joined that a text goes across: there its quotes are even, doubled ones included."""
        parts: list[bytes] = []
        size, is_open = 0, False
        for line in self._lines:
            is_open ^= bool(line.count(b"'") & 1)
            if not parts and not is_open:
                yield line
                continue
            parts.append(line)
            size += len(line)
            if size > LONGEST_BYTES:
                raise self._lines.refusal(f"a text is longer than {LONGEST_BYTES // 1024 // 1024} MB")
            if not is_open:
                yield b"\n".join(parts)
                parts, size = [], 0
        if parts:
            raise self._lines.refusal("the file ends within a text")

    def events(self) -> Iterator[Event]:
        for line in self._texts:
            if line and not line.startswith(b"--"):
                yield from self._statement(line)

    def _statement(self, line: bytes) -> Iterator[Event]:
        if found := _INSERT.match(line):
            yield from self._insert(line, found)
        elif found := _CREATE.match(line):
            yield from self._create(line, found)
        elif _STORED.match(line):
            self._skip_stored(line)
        elif not _IGNORED.fullmatch(self._until_semicolon(line)):
            raise self._lines.refusal(f"{shown(line)} is nothing that a dump of tables holds")

    def _until_semicolon(self, line: bytes) -> bytes:
        parts, size = [line], len(line)
        while not parts[-1].endswith(b";"):
            following = next(self._texts, None)
            if following is None:
                raise self._lines.refusal(f"{shown(line)} has no end")
            parts.append(following)
            size += len(following)
            if size > LONGEST_BYTES:
                raise self._lines.refusal(f"a statement is longer than {LONGEST_BYTES // 1024 // 1024} MB")
        return b"\n".join(parts)

    def _skip_stored(self, line: bytes) -> None:
        text = self._until_semicolon(line)
        while text.startswith((b"CREATE TRIGGER", b"CREATE TEMP")) and not text.rstrip(b"; \n").endswith(b"END"):
            text += b"\n" + self._until_semicolon(next(self._texts, b";"))
            if len(text) > LONGEST_BYTES:
                raise self._lines.refusal("a trigger has no end")

    def _create(self, line: bytes, found: re.Match[bytes]) -> Iterator[Event]:
        name = found[1].decode("utf-8", "replace")
        text = self._until_semicolon(line)
        if not is_ours(name) and not is_version_table(name):
            if not name.startswith("sqlite_"):
                yield Foreign(name)
            return
        self._columns[name] = _columns_in(text[found.end() : text.rindex(b")")])
        if is_ours(name):
            yield Table(name)

    def _insert(self, line: bytes, found: re.Match[bytes]) -> Iterator[Event]:
        name = found[1].decode("utf-8", "replace")
        named = found[2] is not None
        ours = is_ours(name) or is_version_table(name) or name == "sqlite_sequence"
        if not ours:
            self._until_semicolon(line)
            yield Foreign(name)
            return
        columns = self._columns_of(name, found)
        for rows in self._rows(line, found.end()):
            if is_version_table(name):
                yield _version(columns, rows)
            elif name == "sqlite_sequence":
                yield from _counters(rows)
            else:
                yield Rows(name, columns, rows, self._lines.number, named)

    def _rows(self, line: bytes, at: int) -> Iterator[list[bytes]]:
        """Yield the rows of a statement, some at a time: there may be one a line."""
        gathered: list[bytes] = []
        is_over, size = False, 0
        while not is_over:
            if at < len(line):
                rows, is_over = rows_in(line, at, SQLITE, self._lines.refusal)
                gathered += rows
                size += len(line)
            if is_over or size > _CHUNK_BYTES:
                yield gathered
                gathered, size = [], 0
            if not is_over:
                line, at = self._next_in_statement(), 0

    def _next_in_statement(self) -> bytes:
        following = next(self._texts, None)
        if following is None:
            raise self._lines.refusal("the file ends within a statement")
        return following

    def _columns_of(self, name: str, found: re.Match[bytes]) -> tuple[str, ...]:
        if found[2] is not None:
            return tuple(part.strip(' "`') for part in found[2].decode("utf-8", "replace").split(","))
        if name == "sqlite_sequence":
            return ("name", "seq")
        if name not in self._columns:
            raise self._lines.refusal(f"rows of {name} come before it is said which columns it has")
        return self._columns[name]


def _columns_in(body: bytes) -> tuple[str, ...]:
    """Return the columns of a table for which rows hold values: those that are not computed."""
    parts, depth, begin = [], 0, 0
    text = _STRING.sub(lambda found: b"'" + b"x" * (len(found[0]) - 2) + b"'", body)
    for at, mark in enumerate(text):
        depth += (mark == 40) - (mark == 41)
        if mark == 44 and depth == 0:
            parts.append(body[begin:at])
            begin = at + 1
    parts.append(body[begin:])
    plain = [part.decode("utf-8", "replace").strip() for part in parts if b" GENERATED ALWAYS AS " not in part]
    return tuple(part.split()[0].strip('"`') for part in plain if part and part.split()[0] not in _CONSTRAINTS)


def _version(columns: tuple[str, ...], rows: list[bytes]) -> Version:
    told = [dict(zip(columns, values_in(row, SQLITE), strict=False)) for row in rows]
    return Version(tuple(_bare(row["name"]) for row in told if _bare(row.get("app", b"")) == "smart_cron"))


def _counters(rows: list[bytes]) -> Iterator[Event]:
    for row in rows:
        name, number = (*values_in(row, SQLITE), b"", b"")[:2]
        if is_ours(_bare(name)) and number.isdigit():
            yield Counter(_bare(name), int(number) + 1)


def _bare(literal: bytes) -> str:
    return literal.strip(b"'").decode("utf-8", "replace")
