"""Reading the audit log, and holding it against its seals: the port `AuditStore`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smart_cron.core.audit import SEALED_COLUMNS, AuditEntry, AuditFilter, AuditHead, AuditReport, ChainCheck
from smart_cron.store import audit_guard
from smart_cron.store.audit import Audit

# Rows a statement: no read stays open for long, and memory stays flat.
PAGE = 2000
_LARGEST_ID = 2**63 - 1
_ENTRY = f"id, {', '.join(SEALED_COLUMNS)}, row_hash"
_Condition = tuple[str, list[object]]
_PROVEN = ("id", *SEALED_COLUMNS, "previous_hash", "row_hash")


class AuditLog(Audit):
    """Writes as `Audit` does, and reads."""

    def entries(self, wanted: AuditFilter, *, before_id: int | None = None, limit: int = 50) -> Sequence[AuditEntry]:
        """Return rows, newest first; page on with `before_id`."""
        asked = self._conditions(wanted)
        if before_id is not None:
            asked.append(("id < %s", [min(before_id, _LARGEST_ID)]))
        if wanted.user is None:
            rows = self._newest(asked, limit)
        else:
            # As a login is typed, whatever it stands behind in the log; each by the index, and so in order already.
            names = (wanted.user, f"cli:{wanted.user}", f"user {wanted.user}")
            rows = [row for name in names for row in self._newest([("actor = %s", [name]), *asked], limit)]
            rows = sorted(rows, key=lambda row: -row[0])[:limit]
        return [self._entry(row) for row in rows]

    def _newest(self, asked: Sequence[_Condition], limit: int) -> list[tuple[Any, ...]]:
        where = f" WHERE {' AND '.join(condition for condition, _ in asked)}" if asked else ""
        params = [value for _, values in asked for value in values]
        return self._session.rows(
            f"SELECT {_ENTRY} FROM smart_cron_audit_log{where} ORDER BY id DESC LIMIT %s", [*params, limit]
        )

    def _conditions(self, wanted: AuditFilter) -> list[_Condition]:
        instant = self._session.dialect.instant
        asked: list[_Condition] = []
        if wanted.since is not None:
            asked.append(("created_at >= %s", [instant(wanted.since)]))
        if wanted.until is not None:
            asked.append(("created_at < %s", [instant(wanted.until)]))
        if wanted.action is not None:
            asked.append(("action = %s", [wanted.action]))
        if wanted.task is not None:
            of_task = ("entity_id = %s", wanted.task_id) if wanted.task_id else ("entity_name = %s", wanted.task)
            runs = "(entity_type = 'execution' AND entity_name = %s)"
            asked.append((f"((entity_type = 'task' AND {of_task[0]}) OR {runs})", [of_task[1], wanted.task]))
        return asked

    def _entry(self, row: Sequence[Any]) -> AuditEntry:
        named = dict(zip(("id", *SEALED_COLUMNS, "row_hash"), row, strict=True))
        return AuditEntry(**(named | {"created_at": self._session.dialect.read_instant(named["created_at"])}))

    def verify(self, remembered: Sequence[AuditHead] = ()) -> AuditReport:
        """Go through the whole log, page by page. *remembered* are heads that must still be in it."""
        # The head first: what is added from now on comes behind it and is looked at, too.
        check = ChainCheck(self.head(), remembered)
        last = -_LARGEST_ID
        while True:
            rows = self._session.wide_rows(
                _PROVEN, f"FROM smart_cron_audit_log WHERE id > %s ORDER BY id LIMIT {PAGE}", [last]
            )
            for number, created_at, *columns, previous_hash, row_hash in rows:
                check.take(number, (self._sealed_instant(created_at), *columns), previous_hash, row_hash)
            if len(rows) < PAGE:
                return check.close()
            last = rows[-1][0]

    def _sealed_instant(self, raw: object) -> str:
        """Return the instant as it was sealed; where it is none any more, what stands there."""
        if isinstance(raw, str):
            return raw
        instant = self._session.dialect.read_instant(raw)
        return str(raw) if instant is None else instant.isoformat(sep=" ", timespec="microseconds")[:26]

    def unguarded(self) -> str | None:
        """Say in a sentence that rows could be changed or deleted here, or None where triggers refuse it."""
        return audit_guard.problem(self._session)
