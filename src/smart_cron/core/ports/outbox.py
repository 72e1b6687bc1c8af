"""What services ask of the store about letters: putting them in, and sending them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from smart_cron.core.alert import Alarm, Alert
from smart_cron.core.delivery import (
    Addition,
    Concern,
    Delivered,
    DeliveryStatus,
    Letter,
    NewLetter,
    OutboxCounts,
    ReminderMarks,
    Told,
    Traffic,
)


class TellingStore(Protocol):
    """Alerts of which somebody may have to hear. Times are the database's own clock."""

    def has_untold(self) -> bool:
        """Say whether an alert changed since it was told; one look at an index, for who asks each second."""

    def has_news(self, marks: ReminderMarks) -> bool:
        """Say whether `news` would find anything; nothing is locked."""

    def news(self, marks: ReminderMarks, *, limit: int) -> list[Concern]:
        """Return alerts that changed, that are to be reminded of, or whose snooze is over, oldest first.

        In the caller's transaction: couriers of several nodes come here one after the other, so that each sees what
        the one before put in. The alerts themselves are not locked, since runs raise them.
        """

    def traffic(self, channels: Sequence[str], *, since: datetime) -> list[Traffic]:
        """Return the letters of these channels that wait, or were sent since then; pings left out."""

    def post(self, *, letters: Sequence[NewLetter], additions: Sequence[Addition], told: Sequence[Told]) -> None:
        """Put letters in, add to those that wait, and note what was told: in the caller's transaction."""

    def enter_over(self, alarm: Alarm, *, opened_at: datetime, told_at: datetime, by: str) -> int:
        """Enter an alert that was told without the database and is over; return its number."""


class OutboxStore(Protocol):
    """Letters on their way. Times are the database's own clock."""

    def due_channels(self) -> Mapping[str, timedelta]:
        """Return in how long the next letter of each channel may leave; zero where one may now."""

    def lease(self, channel: str, *, by: str, seconds: float) -> Letter | None:
        """Take one letter whose time has come, for so long. A letter never overtakes one that its receiver needs first.

        None where there is none; a letter whose lease ran out may be taken again, by anyone.
        """

    def post_taken(self, letter: NewLetter, *, by: str, seconds: float) -> Letter:
        """Put a letter in that its writer sends at once: nobody else takes it for so long, and whoever does after."""

    def release(self, by: str) -> int:
        """Give back what an earlier life of *by* had taken, for later where that is not the first time.

        Return how many letters.
        """

    def alerts(self, numbers: Sequence[int]) -> list[Alert]:
        """Return those of these alerts that there are, in the order of their numbers."""

    def keep_content(self, letter_id: int, *, subject: str, content: str) -> None:
        """Keep the message as it is sent, so that another try sends the same."""

    def close(self, letter_id: int, status: DeliveryStatus, *, words: str) -> None:
        """Note that a letter was sent (`words` is the answer), or why it never will be."""

    def put_back(self, letter_id: int, *, after: timedelta, words: str) -> None:
        """Try this letter again in so long; *words* is what went wrong."""

    def counts(self) -> OutboxCounts:
        """Return how the outbox stands."""

    def letters_about(self, alert_id: int, *, since: datetime) -> list[Delivered]:
        """Return who was told of an alert, oldest first: the last hundred letters about it that were written since."""
