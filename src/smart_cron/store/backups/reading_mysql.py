"""Dumps of MariaDB and MySQL, as mysqldump and mariadb-dump write them, read without carrying anything out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smart_cron.core.ports.backups import LineSource
from smart_cron.store.backups.events import (
    APPS,
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
from smart_cron.store.backups.literals import MYSQL, rows_in, values_in

_NAME = rb"`([^`\n]+)`"
_IGNORED = re.compile(
    rb"/\*M?!999999\\- enable the sandbox mode \*/ ?|LOCK TABLES `[^`\n]+` (?:READ|WRITE);|UNLOCK TABLES;"
    rb"|DROP (?:TABLE|VIEW) IF EXISTS `[^`\n]+`;|SET @[^;]*;|SET character_set_client = [@a-z0-9_]+;"
    rb"|commit;|set autocommit=0;"
    # What a routine was made with, where that is not the database's own default.
    rb"|ALTER DATABASE `[^`\n]+` CHARACTER SET [a-z0-9_]+ COLLATE [a-z0-9_]+ ;"
)
# Comments that servers carry out and we do not: of these kinds alone, and in these forms.
_EXECUTABLE = re.compile(
    rb"/\*M?![0-9]{5,6} (?:SET |ALTER TABLE `[^`\n]+` (?:DISABLE|ENABLE) KEYS|DROP (?:VIEW|TABLE|TRIGGER|PROCEDURE"
    rb"|FUNCTION|EVENT) IF EXISTS |CREATE VIEW |CREATE (?:OR REPLACE )?(?:ALGORITHM|DEFINER|VIEW|TRIGGER)"
    rb"|CREATE TABLE `[^`\n]+` \()"
)
_CHARSET = re.compile(rb"/\*![0-9]{5} SET NAMES ([a-z0-9]+) \*/;")
_ZONE = re.compile(rb"/\*!40103 SET TIME_ZONE='\+00:00' \*/;")
_CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?" + _NAME + rb" \(")
_CREATED = re.compile(rb"^\) [^;']*(?:'[^']*'[^;']*)*;$")
_COLUMN = re.compile(rb"^  `([^`\n]+)` ([^\n]*?),?$", re.MULTILINE)
_COUNTER = re.compile(rb" AUTO_INCREMENT=([0-9]+)")
_INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO " + _NAME + rb" (?:\((`[^)]+`)\) )?VALUES ?")
_STORED = re.compile(
    rb"/\*!5[0-9]{4} (?:SET|CREATE|DROP)\b|CREATE (?:OR REPLACE )?"
    rb"(?:DEFINER|PROCEDURE|FUNCTION|TRIGGER|EVENT|PACKAGE)\b"
)
_FORGET = re.compile(rb"DELETE FROM `django_migrations` WHERE `app` = '(?:" + APPS + rb")';")
_END = re.compile(rb";\s*$")
_END_OF_COMMENT = re.compile(rb"\*/ ?;\s*$")


def read(source: LineSource) -> Iterator[Event]:
    """Yield what the dump holds. Raise RefusedBackupError at the first line that no dump has."""
    return _Reader(source).events()


class _Reader:
    def __init__(self, source: LineSource) -> None:
        self._lines = Lines(source)
        self._iterator = iter(self._lines)
        self._columns: dict[str, tuple[str, ...]] = {}
        self._zone = False

    def events(self) -> Iterator[Event]:
        for line in self._iterator:
            if not line or line.startswith(b"--"):
                continue
            yield from self._statement(line)

    def _statement(self, line: bytes) -> Iterator[Event]:
        if found := _INSERT.match(line):
            yield from self._insert(line, found)
        elif found := _CREATE.match(line):
            yield from self._create(line, found)
        elif line == b"DELIMITER ;;":
            yield from self._stored()
        elif line.startswith(b"/*"):
            self._comment(line)
        elif not (_IGNORED.fullmatch(line) or _FORGET.fullmatch(line)):
            raise self._lines.refusal(f"{shown(line)} is nothing that a dump of tables holds")

    def _comment(self, line: bytes) -> None:
        if charset := _CHARSET.fullmatch(line):
            if charset[1] not in (b"utf8mb4", b"utf8", b"utf8mb3"):
                raise self._lines.refusal(f"its texts are in {charset[1].decode()}, and only utf8mb4 is read")
        elif _ZONE.fullmatch(line):
            self._zone = True
        elif _EXECUTABLE.match(line):
            # A view goes over many lines; what the first one says is what it is.
            self._lines.statement(line, self._iterator, is_whole=_END_OF_COMMENT)
        elif not _IGNORED.fullmatch(line):
            raise self._lines.refusal(f"{shown(line)} is a comment that a server would carry out")

    def _create(self, line: bytes, found: re.Match[bytes]) -> Iterator[Event]:
        name = found[1].decode("utf-8", "replace")
        text = self._lines.statement(line, self._iterator, is_whole=_END if line.endswith(b";") else _CREATED)
        if not is_ours(name) and not is_version_table(name):
            yield Foreign(name)
            return
        self._columns[name] = tuple(column.decode() for column, _ in _COLUMN.findall(text))
        if is_ours(name):
            yield Table(name)
            counter = _COUNTER.search(text)
            if counter:
                yield Counter(name, int(counter[1]))

    def _insert(self, line: bytes, found: re.Match[bytes]) -> Iterator[Event]:
        name = found[1].decode("utf-8", "replace")
        if is_version_table(name):
            yield self._version(line, found)
            return
        if not is_ours(name):
            self._lines.statement(line, self._iterator, is_whole=_END)
            yield Foreign(name)
            return
        if not self._zone:
            raise self._lines.refusal("it does not say that its instants are in UTC (SET TIME_ZONE='+00:00')")
        columns = self._columns_of(name, found)
        at, is_over = found.end(), found.end() >= len(line) and not line.endswith(b";")
        if not is_over:
            rows, is_over = rows_in(line, at, MYSQL, self._lines.refusal)
            yield Rows(name, columns, rows, self._lines.number, found[2] is not None)
            is_over = not is_over
        if is_over:
            yield from self._rows_that_follow(name, columns, named=found[2] is not None)

    def _rows_that_follow(self, name: str, columns: tuple[str, ...], *, named: bool) -> Iterator[Event]:
        """One row a line, as newer versions write them."""
        rows, size = [], 0
        match = MYSQL.row.match
        for line in self._iterator:
            found = match(line)
            end = line[found.end() :] if found else b""
            if found is None or end not in (b",", b";"):
                raise self._lines.refusal("a row holds something else than plain values")
            rows.append(found[0])
            size += len(line)
            if end == b";" or size > 1_000_000:
                yield Rows(name, columns, rows, self._lines.number, named)
                rows, size = [], 0
            if end == b";":
                return
        raise self._lines.refusal("the file ends within a statement")

    def _columns_of(self, name: str, found: re.Match[bytes]) -> tuple[str, ...]:
        if found[2] is not None:
            return tuple(part.strip(" `") for part in found[2].decode("utf-8", "replace").split(","))
        if name not in self._columns:
            raise self._lines.refusal(f"rows of {name} come before it is said which columns it has")
        return self._columns[name]

    def _version(self, line: bytes, found: re.Match[bytes]) -> Event:
        columns = self._columns_of("django_migrations", found)
        text = self._lines.statement(line, self._iterator, is_whole=_END)
        at = found.end()
        while text[at : at + 1] == b"\n":
            at += 1
        rows, _ = rows_in(text, at, MYSQL, self._lines.refusal)
        told = [dict(zip(columns, values_in(row, MYSQL), strict=False)) for row in rows]
        return Version(tuple(_bare(row["name"]) for row in told if _bare(row.get("app", b"")) == "smart_cron"))

    def _stored(self) -> Iterator[Event]:
        """Programs that are stored in the server: none is taken, ours are made anew by ourselves."""
        expected = True
        for line in self._iterator:
            if line == b"DELIMITER ;":
                return
            if expected and line.strip() and not _STORED.match(line):
                raise self._lines.refusal(f"{shown(line)} is nothing that a dump of stored programs holds")
            expected = line.rstrip().endswith(b";;") or (expected and not line.strip())
        yield from ()
        raise self._lines.refusal("the file ends within a stored program")


def _bare(literal: bytes) -> str:
    return literal.strip(b"'").decode("utf-8", "replace")
