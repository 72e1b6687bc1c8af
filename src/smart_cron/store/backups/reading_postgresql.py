"""Plain dumps of PostgreSQL, as pg_dump writes them, read without carrying anything out.

Rows come as the lines of a COPY, in which nothing can act; whatever else stands there is looked at for its kind alone.
"""

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

_NAME = rb'(?:(?:"[^"\n]+"|[a-z_0-9]+)\.)?"?([A-Za-z_0-9]+)"?'
_RESTRICT = re.compile(rb"\\(?:un)?restrict [A-Za-z0-9]+")
_COPY = re.compile(rb"COPY " + _NAME + rb" \(([^)]*)\) FROM stdin;")
_CREATE = re.compile(rb"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?" + _NAME + rb" \(")
_SEQUENCE = re.compile(
    rb"SELECT pg_catalog\.setval\('(?:[^'.]+\.)?\"?([A-Za-z_0-9]+)_id_seq\"?', ([0-9]+), (true|false)\);"
)
_VERSION = re.compile(
    rb"INSERT INTO " + _NAME + rb" \(app, name, applied\) VALUES \('(" + APPS + rb")', '([0-9a-z_]+)', '[^']*'\);"
)
_KINDS = re.compile(
    rb"(?:SET [a-z_]+ = [^;]*;|SELECT pg_catalog\.set_config\('search_path', '', false\);|(?:CREATE|ALTER|COMMENT ON"
    rb"|GRANT|REVOKE|SECURITY LABEL) |DROP [A-Z ]+ IF EXISTS |DELETE FROM [^ ;]*django_migrations WHERE app ="
    rb" '(?:" + APPS + rb")';|REFRESH MATERIALIZED VIEW )"
)
_TOKEN = re.compile(rb"'|\"|--|\$([A-Za-z_][A-Za-z_0-9]*)?\$|;\s*$")
_CHUNK_BYTES = 1_000_000


def read(source: LineSource) -> Iterator[Event]:
    """Yield what the dump holds. Raise RefusedBackupError at the first line that no dump has."""
    return _Reader(source).events()


class _Reader:
    def __init__(self, source: LineSource) -> None:
        self._lines = Lines(source)
        self._iterator = iter(self._lines)

    def events(self) -> Iterator[Event]:
        for line in self._iterator:
            if not line or line.startswith(b"--"):
                continue
            if line.startswith(b"\\"):
                self._require_harmless(line)
            elif found := _COPY.fullmatch(line):
                yield from self._copy(found)
            else:
                yield from self._statement(self._whole(line))

    def _require_harmless(self, line: bytes) -> None:
        if not _RESTRICT.fullmatch(line):
            raise self._lines.refusal(f"{shown(line)} is a command of the client")

    def _statement(self, text: bytes) -> Iterator[Event]:
        if found := _SEQUENCE.fullmatch(text):
            table = found[1].decode()
            if is_ours(table):
                yield Counter(table, int(found[2]) + (found[3] == b"true"))
        elif found := _VERSION.fullmatch(text):
            if found[2] == b"smart_cron":
                yield Version((found[3].decode(),))
        elif found := _CREATE.match(text):
            name = found[1].decode()
            if is_ours(name):
                yield Table(name)
            elif not is_version_table(name):
                yield Foreign(name)
        elif not _KINDS.match(text):
            raise self._lines.refusal(f"{shown(text)} is nothing that a dump of tables holds")

    def _copy(self, found: re.Match[bytes]) -> Iterator[Event]:
        name = found[1].decode()
        columns = tuple(part.strip(' "') for part in found[2].decode("utf-8", "replace").split(","))
        rows: list[bytes] = []
        size = 0
        for line in self._iterator:
            if line == b"\\.":
                if rows:
                    yield self._rows(name, columns, rows)
                if not is_ours(name) and not is_version_table(name):
                    yield Foreign(name)
                return
            if is_ours(name) or is_version_table(name):
                rows.append(line)
                size += len(line)
            if size > _CHUNK_BYTES:
                yield self._rows(name, columns, rows)
                rows, size = [], 0
        raise self._lines.refusal("the file ends within the rows of a table")

    def _rows(self, name: str, columns: tuple[str, ...], rows: list[bytes]) -> Event:
        if is_ours(name):
            return Rows(name, columns, rows, self._lines.number)
        told = [dict(zip(columns, row.split(b"\t"), strict=False)) for row in rows]
        return Version(tuple(row["name"].decode() for row in told if row.get("app") == b"smart_cron"))

    def _whole(self, line: bytes) -> bytes:
        """Return the statement that begins with this line: up to a semicolon that no quote hides."""
        parts, size, quote = [line], len(line), self._open_after(line, b"")
        while quote != b";":
            following = next(self._iterator, None)
            if following is None:
                raise self._lines.refusal(f"{shown(line)} has no end")
            parts.append(following)
            size += len(following)
            if size > LONGEST_BYTES:
                raise self._lines.refusal(f"a statement is longer than {LONGEST_BYTES // 1024 // 1024} MB")
            quote = self._open_after(following, quote)
        return b"\n".join(parts)

    @staticmethod
    def _open_after(line: bytes, quote: bytes) -> bytes:
        """Return which quote is open after a line, a semicolon where the statement has ended, or nothing."""
        at = 0
        while True:
            if quote:
                end = line.find(quote, at)
                if end < 0:
                    return quote
                at, quote = end + len(quote), b""
            found = _TOKEN.search(line, at)
            if found is None or found[0] == b"--":
                return b""
            if found[0].startswith(b";"):
                return b";"
            quote, at = found[0], found.end()
