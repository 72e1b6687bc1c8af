"""One process migrates at a time: whoever comes second waits, and finds the work done."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from smart_cron.core.errors import DatabaseConflictError

if TYPE_CHECKING:
    from smart_cron.store.session import Session

PATIENCE_SECONDS = 60
# "smart_cron" as a number; an advisory lock of PostgreSQL belongs to one database, GET_LOCK's to a whole server.
ADVISORY_KEY = 0x736D6372


@contextmanager
def sole_migrator(session: Session) -> Iterator[None]:
    """Hold the right to migrate. Raise DatabaseConflictError where another process keeps it for long."""
    hold = {"sqlite": _hold_folder, "mysql": _hold_name, "postgresql": _hold_key}[session.dialect.name]
    with hold(session):
        yield


@contextmanager
def _hold_folder(session: Session) -> Iterator[None]:
    """Not the file itself: closing any descriptor of it would let go of the locks that SQLite has on it."""
    folder = Path(str(session.connection.settings_dict["NAME"])).parent
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        # No folder to hold, no file to make: connecting says so in words.
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _hold_name(session: Session) -> Iterator[None]:
    name = f"smart_cron migrate {session.connection.settings_dict['NAME']}"[:64]
    # In steps: the driver gives up on an answer that takes longer than its timeout.
    waited = (session.row("SELECT GET_LOCK(%s, 1)", [name]) for _ in range(PATIENCE_SECONDS))
    if not any(found and found[0] == 1 for found in waited):
        raise DatabaseConflictError("another process has been migrating this database for a minute.")
    try:
        yield
    finally:
        session.row("SELECT RELEASE_LOCK(%s)", [name])


@contextmanager
def _hold_key(session: Session) -> Iterator[None]:
    session.row("SELECT pg_advisory_lock(%s)", [ADVISORY_KEY])
    try:
        yield
    finally:
        session.row("SELECT pg_advisory_unlock(%s)", [ADVISORY_KEY])
