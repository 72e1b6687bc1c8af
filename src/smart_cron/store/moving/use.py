"""What was done with a database after a move into it, counted by what the old one does not have."""

from __future__ import annotations

from dataclasses import dataclass

from smart_cron.store.faults import told_in_ours
from smart_cron.store.moving.arrival import is_complete
from smart_cron.store.session import Session

_RUNS, _SLOTS, _LOG = "smart_cron_executions", "smart_cron_skipped_slots", "smart_cron_audit_log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Runs that are new there or ended there, slots that did not run, and entries of the audit log."""

    runs: int = 0
    slots: int = 0
    changes: int = 0

    @property
    def words(self) -> str:
        """Say what there is of it, or nothing."""
        counts = (
            (self.runs, "runs"),
            (self.slots, "slots that did not run"),
            (self.changes, "entries of the audit log"),
        )
        return ", ".join(f"{count} {what}" for count, what in counts if count)


def use_since(new: Session, old: Session, token: str) -> Use | None:
    """Count what was done in *new* since this move; None where it is not there, or did not end: nobody works there."""
    with told_in_ours(""):
        if not is_complete(new, token):
            return None
    row = new.row(f"SELECT id, created_at FROM {_LOG} WHERE action = 'move' AND new_values LIKE %s", [f"%{token}%"])
    assert row is not None
    moved_at = new.dialect.read_instant(row[1])
    assert moved_at is not None
    ended = [_last(old, _RUNS), new.dialect.instant(moved_at)]
    return Use(
        runs=_count(new, f"{_RUNS} WHERE id > %s OR completed_at >= %s", ended),
        slots=_count(new, f"{_SLOTS} WHERE id > %s", [_last(old, _SLOTS)]),
        changes=_count(new, f"{_LOG} WHERE id > %s", [row[0]]),
    )


def _last(session: Session, table: str) -> int:
    row = session.row(f"SELECT MAX(id) FROM {table}")
    return int(row[0] or 0) if row else 0


def _count(session: Session, what: str, params: list[object]) -> int:
    row = session.row(f"SELECT COUNT(*) FROM {what}", params)
    return int(row[0]) if row else 0
