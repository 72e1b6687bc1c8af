"""Builds what tells people: the courier, its senders and their threads, from a house and its settings."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from smart_cron.config import Config
from smart_cron.config.alerting import DirectConfig, RulesConfig
from smart_cron.core.alert import Alert, Severity
from smart_cron.core.delivery import Address, DeliveryStatus, NewLetter
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.message import DeliveryError, Message, MessageKind, RunFacts
from smart_cron.core.ports import Log
from smart_cron.core.ports.messages import Channel
from smart_cron.services.alerts.alarm_desk import AlarmDesk
from smart_cron.services.alerts.alarm_spool import AlarmSpool
from smart_cron.services.alerts.courier import Courier
from smart_cron.services.alerts.direct_post import DirectPost
from smart_cron.services.alerts.facts import FactFinder
from smart_cron.services.alerts.mail_room import MailRoom
from smart_cron.services.alerts.outage import OutageWatch
from smart_cron.services.alerts.quiet_hours import QuietHours, read_quiet_hours, read_time
from smart_cron.services.alerts.routing import EMAIL, CourierSettings, Direct, Rules, Wanted
from smart_cron.services.alerts.sender import LEASE_SECONDS, Sender
from smart_cron.services.alerts.spool import Spool
from smart_cron.services.alerts.writing import Writer
from smart_cron.wiring import House
from smart_cron.wiring.channels import IMPLIED, ChannelEntry, channels_of, message_of

PASS_SECONDS = 10.0
# A mail may take some steps, each with the timeout of the settings: nobody else may take it up meanwhile.
STEPS = 5
# No cause: nothing else is folded into what a person asked for.
ASKED_FOR = "asked for"


class Mail:
    """The threads that tell people, not started yet. `room` is the bell that the master rings."""

    def __init__(self, house: House, *, on_started: Callable[[str, str, str], None] = lambda *_: None) -> None:
        self._builder = _Builder(house)
        self._courier, self._outage = self._builder.courier(), self._builder.outage()
        self.room = MailRoom(
            courier=self._courier,
            outage=self._outage,
            new_sender=self._builder.sender,
            outbox=house.store.outbox,
            database=house.store.database,
            clock=house.clock,
            log=house.log,
            name=house.config.node_name,
            on_started=on_started,
        )

    def adopt(self, house: House) -> None:
        """Tell by the settings of this house: what is looked at and sent from now on."""
        self._builder.adopt(house)
        self._courier.adopt(self._builder.settings)
        self._outage.adopt(self._builder.settings)


def deliver_once(house: House, *, seconds: float = PASS_SECONDS) -> None:
    """Tell once what is to be told, and send what is due, for at most so long; the rest stays in the outbox.

    Raise DatabaseError where the database does not serve.
    """
    builder, ends_at = _Builder(house), time.monotonic() + seconds
    if builder.outage().look():
        return
    house.store.outbox.release(house.config.node_name)
    builder.courier().look()
    due = [channel for channel, after in house.store.outbox.due_channels().items() if not after]
    threads = [_sending(house, builder.sender(channel), ends_at) for channel in due]
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))


def send_alert_mail(house: House, email: str, alert_ids: Sequence[int]) -> bool:
    """Mail these alerts to an address now, with what is known of their run; return whether the server took it.

    It goes through the outbox: what is refused for now is tried again by a master, and the words of the server stand in
    `alert show`. False, too, where there are none of these alerts. Raise UnknownAlertError where a number belongs to no
    alert.
    """
    alerts = [house.store.alerts.get(alert_id) for alert_id in alert_ids]
    if not alerts:
        return False
    letter = NewLetter(
        address=Address(EMAIL, email),
        kind=MessageKind.ALERT,
        severity=min((alert.severity for alert in alerts), key=lambda each: each.rank),
        fold_key=ASKED_FOR,
        due_at=house.store.database.now(),
        alert_ids=tuple(alert.id for alert in alerts),
    )
    # Not by the node's name: a master that starts gives back what an earlier life of the node had in hand.
    by = f"{house.config.node_name}:{os.getpid()}"
    taken = house.store.outbox.post_taken(letter, by=by, seconds=lease_seconds(house.config))
    return _Builder(house).sender(EMAIL).send_taken(taken) is DeliveryStatus.SENT


def tell_of_loss(house: House, reason: str) -> None:
    """Tell people that the database does not serve, if that has lasted for a while: earlier passes count, too."""
    outage = _Builder(house).outage()
    outage.lost(reason, since=house.clock.now())
    outage.look()


def _sending(house: House, sender: Sender, ends_at: float) -> threading.Thread:
    def send() -> None:
        try:
            sender.send_due(keep_on=lambda: time.monotonic() < ends_at)
        except Exception as error:  # noqa: BLE001 - the letters stay in the outbox
            house.log.error("Letters could not be sent", reason=f"{type(error).__name__}: {error}")
        finally:
            house.store.database.close()

    # A daemon: a server that hangs must not hold up the end of the pass.
    thread = threading.Thread(target=send, name="sender", daemon=True)
    thread.start()
    return thread


class _Builder:
    """The parts, each from the same settings; those that are in hand ask here for channels and words each time."""

    def __init__(self, house: House) -> None:
        self.adopt(house)

    def adopt(self, house: House) -> None:
        """Build from the settings of this house from now on."""
        self._house, self.settings = house, courier_settings(house.config, house.log)
        self._entries = channels_of(house.config)

    def courier(self) -> Courier:
        store = self._house.store
        return Courier(database=store.database, tellings=store.tellings, settings=self.settings, log=self._house.log)

    def outage(self) -> OutageWatch:
        house = self._house
        return OutageWatch(
            spool=Spool(house.config.state_dir),
            database=house.store.database,
            tellings=house.store.tellings,
            settings=self.settings,
            compose=self._message,
            open_channel=self._open,
            clock=house.clock,
            log=house.log,
            alarms=self._alarm_desk(),
        )

    def _alarm_desk(self) -> AlarmDesk:
        house, store = self._house, self._house.store
        return AlarmDesk(
            spool=AlarmSpool(house.config.state_dir),
            database=store.database,
            alerts=store.alerts,
            tasks=store.tasks,
            tellings=store.tellings,
            settings=self.settings,
            compose=self._message,
            post=DirectPost(open_channel=self._open, clock=house.clock, log=house.log),
            clock=house.clock,
            log=house.log,
        )

    def sender(self, channel: str) -> Sender:
        house, store = self._house, self._house.store
        finder = FactFinder(history=store.history, ledger=store.ledger, tasks=store.tasks, node=house.config.node_name)
        return Sender(
            channel,
            database=store.database,
            outbox=store.outbox,
            writer=Writer(outbox=store.outbox, finder=finder, compose=self._message),
            open_channel=self._open,
            log=house.log,
            by=house.config.node_name,
            lease_seconds=lease_seconds(house.config),
        )

    def _message(self, kind: MessageKind, alerts: Sequence[Alert], facts: RunFacts | None) -> Message:
        return message_of(self._house.config, kind, alerts, facts, now=self._house.clock.now())

    def _open(self, name: str) -> Channel:
        entry = self._entries.get(name)
        if entry is None:
            raise DeliveryError(f"there is no channel '{name}' in the settings any more.", permanent=True)
        return entry.open()


def lease_seconds(config: Config) -> float:
    """Return for how long a letter belongs to whoever sends it."""
    return max(LEASE_SECONDS, STEPS * config.smtp.timeout_seconds)


def courier_settings(config: Config, log: Log) -> CourierSettings:
    """Return what the courier needs of the settings; a time that cannot be read is told in *log* and left out."""
    entries = [entry for name, entry in channels_of(config).items() if name not in IMPLIED]
    return CourierSettings(
        node=config.node_name,
        zone=ZoneInfo(config.time_zone),
        email=config.alert_email,
        by_email=_direct("alerts.email", config.alerts.email, log),
        by_slack=_direct("alerts.slack", config.alerts.slack, log),
        channels=tuple(_wanted(entries, log)),
        reminder_after=timedelta(minutes=config.alerts.reminder_minutes),
        fold=timedelta(seconds=config.alerts.fold_seconds),
        mails_digest=config.alerts.weekly_digest,
    )


def _wanted(entries: list[ChannelEntry], log: Log) -> Iterator[Wanted]:
    for entry in entries:
        settings = entry.settings
        if settings is None or not settings.enabled:
            continue
        yield Wanted(
            channel=entry.name,
            min_severity=Severity(settings.min_severity),
            alert_types=frozenset(settings.alert_types),
            groups=frozenset(settings.groups),
            tasks=frozenset(settings.tasks),
            rules=_rules(entry.name, settings, log),
        )


def _direct(name: str, settings: DirectConfig, log: Log) -> Direct:
    least = settings.min_severity
    return Direct(min_severity=None if least is None else Severity(least), rules=_rules(name, settings, log))


def _rules(name: str, settings: RulesConfig, log: Log) -> Rules:
    quiet: QuietHours | None = None
    digest_at = None
    try:
        quiet = read_quiet_hours(settings.quiet_hours)
        digest_at = read_time(settings.digest_at) if settings.digest else None
    except InvalidInputError as error:
        # Rather at a wrong time than not at all.
        log.error("Times of a channel cannot be read, its messages leave at once", channel=name, reason=str(error))
    return Rules(messages_per_hour=settings.messages_per_hour, quiet=quiet, digest_at=digest_at)
