"""Triggers that refuse to change or delete rows of the audit log, where the server lets us create them.

They stand against a slip and against whoever has a session of ours without the right to drop triggers. Against others
stand the chain of hashes (`core.audit`) and an account that may only add rows (docs/audit.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from smart_cron.core.errors import DatabaseError

if TYPE_CHECKING:
    from smart_cron.store.session import Session

TABLE = "smart_cron_audit_log"
_WORDS = "rows of smart_cron_audit_log are neither changed nor deleted"
_NO_UPDATE, _NO_DELETE, _NO_TRUNCATE = (f"smart_cron_audit_no_{what}" for what in ("update", "delete", "truncate"))
_FUNCTION = "smart_cron_audit_refuse"
# `INSERT OR REPLACE` of SQLite deletes the row in its way without asking any trigger on DELETE. A row that is given its
# number by the database has none yet in this trigger: there it reads -1.
_NO_REPLACE = "smart_cron_audit_no_replace"

_NAMES = {
    "sqlite": (_NO_UPDATE, _NO_DELETE, _NO_REPLACE),
    "mysql": (_NO_UPDATE, _NO_DELETE),
    "postgresql": (_NO_UPDATE, _NO_DELETE, _NO_TRUNCATE),
}
_CREATE = {
    "sqlite": [
        f"CREATE TRIGGER {name} BEFORE {what} BEGIN SELECT RAISE(ABORT, '{_WORDS}'); END"
        for name, what in (
            (_NO_UPDATE, f"UPDATE ON {TABLE}"),
            (_NO_DELETE, f"DELETE ON {TABLE}"),
            (_NO_REPLACE, f"INSERT ON {TABLE} WHEN NEW.id > 0 AND EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)"),
        )
    ],
    "mysql": [
        f"CREATE TRIGGER {name} BEFORE {what} ON {TABLE} FOR EACH ROW "
        f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{_WORDS}'"
        for name, what in ((_NO_UPDATE, "UPDATE"), (_NO_DELETE, "DELETE"))
    ],
    "postgresql": [
        f"""CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION '{_WORDS}'; END $$""",
        *(
            f"CREATE TRIGGER {name} BEFORE {what} ON {TABLE} FOR EACH {each} EXECUTE FUNCTION {_FUNCTION}()"
            for name, what, each in (
                (_NO_UPDATE, "UPDATE", "ROW"),
                (_NO_DELETE, "DELETE", "ROW"),
                (_NO_TRUNCATE, "TRUNCATE", "STATEMENT"),
            )
        ),
    ],
}
_THERE = {
    "sqlite": f"SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{TABLE}'",
    "mysql": f"""SELECT trigger_name FROM information_schema.triggers
        WHERE event_object_schema = DATABASE() AND event_object_table = '{TABLE}'""",
    "postgresql": f"SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass('{TABLE}') AND tgenabled <> 'D'",
}
_EXPOSED = "rows of the audit log can be changed and deleted by SQL; 'smart-cron audit verify' would tell of it"


def create(session: Session) -> list[str]:
    """Make or replace them; return a sentence where this server or account does not let us."""
    try:
        drop(session)
        for statement in _CREATE[session.dialect.name]:
            session.execute(statement)
    except DatabaseError as error:
        if problem(session) is None:
            return []  # Another account, that of `db migrate`, made them.
        return [f"the triggers that guard the audit log cannot be made ({error.message.rstrip('.')}): {_EXPOSED}."]
    return []


def drop(session: Session) -> None:
    """Drop those that are there."""
    on_table = f" ON {TABLE}" if session.dialect.name == "postgresql" else ""
    for name in _found(session):
        session.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")


def problem(session: Session) -> str | None:
    """Return what to know where they are missing, or None."""
    missing = sorted(set(_NAMES[session.dialect.name]) - set(_found(session)))
    if not missing or _may_not(session):
        return None
    return f"{_EXPOSED}, for there is no trigger {' and no trigger '.join(missing)}."


def _may_not(session: Session) -> bool:
    """Say whether this account is refused either statement: it may not see the triggers, or may only add rows."""
    for statement in (f"UPDATE {TABLE} SET actor = actor WHERE 1 = 0", f"DELETE FROM {TABLE} WHERE 1 = 0"):
        try:
            session.execute(statement)
        except DatabaseError:
            continue
        return False
    return True


def _found(session: Session) -> Sequence[str]:
    """Return the names of ours that are there; of those that nobody lets us see we make others, and are told."""
    there = {str(row[0]) for row in session.rows(_THERE[session.dialect.name])}
    return [name for name in _NAMES[session.dialect.name] if name in there]
