"""What services ask of the store about alerts, and of whom they are told by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity


class AlertStore(Protocol):
    """Alerts as people and probes see them. Changes by a person write an audit row for `actor`."""

    def raise_alarms(self, alarms: Sequence[Alarm]) -> list[int]:
        """Open an alert for each, or count up the open one of the same cause; return their numbers in order."""

    def resolve_causes(self, causes: Sequence[Cause], *, by: str, by_person: bool = False) -> list[int]:
        """Resolve the open alerts of these causes, since they are over; return their numbers.

        Where it was a person's doing nobody is told.
        """

    def open_causes(self, alert_type: AlertType | None = None) -> Sequence[Alert]:
        """Return every open alert (of a type), oldest first, acknowledged and snoozed ones too."""

    def causes_resolved_since(self, since: datetime, *, subtype: str) -> set[Cause]:
        """Return what was told and is resolved since then, of this subtype of `system_health`."""

    def alerts(
        self,
        *,
        resolved: bool | None = None,
        severity: Severity | None = None,
        task_id: int | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Alert]:
        """Return alerts, newest first; page on with `before_id`."""

    def get(self, alert_id: int) -> Alert:
        """Raise UnknownAlertError where there is none."""

    def acknowledge(self, alert_id: int, *, user_id: int | None, actor: str, note: str | None = None) -> bool:
        """Note that somebody has seen it: no more reminders. False where it is resolved or acknowledged already."""

    def resolve(self, alert_id: int, *, actor: str, note: str | None = None) -> bool:
        """Note that it is mended. False where it is resolved already."""

    def seen_by(self, alert_id: int) -> str | None:
        """Return who acknowledged it, as the audit log names them."""

    def snooze(self, alert_id: int, *, until: datetime | None, actor: str, note: str | None = None) -> bool:
        """Say nothing of it until then (None: speak again). False where it is resolved already."""


class Bell(Protocol):
    """Rung by the engine after a commit; must return at once and never raise."""

    def ring(self) -> None:
        """Say that alerts were raised or resolved: whoever tells people should look now."""

    def written(self) -> None:
        """Say that somebody else may have written to the database: an alert, perhaps. Asked for each second."""

    def started(self, url: str, run_id: str, task_name: str) -> None:
        """Say that a run of a task with a `ping_url` starts."""

    def database_lost(self, reason: str) -> None:
        """Say that the database does not serve; it is told without it."""

    def database_back(self) -> None:
        """Say that the database serves again."""


class SilentBell:
    """A bell that nobody hears."""

    def ring(self) -> None:
        """Do nothing."""

    def written(self) -> None:
        """Do nothing."""

    def started(self, url: str, run_id: str, task_name: str) -> None:
        """Do nothing."""

    def database_lost(self, reason: str) -> None:
        """Do nothing."""

    def database_back(self) -> None:
        """Do nothing."""
