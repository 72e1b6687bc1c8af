"""What becomes of spooled alarms: told from their files while the database is away, entered when it is back."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from smart_cron.core.alert import Alarm, Alert
from smart_cron.core.delivery import Address, Concern, NewLetter, Told
from smart_cron.core.errors import DatabaseError, UnknownTaskError
from smart_cron.core.message import MessageKind
from smart_cron.core.ports import Clock, Database, Log, TaskStore
from smart_cron.core.ports.alerts import AlertStore
from smart_cron.core.ports.outbox import TellingStore
from smart_cron.services.alerts.alarm_spool import AlarmSpool, Spooled
from smart_cron.services.alerts.direct_post import DirectPost
from smart_cron.services.alerts.folding import fold_key
from smart_cron.services.alerts.routing import CourierSettings, receivers
from smart_cron.services.alerts.writing import Compose

# An alarm that was put in again and again is counted up so often at most.
MOST_TIMES = 1_000


class AlarmDesk:
    """Sees to the spool of this node. Not for two threads."""

    def __init__(
        self,
        *,
        spool: AlarmSpool,
        database: Database,
        alerts: AlertStore,
        tasks: TaskStore,
        tellings: TellingStore,
        settings: CourierSettings,
        compose: Compose,
        post: DirectPost,
        clock: Clock,
        log: Log,
    ) -> None:
        self._spool, self._database, self._alerts, self._tasks = spool, database, alerts, tasks
        self._tellings, self._settings, self._compose, self._post = tellings, settings, compose, post
        self._clock, self._log = clock, log
        # Where a file cannot be removed its alarm is still entered once.
        self._done: dict[str, int] = {}

    def adopt(self, settings: CourierSettings) -> None:
        """Tell by these settings from the next time on; from any thread."""
        self._settings = settings

    # while the database is away ----------------------------------------------------------------------------

    def tell(self) -> None:
        """Tell everybody of what they have not heard yet, by the same rules as ever: all of it in one message."""
        for address, news in self._news().items():
            if not self._post.may_send(address):
                continue
            message = self._compose(MessageKind.ALERT, [_alert(each) for each in news], None)
            if self._post.send(address, message, pause=self._settings.fold):
                self._note_told(news, address, self._clock.now())

    def _news(self) -> dict[Address, list[Spooled]]:
        found: defaultdict[Address, list[Spooled]] = defaultdict(list)
        for spooled in self._spool.all():
            for address in self._receivers(_alert(spooled)):
                if address not in spooled.told:
                    found[address].append(spooled)
        return found

    def _receivers(self, alert: Alert) -> list[Address]:
        return [each.address for each in receivers(Concern(alert=alert), alert.severity, self._settings)]

    def _note_told(self, news: list[Spooled], address: Address, at: datetime) -> None:
        try:
            for each in news:
                self._spool.told(each, address, at=at)
        except OSError as error:
            self._log.error("That people were told cannot be noted", reason=error.strerror)

    # when it is back ---------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Enter what is spooled. Raise DatabaseError where the database is away (again): the rest is for later."""
        for spooled in self._spool.all():
            if self._done.get(spooled.name) == spooled.times:
                continue
            try:
                self._enter(spooled)
            except DatabaseError as error:
                if error.transient:
                    raise
                # Nobody can enter it, and it is said here: it must not keep the others back.
                message = spooled.alarm.message
                self._log.error("A spooled alert was not taken", message_of_alert=message, reason=str(error))
            self._done[spooled.name] = spooled.times
            with suppress(OSError):
                self._spool.entered(spooled)
                del self._done[spooled.name]
        self._post.forget()

    def _enter(self, spooled: Spooled) -> None:
        alarm = self._with_its_task(spooled.alarm)
        with self._database.transaction():
            number = self._alerts.raise_alarms([alarm] * min(spooled.times, MOST_TIMES))[0]
            alert = self._alerts.get(number)
            # Of an incident that was open before, and told, this is more of the same.
            if spooled.told_at is not None and alert.told_severity is None:
                self._note(alert, spooled, spooled.told_at)

    def _note(self, alert: Alert, spooled: Spooled, told_at: datetime) -> None:
        """Those who heard of it hear it no second time; those who did not take it get a letter."""
        untold = [address for address in self._receivers(alert) if address not in spooled.told]
        now = self._database.now()
        letters = [
            NewLetter(
                address=address,
                kind=MessageKind.ALERT,
                severity=alert.severity,
                fold_key=fold_key(alert, MessageKind.ALERT),
                due_at=now,
                alert_ids=(alert.id,),
            )
            for address in untold
        ]
        told = Told(
            alert_id=alert.id,
            severity=alert.severity,
            occurrences=alert.occurrences,
            resolved=False,
            told_at=told_at,
            reminders=0,
        )
        self._tellings.post(letters=letters, additions=(), told=[told])

    def _with_its_task(self, alarm: Alarm) -> Alarm:
        """Return the alarm with number and name of its task, of which one alone was known without the database."""
        named = alarm.cause.task_id or alarm.task_name
        if named is None or (alarm.cause.task_id and alarm.task_name):
            return alarm
        try:
            task = self._tasks.get(named)
        except UnknownTaskError:
            return alarm
        return replace(alarm, cause=replace(alarm.cause, task_id=task.id), task_name=task.name)


def _alert(spooled: Spooled) -> Alert:
    """Return what is told of an alarm that has no number yet."""
    alarm = spooled.alarm
    return Alert(
        id=0,
        cause=alarm.cause,
        severity=alarm.severity,
        message=alarm.message,
        task_name=alarm.task_name,
        execution_id=None,
        details=alarm.details,
        occurrences=spooled.times,
        created_at=spooled.since,
        last_occurred_at=spooled.since,
    )
