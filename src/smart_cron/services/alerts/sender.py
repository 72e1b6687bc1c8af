"""One channel's letters, one after the other: taken from the outbox, written, sent, and what came of it noted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from smart_cron.core.alert import Severity
from smart_cron.core.delivery import DeliveryStatus, Letter
from smart_cron.core.errors import DatabaseError
from smart_cron.core.message import DeliveryError, Message, MessageKind
from smart_cron.core.ports import Database, Log
from smart_cron.core.ports.messages import Channel
from smart_cron.core.ports.outbox import OutboxStore
from smart_cron.core.telling import lives_for, next_try_after
from smart_cron.services.alerts.writing import Writer

LEASE_SECONDS = 300.0
CLOSE_TRIES = 3


class Sender:
    """Sends what is due on one channel. Not for two threads."""

    def __init__(
        self,
        channel: str,
        *,
        database: Database,
        outbox: OutboxStore,
        writer: Writer,
        open_channel: Callable[[str], Channel],
        log: Log,
        by: str,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._name, self._database, self._outbox, self._writer = channel, database, outbox, writer
        self._open_channel, self._log, self._by = open_channel, log, by
        self._lease_seconds = lease_seconds
        self._channel: Channel | None = None

    def send_due(self, *, keep_on: Callable[[], bool] = lambda: True) -> int:
        """Send until nothing is due or *keep_on* says no; return how many letters were taken in hand.

        Raise DatabaseError where the outbox does not answer: what is in hand is sent again once its lease is over.
        """
        taken = 0
        try:
            while keep_on():
                letter = self._outbox.lease(self._name, by=self._by, seconds=self._lease_seconds)
                if letter is None:
                    break
                taken += 1
                self._see_to(letter)
        finally:
            self._hang_up()
        return taken

    def send_taken(self, letter: Letter) -> DeliveryStatus:
        """Send one letter that was put in for us; return what became of it: pending is what is tried again later."""
        try:
            return self._see_to(letter)
        finally:
            self._hang_up()

    def _see_to(self, letter: Letter) -> DeliveryStatus:
        # A letter that was never tried is tried once, however late it is; a late ping says what is no longer so.
        if self._is_too_old(letter) and (letter.attempts > 1 or letter.kind is MessageKind.PING):
            return self._too_late(letter)
        try:
            message = self._message(letter)
            if message is None:
                self._outbox.close(letter.letter_id, DeliveryStatus.DROPPED, words="It was over before it was sent.")
                return DeliveryStatus.DROPPED
            answer = self._opened().send(message, target=letter.address.target or "")
        except DeliveryError as error:
            return self._failed(letter, error)
        except Exception as error:
            # One letter or channel that breaks must not stop other letters; a database that is away stops them all.
            if isinstance(error, DatabaseError) and error.transient:
                raise
            self._hang_up()
            return self._failed(letter, DeliveryError(f"{type(error).__name__}: {error}", permanent=False))
        self._sent(letter, answer)
        return DeliveryStatus.SENT

    def _sent(self, letter: Letter, answer: str) -> None:
        """Note it, and try again where another transaction was in the way: else it would be sent twice."""
        for tries_left in range(CLOSE_TRIES - 1, -1, -1):
            try:
                self._outbox.close(letter.letter_id, DeliveryStatus.SENT, words=answer)
                break
            except DatabaseError:
                if not tries_left:
                    raise
        self._log.info("Message sent", channel=self._name, kind=str(letter.kind), letter=letter.letter_id)

    def _message(self, letter: Letter) -> Message | None:
        if letter.kind is MessageKind.PING:
            return self._writer.ping(letter)
        kept = None if letter.content is None else kept_message(letter.content)
        if kept is not None:
            return kept
        message = self._writer.message(letter)
        if message is not None:
            self._keep(letter, message)
        return message

    def _keep(self, letter: Letter, message: Message) -> None:
        try:
            self._outbox.keep_content(letter.letter_id, subject=message.subject, content=written_message(message))
        except DatabaseError as error:
            if error.transient:
                raise
            # Another try may then say it in other words: better than never.
            self._log.error("Message is sent without being kept", letter=letter.letter_id, reason=str(error))

    def _opened(self) -> Channel:
        if self._channel is None:
            self._channel = self._open_channel(self._name)
        return self._channel

    def _hang_up(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            try:
                channel.close()
            except Exception as error:  # noqa: BLE001 - what was sent is sent
                self._log.debug("Channel was not closed in order", channel=self._name, reason=str(error))

    def _failed(self, letter: Letter, error: DeliveryError) -> DeliveryStatus:
        if error.permanent or self._is_too_old(letter):
            self._outbox.close(letter.letter_id, DeliveryStatus.FAILED, words=str(error))
            self._tell("Message was given up", letter, error)
            return DeliveryStatus.FAILED
        after = next_try_after(letter.attempts)
        self._outbox.put_back(letter.letter_id, after=after, words=str(error))
        self._tell("Message was not taken", letter, error, next_try_seconds=round(after.total_seconds()))
        return DeliveryStatus.PENDING

    def _tell(self, event: str, letter: Letter, error: DeliveryError, **fields: object) -> None:
        # Of a ping nobody else hears; an alert's message that did not arrive is worth an error.
        tell = self._log.warning if letter.kind is MessageKind.PING else self._log.error
        tell(event, channel=self._name, letter=letter.letter_id, attempt=letter.attempts, reason=str(error), **fields)

    def _too_late(self, letter: Letter) -> DeliveryStatus:
        """A late ping is of no use; an alert that nobody heard of is a failure, and health says so."""
        if letter.kind is MessageKind.PING:
            reason = "it is older than an hour and of no use any more"
            self._outbox.close(letter.letter_id, DeliveryStatus.DROPPED, words=reason)
            self._log.warning("Message was dropped", channel=self._name, letter=letter.letter_id, reason=reason)
            return DeliveryStatus.DROPPED
        last = letter.last_error or "nobody knows why it was not taken"
        return self._failed(letter, DeliveryError(f"tried for three days, at last: {last}", permanent=True))

    def _is_too_old(self, letter: Letter) -> bool:
        return self._database.now() - letter.created_at > lives_for(letter.kind)


def written_message(message: Message) -> str:
    """Return a message as JSON."""
    return json.dumps(
        {
            "kind": str(message.kind),
            "severity": str(message.severity),
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "facts": dict(message.facts),
        },
        default=_plain,
    )


def _plain(value: object) -> object:
    return (
        value.isoformat() if isinstance(value, datetime) else dict(value) if isinstance(value, Mapping) else str(value)
    )


def kept_message(text: str) -> Message | None:
    """Return the message that was kept, or None where it cannot be read and is to be written anew."""
    try:
        return read_message(text)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read_message(text: str) -> Message:
    """Return the message that `written_message` wrote."""
    of: dict[str, Any] = json.loads(text)
    return Message(
        kind=MessageKind(of["kind"]),
        severity=Severity(of["severity"]),
        subject=of["subject"],
        text=of["text"],
        html=of["html"],
        facts=of["facts"],
    )
