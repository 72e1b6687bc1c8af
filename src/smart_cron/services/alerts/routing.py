"""Who hears of an alert: the address and the webhook that its task names, and the channels of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from zoneinfo import ZoneInfo

from smart_cron.core.alert import WEEKLY_DIGEST, Alert, AlertType, Severity
from smart_cron.core.delivery import Address, Concern
from smart_cron.core.telling import is_mailed
from smart_cron.services.alerts.quiet_hours import QuietHours

EMAIL, SLACK = "email", "slack"
MESSAGES_PER_HOUR = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When letters to one receiver leave."""

    messages_per_hour: int = MESSAGES_PER_HOUR
    quiet: QuietHours | None = None
    digest_at: time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a channel of the settings wants to hear. Empty types, groups and tasks mean all of them."""

    channel: str
    min_severity: Severity = Severity.ERROR
    alert_types: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    rules: Rules = Rules()

    def wants(self, alert: Alert, severity: Severity, group: str | None) -> bool:
        """Whether this channel is to hear of the alert."""
        if not severity.reaches(self.min_severity):
            return False
        if self.alert_types and str(alert.cause.alert_type) not in self.alert_types:
            return False
        if self.tasks and alert.task_name not in self.tasks:
            return False
        return not self.groups or group in self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """What those hear who only gave an address: the usual cases, or from a severity on."""

    min_severity: Severity | None = None
    rules: Rules = Rules()

    def wants(self, alert: Alert, severity: Severity) -> bool:
        """Whether they are to hear of the alert."""
        if self.min_severity is None:
            return is_mailed(alert.cause, severity)
        return severity.reaches(self.min_severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierSettings:
    """What of the settings decides about messages. `email` is the global address, empty where there is none.

    `mails_digest` is whether the weekly digest goes there, although it is information.
    """

    node: str
    zone: ZoneInfo
    email: str = ""
    by_email: Direct = Direct()
    by_slack: Direct = Direct()
    channels: Sequence[Wanted] = ()
    reminder_after: timedelta = timedelta(hours=4)
    fold: timedelta = timedelta(seconds=60)
    mails_digest: bool = True


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who hears of an alert, and when letters to them leave."""

    address: Address
    rules: Rules


def receivers(concern: Concern, severity: Severity, settings: CourierSettings) -> list[Receiver]:
    """Return everybody who hears of this alert, each once, if it counts as so severe."""
    found = {receiver.address: receiver for receiver in _all(concern, severity, settings)}
    return list(found.values())


def _all(concern: Concern, severity: Severity, settings: CourierSettings) -> Iterator[Receiver]:
    alert = concern.alert
    own = _own_address(alert)
    email = own or concern.email or settings.email
    if email and (own or settings.by_email.wants(alert, severity)):
        yield Receiver(Address(EMAIL, email), settings.by_email.rules)
    if concern.slack and (own or settings.by_slack.wants(alert, severity)):
        yield Receiver(Address(SLACK, concern.slack), settings.by_slack.rules)
    if settings.mails_digest and settings.email and alert.cause.subtype == WEEKLY_DIGEST:
        yield Receiver(Address(EMAIL, settings.email), settings.by_email.rules)
    for wanted in settings.channels:
        if wanted.wants(alert, severity, concern.group):
            yield Receiver(Address(wanted.channel), wanted.rules)


def _own_address(alert: Alert) -> str | None:
    """Return the address that an alert about no task brings along, such as that of a job elsewhere."""
    email = alert.details.get("alert_email")
    return email if isinstance(email, str) and email and alert.cause.alert_type is AlertType.SYSTEM_HEALTH else None
