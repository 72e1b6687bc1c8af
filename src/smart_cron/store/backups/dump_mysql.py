"""A dump by mariadb-dump or mysqldump: one moment of our tables, whatever else the database holds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smart_cron.core.backup import Dumped
from smart_cron.core.errors import DatabaseError
from smart_cron.store.backups import heads, tools
from smart_cron.store.schema import applied_migrations, migrations_of
from smart_cron.store.session import Session

_PROGRAMS = ("mariadb-dump", "mysqldump")
_PACKAGE = "mariadb-client"
_OPTIONS = (
    "--single-transaction",
    "--quick",
    "--extended-insert",
    "--default-character-set=utf8mb4",
    "--no-tablespaces",
    # Rows are read back in statements of about this size.
    "--net-buffer-length=512K",
    "--max-allowed-packet=64M",
)
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_SANDBOX = b"/*M!999999"


def dump(
    session: Session, tables: Sequence[str], write: Callable[[bytes], object], *, stall_seconds: float, folder: Path
) -> Dumped:
    """Write the dump. Its sums are those of its own text: a snapshot of this server cannot be shared."""
    del folder  # Nothing has to lie on disk.
    migrations = applied_migrations(session)
    found = session.row("SELECT VERSION()")
    command = [*_programs_of(session), *_views(session)]
    head = heads.head("mysql", migrations_of(session, tables), now=session.now())
    run_tool(session, [*tables, *command], _behind_the_sandbox(write, head), stall_seconds=stall_seconds)
    return Dumped(server=str(found[0]) if found else "", migrations=tuple(migrations))


def run_tool(
    session: Session,
    words: Sequence[str],
    write: Callable[[bytes], object],
    *,
    stall_seconds: float,
    database: str = "",
) -> None:
    """Run the dump tool on these tables and options."""
    path = tools.program(_PROGRAMS, package=_PACKAGE)
    settings = session.connection.settings_dict
    options = [word for word in words if word.startswith("--")]
    tables = [word for word in words if not word.startswith("--")]
    with _defaults(settings, path) as descriptor:
        tools.run(
            [
                path,
                f"--defaults-file=/proc/self/fd/{descriptor}",
                *_OPTIONS,
                *options,
                # What follows is no option, whatever the database is called.
                "--",
                database or str(settings["NAME"]),
                *tables,
            ],
            write,
            environment={},
            inherited=descriptor,
            stall_seconds=stall_seconds,
            secret=str(settings.get("PASSWORD") or ""),
        )


@contextmanager
def _defaults(settings: dict[str, Any], path: str) -> Iterator[int]:
    host = str(settings.get("HOST") or "localhost")
    lines = ["[client]", f"user={_quoted(settings.get('USER'))}", f"password={_quoted(settings.get('PASSWORD'))}"]
    lines.append(f"socket={_quoted(host)}" if host.startswith("/") else f"host={_quoted(host)}")
    if settings.get("PORT"):
        lines.append(f"port={settings['PORT']}")
    authority = settings["OPTIONS"].get("ssl", {}).get("ca")
    if authority:
        verify = "ssl-verify-server-cert" if _is_mariadbs(path) else "ssl-mode=VERIFY_IDENTITY"
        lines += [f"ssl-ca={_quoted(authority)}", verify]
    with tools.secret_file("\n".join(lines) + "\n") as descriptor:
        yield descriptor


def _quoted(value: object) -> str:
    """Return a value as a file of options has it: one that broke its line would be read as another option, and told."""
    return f'"{str(value or "").translate(_ESCAPED)}"'


def _is_mariadbs(path: str) -> bool:
    done = subprocess.run([path, "--no-defaults", "--version"], capture_output=True, check=False, timeout=30)
    return b"MariaDB" in done.stdout


def _programs_of(session: Session) -> list[str]:
    """Return --routines and --events where all that are there are ours: those of others are none of our business.

    What this account may not show is left out, since the tool would fail as a whole; `db migrate` makes it anew.
    """
    asked = {
        "--routines": "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()",
        "--events": "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()",
    }
    found = {option: [str(row[0]) for row in session.rows(sql)] for option, sql in asked.items()}
    if not all(_is_readable(session, name) for name in found["--routines"] if name.startswith("smart_cron_")):
        del found["--routines"]
    return [option for option, names in found.items() if _all_ours(names)]


def _is_readable(session: Session, procedure: str) -> bool:
    """Say whether the server shows its text: to whoever did not make it, it answers NULL."""
    try:
        row = session.row(f"SHOW CREATE PROCEDURE `{procedure}`")
    except DatabaseError:
        return False
    return row is not None and row[2] is not None


def _all_ours(names: Sequence[str]) -> bool:
    return bool(names) and all(name.startswith("smart_cron_") for name in names)


def _views(session: Session) -> list[str]:
    """Return our views that this account may show: without the right to, the tool would fail as a whole."""
    rows = session.rows(
        """SELECT TABLE_NAME FROM information_schema.VIEWS
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE %s ORDER BY TABLE_NAME""",
        ["smart\\_cron\\_%"],
    )
    return [name for (name,) in rows if _may_be_shown(session, name)]


def _may_be_shown(session: Session, view: str) -> bool:
    try:
        session.row(f"SHOW CREATE VIEW `{view}`")
    except DatabaseError:
        return False
    return True


def _behind_the_sandbox(write: Callable[[bytes], object], head: bytes) -> Callable[[bytes], object]:
    """Put our head behind the line with which a dump locks its client in: that one has to be the first."""
    begun = False

    def written(chunk: bytes) -> None:
        nonlocal begun
        if begun:
            write(chunk)
            return
        begun = True
        first, end, rest = chunk.partition(b"\n") if chunk.startswith(_SANDBOX) else (b"", b"", chunk)
        write(first + end + head + rest)

    return written
