"""A dump by pg_dump, of the very snapshot that another session of ours holds open to add it up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smart_cron.core.backup import Dumped, TableSum
from smart_cron.store.backups import heads, tools
from smart_cron.store.backups.events import Sums
from smart_cron.store.schema import applied_migrations, migrations_of
from smart_cron.store.session import Session

_PACKAGE = "postgresql-client"
_CHUNK_BYTES = 500_000


def dump(
    session: Session, tables: Sequence[str], write: Callable[[bytes], object], *, stall_seconds: float, folder: Path
) -> Dumped:
    """Write the dump, and add up the tables as they stood in that moment."""
    del folder  # Nothing has to lie on disk.
    version = session.row("SHOW server_version")
    schema = str((session.row("SELECT current_schema()") or ("public",))[0])
    with session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # The tool takes its time, and so does this session, which waits for it.
        session.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        session.execute("SET LOCAL statement_timeout = 0")
        snapshot = session.row("SELECT pg_export_snapshot()")
        assert snapshot is not None
        migrations = applied_migrations(session)
        write(heads.head("postgresql", migrations_of(session, tables), now=session.now(), schema=f'"{schema}"'))
        names = [f'--table="{schema}".{name}' for name in (*tables, *_views(session))]
        _run(session, [f"--snapshot={snapshot[0]}", *names], write, stall_seconds)
        sums = sums_of(session, tables)
    return Dumped(server=str(version[0]) if version else "", migrations=tuple(migrations), tables=sums)


def _views(session: Session) -> list[str]:
    rows = session.rows(
        "SELECT viewname FROM pg_views WHERE schemaname = current_schema() AND starts_with(viewname, 'smart_cron_')"
    )
    return [row[0] for row in rows]


def sums_of(session: Session, tables: Sequence[str]) -> dict[str, TableSum]:
    """Return the sums of these tables as their dump would give them."""
    sums = Sums()
    for table in tables:
        sums.meet(table)
        columns = ", ".join(f'"{name}"' for name, is_computed in columns_of(session, table).items() if not is_computed)
        _add_up(session, f"COPY (SELECT {columns} FROM {table}) TO STDOUT", sums, table)
    return sums.tables()


def _add_up(session: Session, sql: str, sums: Sums, table: str) -> None:
    raw: Any = session.connection.connection
    parts: list[bytes] = []
    size = 0
    with raw.cursor() as cursor, cursor.copy(sql) as copy:
        for data in copy:
            parts.append(bytes(data))
            size += len(data)
            if size > _CHUNK_BYTES:
                *rows, rest = b"".join(parts).split(b"\n")
                sums.add(table, rows)
                parts, size = [rest], len(rest)
    sums.add(table, b"".join(parts).split(b"\n")[:-1])


def columns_of(session: Session, table: str) -> dict[str, bool]:
    """Return the columns of a table in order, and of each whether the server computes it."""
    rows = session.rows(
        """SELECT attname, attgenerated <> '' FROM pg_attribute
         WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
        [table],
    )
    return dict(rows)


def _run(session: Session, words: Sequence[str], write: Callable[[bytes], object], stall_seconds: float) -> None:
    path = tools.program(("pg_dump",), package=_PACKAGE)
    settings = session.connection.settings_dict
    host, port = str(settings.get("HOST") or ""), str(settings.get("PORT") or "")
    options = settings["OPTIONS"]
    password = str(settings.get("PASSWORD") or "").replace("\\", "\\\\").replace(":", "\\:")
    with tools.secret_file(f"*:*:*:*:{password}\n") as descriptor:
        environment = {
            "PGPASSFILE": f"/proc/self/fd/{descriptor}",
            # Not as an argument, where a name with an `=` is read as hosts to connect to.
            "PGDATABASE": str(settings["NAME"]),
            # Instants are written in the zone of the session.
            "PGTZ": "UTC",
            "PGOPTIONS": "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0",
            "PGCONNECT_TIMEOUT": str(options.get("connect_timeout", 30)),
            **{f"PG{name.upper()}": str(options[name]) for name in ("sslmode", "sslrootcert") if name in options},
        }
        places = [*([f"--host={host}"] if host else []), *([f"--port={port}"] if port else [])]
        user = [f"--username={settings['USER']}"] if settings.get("USER") else []
        tools.run(
            [
                path,
                *places,
                *user,
                "--no-password",
                "--format=plain",
                "--encoding=UTF8",
                "--no-owner",
                "--no-privileges",
                # So that its client can restore it over tables that are there.
                "--clean",
                "--if-exists",
                *words,
            ],
            write,
            environment=environment,
            inherited=descriptor,
            stall_seconds=stall_seconds,
            secret=str(settings.get("PASSWORD") or ""),
        )
