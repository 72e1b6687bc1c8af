"""Drivers' errors, told in ours: whether trying again helps, what to do, and never a password."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import utils as django_errors

from smart_cron.core.errors import DatabaseConflictError, DatabaseError, DatabaseUnavailableError, SchemaError
from smart_cron.store import rights

# Lock wait, deadlock, a row changed since it was read, and a key that another transaction took meanwhile.
_MYSQL_CONFLICTS = frozenset({1020, 1062, 1205, 1213})
_MYSQL_SCHEMA = frozenset({1054, 1146})
# Data that no second try will make fit: too long, not a number, out of range, not text, JSON that is none.
_MYSQL_DATA = frozenset({1048, 1264, 1265, 1292, 1364, 1366, 1406, 4038, 4078})
_POSTGRESQL_CONFLICTS = frozenset({"40001", "40P01", "55P03", "23505"})
_POSTGRESQL_SCHEMA = frozenset({"42P01", "42703"})
_SQLITE_CONFLICTS = ("database is locked", "database table is locked", "UNIQUE constraint failed")
_SQLITE_SCHEMA = ("no such table", "no such column", "has no column named")

# What SQLite says of the disk below it, how we put it, and what helps: no server is to be started then.
_ROOM = "Make room on the disk of the database file; how full it is tells: df -h"
_SQLITE_DISK = (
    ("disk is full", "its disk is full", _ROOM),
    ("disk I/O error", "its disk is full, or fails", f"{_ROOM}; whether it fails: dmesg"),
)
# The same of a server's (MariaDB 1021 and 1114, PostgreSQL 53100), which writes again once there is room.
_SERVER_ROOM = "Make room on the disk of the database server, and start it where it gave up"
_SERVER_DISK = tuple(
    (words, "its server's disk is full", _SERVER_ROOM)
    for words in ("No space left on device", "Disk got full", "is full")
)

_LOCKED = "Try again later; who has it open, as root: fuser -v on the database file."

_BARE = django_errors.DatabaseError

MIGRATE = "Run 'smart-cron db migrate'."


@contextmanager
def told_in_ours(secret: str) -> Iterator[None]:
    """Raise our errors in place of the driver's; the driver's own is not kept, since it may quote *secret*."""
    try:
        yield
    except django_errors.Error as error:
        raise translated(error, secret=secret) from None


def translated(error: Exception, *, secret: str = "") -> DatabaseError:
    """Return our error for a driver's error as Django wraps it."""
    cause = error.__cause__ or error
    text = _text(error, secret)
    if isinstance(error, django_errors.NotSupportedError):
        return SchemaError(f"the server is too old: {text}.", remedy="Upgrade the database server.")
    if _lacks_rights(cause):
        return _told_of_rights(text)
    kind = _kind(error, cause)
    if kind is SchemaError:
        return SchemaError(f"the database's tables do not fit this version ({text}).", remedy=MIGRATE)
    if kind is DatabaseUnavailableError:
        return _unavailable(cause, text)
    if kind is DatabaseConflictError and "is locked" in text:
        return kind(f"the database is locked: another process keeps writing to it ({text}).", remedy=_LOCKED)
    return kind(f"the database refused: {text}.")


def _unavailable(cause: BaseException, text: str) -> DatabaseError:
    for words, reason, remedy in _SQLITE_DISK if isinstance(cause, sqlite3.Error) else _SERVER_DISK:
        if words in text:
            return DatabaseUnavailableError(f"the database cannot be written: {reason} ({text}).", remedy=remedy)
    missing = rights.lack(text) if _code(cause) == rights.MYSQL_DATABASE else None
    if missing:
        words = f"the database cannot be used by this account: {missing.words} ({text})."
        return DatabaseUnavailableError(words, remedy=missing.remedy)
    return DatabaseUnavailableError(
        f"the database cannot be used: {text}.", remedy="Is it running, and is the database URL right?"
    )


def _lacks_rights(cause: BaseException) -> bool:
    return _code(cause) in rights.MYSQL_CODES or getattr(cause, "sqlstate", None) == rights.POSTGRESQL_STATE


def _told_of_rights(text: str) -> DatabaseError:
    missing = rights.lack(text)
    words = f"{missing.words} ({text})" if missing else text
    return DatabaseError(
        f"this account of the database may not do that: {words}.",
        remedy=missing.remedy if missing else rights.WHAT_TO_DO,
    )


def _code(cause: BaseException) -> int | None:
    code = cause.args[0] if cause.args else None
    return code if isinstance(code, int) else None


def _kind(error: Exception, cause: BaseException) -> type[DatabaseError]:
    code = _code(cause)
    if code is not None:
        # Before the state: PyMySQL gives one too, and it tells less.
        data = DatabaseError if code in _MYSQL_DATA else None
        return _listed(code, _MYSQL_CONFLICTS, _MYSQL_SCHEMA) or data or _by_class(error)
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return _listed(state, _POSTGRESQL_CONFLICTS, _POSTGRESQL_SCHEMA) or _by_class(error)
    text = str(cause)
    if any(part in text for part in _SQLITE_CONFLICTS):
        return DatabaseConflictError
    return SchemaError if any(part in text for part in _SQLITE_SCHEMA) else _by_class(error)


def _listed(code: object, conflicts: frozenset[Any], schema: frozenset[Any]) -> type[DatabaseError] | None:
    if code in conflicts:
        return DatabaseConflictError
    return SchemaError if code in schema else None


def _by_class(error: Exception) -> type[DatabaseError]:
    gone = (django_errors.OperationalError, django_errors.InterfaceError, django_errors.InternalError)
    # SQLite's own word for a file that is damaged or none is the bare base class.
    return DatabaseUnavailableError if isinstance(error, gone) or type(error) is _BARE else DatabaseError


def _text(error: Exception, secret: str) -> str:
    text = " ".join(str(part) for part in error.args) or type(error).__name__
    text = " ".join(text.split())[:500].rstrip(".")
    return text.replace(secret, "***") if secret else text
