"""The database is away: told without it, from a file, and told once more when it serves again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity
from smart_cron.core.delivery import Address, Concern, NewLetter
from smart_cron.core.errors import DatabaseError
from smart_cron.core.message import MessageKind
from smart_cron.core.ports import Clock, Database, Log
from smart_cron.core.ports.messages import Channel
from smart_cron.core.ports.outbox import TellingStore
from smart_cron.services.alerts.alarm_desk import AlarmDesk
from smart_cron.services.alerts.direct_post import DirectPost
from smart_cron.services.alerts.routing import CourierSettings, receivers
from smart_cron.services.alerts.spool import Outage, Spool
from smart_cron.services.alerts.writing import Compose

# A server that is restarted is back within this; nobody needs to hear of that.
PATIENCE = timedelta(seconds=15)
SUBTYPE = "database"
OVER = "recovered"


class OutageWatch:
    """Sees one outage of the database from its loss to its end, whichever process saw which. Not for two threads."""

    def __init__(
        self,
        *,
        spool: Spool,
        database: Database,
        tellings: TellingStore,
        settings: CourierSettings,
        compose: Compose,
        open_channel: Callable[[str], Channel],
        clock: Clock,
        log: Log,
        alarms: AlarmDesk | None = None,
    ) -> None:
        self._spool, self._database, self._tellings, self._settings = spool, database, tellings, settings
        self._compose, self._clock, self._log, self._alarms = compose, clock, log, alarms
        self._post = DirectPost(open_channel=open_channel, clock=clock, log=log)
        self._lasts = False

    def adopt(self, settings: CourierSettings) -> None:
        """Tell by these settings from the next look on; from any thread."""
        self._settings = settings
        if self._alarms is not None:
            self._alarms.adopt(settings)

    def lost(self, reason: str, *, since: datetime) -> None:
        """Note that the database does not serve, until `back` says so: it may answer, and take nothing."""
        self._lasts = True
        if self._spool.outage() is None:
            self._keep(Outage(since=since, reason=reason))

    def back(self) -> None:
        """Note that the database serves again."""
        self._lasts = False

    def _keep(self, outage: Outage) -> None:
        try:
            self._spool.keep(outage)
        except OSError as error:
            self._log.error("Outage of the database cannot be noted", reason=error.strerror)

    def look(self) -> bool:
        """Tell of an outage that lasts, and of its end; return whether one stands. Never raises DatabaseError.

        Alarms that the database could not take are told while it stands, and entered when none does.
        """
        outage = self._spool.outage()
        if outage is None or (not self._lasts and self._is_over(outage)):
            self._enter_alarms()
            return False
        if self._clock.now() - outage.since >= PATIENCE:
            self._tell(outage)
        if self._alarms is not None:
            self._alarms.tell()
        return True

    def _enter_alarms(self) -> None:
        # Where the database is away after all, whoever looks next says so.
        with suppress(DatabaseError):
            if self._alarms is not None:
                self._alarms.enter()

    def _is_over(self, outage: Outage) -> bool:
        try:
            self._end(outage)
        except DatabaseError:
            return False
        return True

    # while it lasts ----------------------------------------------------------------------------------------

    def _tell(self, outage: Outage) -> None:
        alert = self._alert(outage)
        message = self._compose(MessageKind.ALERT, [alert], None)
        for address in self._addresses(alert):
            if address in outage.told or not self._post.may_send(address):
                continue
            if self._post.send(address, message):
                outage = outage.told_to(address, self._clock.now())
                self._keep(outage)

    def _addresses(self, alert: Alert) -> Sequence[Address]:
        return [each.address for each in receivers(Concern(alert=alert), alert.severity, self._settings)]

    def _alert(self, outage: Outage) -> Alert:
        alarm = self._alarm(outage)
        return Alert(
            id=0,
            cause=alarm.cause,
            severity=alarm.severity,
            message=alarm.message,
            task_name=None,
            execution_id=None,
            details={},
            occurrences=1,
            created_at=outage.since,
            last_occurred_at=outage.since,
        )

    def _alarm(self, outage: Outage) -> Alarm:
        return Alarm(
            cause=Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=SUBTYPE, node=self._settings.node),
            severity=Severity.CRITICAL,
            message=f"Node {self._settings.node} starts no task: {outage.reason}",
        )

    # its end -----------------------------------------------------------------------------------------------

    def _end(self, outage: Outage) -> None:
        """Enter what was told; raise DatabaseError while the database does not take it."""
        if outage.told_at is None:
            # Nobody heard of it: that it serves is asked all the same, and the log has both ends.
            self._database.now()
        else:
            self._enter(outage, outage.told_at)
        self._spool.forget()
        self._post.forget()

    def _enter(self, outage: Outage, told_at: datetime) -> None:
        alarm = self._alarm(outage)
        with self._database.transaction():
            now = self._database.now()
            number = self._tellings.enter_over(alarm, opened_at=outage.since, told_at=told_at, by=OVER)
            letters = [
                NewLetter(
                    address=address,
                    kind=MessageKind.RECOVERY,
                    severity=alarm.severity,
                    fold_key=str(MessageKind.RECOVERY),
                    due_at=now,
                    alert_ids=(number,),
                )
                for address in outage.told
            ]
            self._tellings.post(letters=letters, additions=(), told=())
