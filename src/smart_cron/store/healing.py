"""Healing by hand: the port `HealingStore`. What is done is the engine's own; here it leaves an audit row."""

from __future__ import annotations

from smart_cron.core.ports import RecordStore
from smart_cron.store.audit import Audit
from smart_cron.store.session import Session


class Healing:
    """Heals projections for a person."""

    def __init__(self, session: Session, records: RecordStore, audit: Audit) -> None:
        self._session, self._records, self._audit = session, records, audit

    def heal_projections(self, *, actor: str) -> int:
        """Make `is_running` say what the executions say; return how many tasks were wrong."""
        return self._session.again(lambda: self._heal(actor))

    def _heal(self, actor: str) -> int:
        count = self._records.heal_projections()
        if count:
            self._audit.note("heal", actor=actor, entity=("database", 0, "is_running"), new={"tasks": count})
        return count
