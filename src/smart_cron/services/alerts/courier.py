"""Looks for what is untold and turns it into letters: the decision and the letters are one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from smart_cron.core.alert import Alert, Severity
from smart_cron.core.delivery import Concern, Told
from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.message import MessageKind
from smart_cron.core.ports import Database, Log
from smart_cron.core.ports.outbox import TellingStore
from smart_cron.core.telling import reminder_marks, severity_to_route, what_to_tell
from smart_cron.services.alerts.folding import HOUR, Telling, fold
from smart_cron.services.alerts.routing import CourierSettings, Receiver, receivers

# A transaction stays short: on SQLite nobody else writes meanwhile.
ALERTS_AT_ONCE = 200
TRIES = 5
# What an unexpected crowd of alerts may cost at one look; the rest is for the next.
LOOKS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Decision:
    told: Told
    tellings: Sequence[Telling]


class Courier:
    """Decides who is told what, and puts it into the outbox. Not for two threads."""

    def __init__(self, *, database: Database, tellings: TellingStore, settings: CourierSettings, log: Log) -> None:
        self._database, self._tellings, self._settings, self._log = database, tellings, settings, log
        self._set_aside: set[int] = set()

    def adopt(self, settings: CourierSettings) -> None:
        """Decide by these settings from the next look on; from any thread."""
        self._settings = settings

    def has_untold(self) -> bool:
        """Say whether some alert was raised, counted up or resolved since the last look.

        Reminders and snoozes that are over are for `look`.
        """
        return self._tellings.has_untold()

    def look(self) -> int:
        """Put everything that is to be told into the outbox; return how many letters it became or was added to."""
        letters = 0
        for _ in range(LOOKS_AT_ONCE):
            marks = reminder_marks(self._database.now(), self._settings.reminder_after)
            if not self._tellings.has_news(marks):
                break
            letters += self._again()
        return letters

    def _again(self) -> int:
        """Do one transaction, and again from its start after a conflict with another one."""
        for _ in range(TRIES - 1):
            try:
                return self._put_in()
            except DatabaseConflictError as error:
                self._log.debug("Alerts are looked at again", reason=str(error))
        return self._put_in()

    def _put_in(self) -> int:
        with self._database.transaction():
            now = self._database.now()
            found = self._tellings.news(reminder_marks(now, self._settings.reminder_after), limit=ALERTS_AT_ONCE)
            decisions = [self._decide(concern, now) for concern in found]
            tellings = [telling for decision in decisions for telling in decision.tellings]
            channels = sorted({telling.receiver.address.channel for telling in tellings})
            since = now - max(HOUR, self._settings.fold)
            traffic = self._tellings.traffic(channels, since=since)
            letters, additions = fold(tellings, traffic, now=now, settings=self._settings)
            told = [decision.told for decision in decisions]
            self._tellings.post(letters=letters, additions=additions, told=told)
        return len(letters) + len(additions)

    def _decide(self, concern: Concern, now: datetime) -> _Decision:
        try:
            return self._decision(concern, now)
        except Exception as error:  # noqa: BLE001 - what SQL by hand wrote into one alert keeps no other one back
            if concern.alert.id not in self._set_aside:
                reason = f"{type(error).__name__}: {error}"
                self._log.error("Alert cannot be told and is set aside", alert=concern.alert.id, reason=reason)
            self._set_aside.add(concern.alert.id)
            return _Decision(told_of(concern.alert, (), heard=False, now=now), ())

    def _decision(self, concern: Concern, now: datetime) -> _Decision:
        alert = concern.alert
        kinds = what_to_tell(alert, now=now, reminder_after=self._settings.reminder_after)
        tellings = [telling for kind in kinds for telling in self._telling(concern, kind, now)]
        return _Decision(told_of(alert, kinds, heard=bool(tellings), now=now), tellings)

    def _telling(self, concern: Concern, kind: MessageKind, now: datetime) -> list[Telling]:
        found = self._receivers(concern, kind, now)
        if kind is MessageKind.REMINDER and concern.graver is not None:
            others = self._receivers(replace(concern, alert=concern.graver), kind, now)
            found = [receiver for receiver in found if receiver not in others]
        return [Telling(concern.alert, kind, receiver) for receiver in found]

    def _receivers(self, concern: Concern, kind: MessageKind, now: datetime) -> list[Receiver]:
        return receivers(concern, severity_to_route(concern.alert, kind, now=now), self._settings)


def told_of(alert: Alert, kinds: Sequence[MessageKind], *, heard: bool, now: datetime) -> Told:
    """Return what the alert remembers from now on. What nobody wants to hear is not told again before it changes."""
    reminders = alert.reminders + 1 if MessageKind.REMINDER in kinds else alert.reminders
    severity: Severity | None = alert.severity if heard else alert.told_severity
    return Told(
        alert_id=alert.id,
        severity=severity,
        occurrences=alert.occurrences,
        resolved=alert.resolved,
        told_at=now if kinds else alert.told_at,
        reminders=0 if MessageKind.ALERT in kinds else reminders,
    )
