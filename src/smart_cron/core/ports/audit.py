"""The audit log and the definitions that were saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from smart_cron.core.audit import AuditEntry, AuditFilter, AuditHead, AuditReport
from smart_cron.core.revision import Noticed, Revision
from smart_cron.core.task import TaskDefinition


class AuditStore(Protocol):
    """Writes rows of the audit log, reads them, and holds them against their seals."""

    def note(
        self,
        action: str,
        *,
        actor: str,
        entity: tuple[str, int, str],
        old: Mapping[str, object] | None = None,
        new: Mapping[str, object] | None = None,
    ) -> None:
        """Write one row with the transaction that is open, or at once; *entity* is its type, number and name."""

    def entries(self, wanted: AuditFilter, *, before_id: int | None = None, limit: int = 50) -> Sequence[AuditEntry]:
        """Return rows, newest first; page on with `before_id`."""

    def verify(self, remembered: Sequence[AuditHead] = ()) -> AuditReport:
        """Go through the whole log, page by page. *remembered* are heads that must still be in it."""

    def head(self) -> AuditHead | None:
        """Return where the log ends, or None where the row that says so is gone."""

    def holds(self, head: AuditHead) -> bool:
        """Say whether the row that was the last one then is still there as it was."""

    def unguarded(self) -> str | None:
        """Say in a sentence that rows could be changed or deleted here, or None where triggers refuse it."""


class RevisionStore(Protocol):
    """Definitions of tasks as they were saved, and what SQL changed without telling."""

    def revisions(self, task_id: int, *, before: int | None = None, limit: int = 50) -> Sequence[Revision]:
        """Return a task's revisions, newest first; page on with `before`, a revision's number."""

    def revision(self, task_id: int, number: int) -> Revision:
        """Raise UnknownRevisionError where there is none."""

    def definition(self, task_id: int, number: int) -> tuple[TaskDefinition, str | None]:
        """Return what the revision says, and what of it cannot be used. Raise UnknownRevisionError."""

    def notice(self) -> Noticed:
        """Enter what SQL changed, added or deleted since it was last looked: a revision and an audit row each."""

    def notice_alerts(self) -> int:
        """Enter which alerts were acknowledged or resolved by SQL; return how many."""

    def notice_others(self) -> int:
        """Enter which holds and pings were added, changed or deleted by SQL; return how many."""
