"""Audit rows, written as the last step of the transaction whose changes they tell of, each sealed to the one before.

Writers take turns by locking the one row of `smart_cron_audit_head`, which says where the log ends. They come to it
last, with all other locks in hand, and leave it by their commit: nobody who holds it waits for anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from smart_cron.core.audit import GENESIS, SEALED_COLUMNS, AuditHead, as_actor, seal
from smart_cron.store.bulk import placeholders, storable
from smart_cron.store.record_rows import fitting
from smart_cron.store.session import Session

# Values that may hold passwords and tokens: that they changed is told, not what they are.
SECRET_COLUMNS = frozenset({"environment", "alert_slack_webhook", "ping_url", "stdin_text"})
HIDDEN = "(hidden)"

Values = Mapping[str, object]
# The columns of a row but for the first, which is the instant at which it is sealed.
_Note = tuple[object, ...]
_COLUMNS = (*SEALED_COLUMNS, "previous_hash", "row_hash")
_INSERT = f"INSERT INTO smart_cron_audit_log ({', '.join(_COLUMNS)}) VALUES ({placeholders(_COLUMNS)})"


class Audit:
    """Writes who changed what, from what to what, and from where."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def note(
        self,
        action: str,
        *,
        actor: str,
        entity: tuple[str, int, str],
        old: Values | None = None,
        new: Values | None = None,
    ) -> None:
        """Write one row with the transaction that is open, or at once; *entity* is its type, number and name."""
        entity_type, entity_id, entity_name = entity
        who = as_actor(actor)
        # An account, a token or a tool may name itself; only its beginning fits the column.
        row = (_cut(actor, 100), who.user_id, str(who.source), who.ip_address, action, entity_type, entity_id)
        self._session.defer(self._write, (*row, _cut(entity_name, 100), _shown(old), _shown(new)))

    def take_turn(self) -> None:
        """Be the only one who adds to the log until this transaction ends. Nothing may be waited for after it."""
        self._head(self._session.dialect.lock)

    def head(self) -> AuditHead | None:
        """Return where the log ends, or None where the row that says so is gone."""
        return self._head("")

    def holds(self, head: AuditHead) -> bool:
        """Say whether the row that was the last one then is still there as it was."""
        row = self._session.row("SELECT row_hash FROM smart_cron_audit_log WHERE id = %s", [head.last_id])
        return row is not None and row[0] == head.row_hash

    def _head(self, lock: str) -> AuditHead | None:
        row = self._session.row(f"SELECT sealed_rows, last_id, row_hash FROM smart_cron_audit_head WHERE id = 1{lock}")
        return AuditHead(sealed_rows=row[0], last_id=row[1], row_hash=row[2]) if row else None

    def _write(self, notes: Sequence[_Note]) -> None:
        head = self._head(self._session.dialect.lock) or self._new_head()
        # Asked once the turn is ours: then the rows' instants are in the order of their numbers.
        now = self._session.dialect.instant(self._session.now())[:26]
        previous, rows = head.row_hash or GENESIS, []
        for note in notes:
            sealed = seal((now, *note), previous)
            rows.append((self._stored(now), *note, previous, sealed))
            previous = sealed
        self._session.execute_each(_INSERT, rows)
        self._session.execute(
            """UPDATE smart_cron_audit_head SET sealed_rows = sealed_rows + %s, row_hash = %s,
                last_id = (SELECT MAX(id) FROM smart_cron_audit_log) WHERE id = 1""",
            [len(rows), previous],
        )

    def _stored(self, now: str) -> str:
        return f"{now}+00:00" if self._session.dialect.name == "postgresql" else now

    def _new_head(self) -> AuditHead:
        """Begin the log; or go on where somebody deleted the row, which `audit verify` tells by what it counts."""
        # Of two who begin at once one is told of a conflict, and does it again.
        self._session.execute("INSERT INTO smart_cron_audit_head (id) VALUES (1)")
        row = self._session.row(
            "SELECT row_hash FROM smart_cron_audit_log WHERE row_hash IS NOT NULL ORDER BY id DESC LIMIT 1"
        )
        return AuditHead(sealed_rows=0, last_id=None, row_hash=row[0] if row else None)


def changes(old: Values, new: Values) -> tuple[Values, Values]:
    """Return what differs, before and after; of secrets only that they differ."""
    names = [name for name in new if old.get(name) != new[name]]
    return {name: _masked(name, old.get(name)) for name in names}, {name: _masked(name, new[name]) for name in names}


def _masked(name: str, value: object) -> object:
    return HIDDEN if name in SECRET_COLUMNS and value else value


def _shown(values: Values | None) -> str | None:
    if values is None:
        return None
    return fitting(json.dumps({name: _masked(name, value) for name, value in values.items()}, ensure_ascii=False))


def _cut(text: str, length: int) -> str:
    return str(storable(str(text)))[:length]
