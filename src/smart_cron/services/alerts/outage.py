"""The database is away: told without it, from a file, and told once more when it serves again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity
from smart_cron.core.delivery import Address, Concern, NewLetter
from smart_cron.core.errors import DatabaseError
from smart_cron.core.message import DeliveryError, Message, MessageKind
from smart_cron.core.ports import Clock, Database, Log
from smart_cron.core.ports.messages import Channel
from smart_cron.core.ports.outbox import TellingStore
from smart_cron.core.telling import next_try_after
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
    ) -> None:
        self._spool, self._database, self._tellings, self._settings = spool, database, tellings, settings
        self._compose, self._open_channel, self._clock, self._log = compose, open_channel, clock, log
        self._tries: dict[Address, tuple[int, datetime]] = {}
        self._lasts = False

    def adopt(self, settings: CourierSettings) -> None:
        """Tell by these settings from the next look on; from any thread."""
        self._settings = settings

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
        """Tell of an outage that lasts, and of its end; return whether one stands. Never raises DatabaseError."""
        outage = self._spool.outage()
        if outage is None:
            return False
        if not self._lasts and self._is_over(outage):
            return False
        if self._clock.now() - outage.since >= PATIENCE:
            self._tell(outage)
        return True

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
            if address in outage.told or not self._may_try(address):
                continue
            try:
                self._send_to(address, message)
            except DeliveryError as error:
                self._put_off(address, error)
            except Exception as error:  # noqa: BLE001 - a channel that breaks keeps nobody else from hearing of it
                self._put_off(address, DeliveryError(f"{type(error).__name__}: {error}", permanent=False))
            else:
                outage = outage.told_to(address, self._clock.now())
                self._keep(outage)

    def _addresses(self, alert: Alert) -> Sequence[Address]:
        return [each.address for each in receivers(Concern(alert=alert), alert.severity, self._settings)]

    def _send_to(self, address: Address, message: Message) -> None:
        channel = self._open_channel(address.channel)
        try:
            channel.send(message, target=address.target or "")
        finally:
            channel.close()

    def _may_try(self, address: Address) -> bool:
        return address not in self._tries or self._clock.now() >= self._tries[address][1]

    def _put_off(self, address: Address, error: DeliveryError) -> None:
        tries = self._tries.get(address, (0, self._clock.now()))[0] + 1
        self._tries[address] = (tries, self._clock.now() + next_try_after(tries))
        self._log.error("Message was not taken", channel=address.channel, attempt=tries, reason=str(error))

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
        self._tries.clear()

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
