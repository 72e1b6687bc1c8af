"""What is held back everywhere: the port `HoldStore`. While a hold stands nothing is started on any node."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.node import Hold
from smart_cron.store.audit import Audit
from smart_cron.store.session import Session


class Holds:
    """Reads and writes holds; one of each kind."""

    def __init__(self, session: Session, audit: Audit) -> None:
        self._session, self._audit = session, audit

    def holds(self) -> Sequence[Hold]:
        """Return the holds that stand, oldest first."""
        rows = self._session.rows("SELECT kind, reason, actor, created_at FROM smart_cron_holds ORDER BY id")
        read = self._session.dialect.read_instant
        return [Hold(kind=kind, reason=reason, actor=actor, since=read(at)) for kind, reason, actor, at in rows]

    def hold(self, kind: str, *, reason: str, actor: str) -> bool:
        """Start nothing from now on; False where a hold of this kind stands already."""
        return self._session.again(lambda: self._hold(kind, reason, actor))

    def _hold(self, kind: str, reason: str, actor: str) -> bool:
        if self._session.row("SELECT id FROM smart_cron_holds WHERE kind = %s", [kind]):
            return False
        number = self._session.insert(
            "INSERT INTO smart_cron_holds (kind, reason, actor) VALUES (%s, %s, %s)",
            [kind, reason[:500], actor[:100]],
        )
        self._audit.note("hold", actor=actor, entity=("hold", number, kind), new={"reason": reason})
        return True

    def release(self, kind: str, *, actor: str) -> bool:
        """Let starts go on as far as this hold goes; False where none of this kind stands."""
        return self._session.again(lambda: self._release(kind, actor))

    def _release(self, kind: str, actor: str) -> bool:
        row = self._session.row("SELECT id, reason FROM smart_cron_holds WHERE kind = %s", [kind])
        if row is None:
            return False
        self._session.execute("DELETE FROM smart_cron_holds WHERE id = %s", [row[0]])
        self._audit.note("release", actor=actor, entity=("hold", row[0], kind), old={"reason": row[1]})
        return True
