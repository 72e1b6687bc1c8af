"""When somebody cleaned up last, by the audit log: the port `CleanupBook`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from smart_cron.store.audit import Audit
from smart_cron.store.session import Session

# An action of its own, so that what was left undone counts as not done.
WHOLE, IN_PART = "cleanup", "cleanup_in_part"


class CleanupNotes:
    """Writes and reads the audit rows of clean-ups."""

    def __init__(self, session: Session, audit: Audit) -> None:
        self._session, self._audit = session, audit

    def note(self, counts: Mapping[str, int], *, actor: str, is_whole: bool) -> None:
        """Write down that somebody cleaned up, and what went."""
        action = WHOLE if is_whole else IN_PART
        with self._session.transaction():
            self._audit.note(action, actor=actor, entity=("system", 0, "cleanup"), new=counts)

    def done_since(self, at: datetime) -> datetime | None:
        """Return when a whole clean-up ended last, where that is not before *at*."""
        row = self._session.row(
            f"SELECT MAX(created_at) FROM smart_cron_audit_log WHERE action = '{WHOLE}' AND created_at >= %s",
            [self._session.dialect.instant(at)],
        )
        return self._session.dialect.read_instant(row[0]) if row else None
