"""How many letters: what has one cause, comes at a quiet hour, or is too much for an hour, goes together.

There is one device for all of it: a letter that waits until its time and takes more meanwhile. The first letter with a
cause leaves at once; what follows within the fold to the same receiver waits for the fold's end and is one letter.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from smart_cron.core.alert import Alert, Severity
from smart_cron.core.alert_words import cause_text
from smart_cron.core.delivery import Addition, Address, NewLetter, Traffic
from smart_cron.core.message import MessageKind
from smart_cron.services.alerts.quiet_hours import next_at
from smart_cron.services.alerts.routing import CourierSettings, Receiver

HOUR = timedelta(hours=1)
# A letter names some and counts the rest; what is more goes into another one, so that none grows too long for its row.
MOST_IN_ONE = 5000
QUIET, DIGEST, OVERFLOW = "quiet", "digest", "overflow"
_WAITING = frozenset({QUIET, DIGEST, OVERFLOW})


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing to be told to one receiver."""

    alert: Alert
    kind: MessageKind
    receiver: Receiver


@dataclass(slots=True)
class _Pile:
    """A letter as it grows: one that waits in the outbox (`letter_id`), or a new one."""

    address: Address
    kind: MessageKind
    fold_key: str
    severity: Severity
    at: datetime
    letter_id: int | None = None
    alert_ids: list[int] = field(default_factory=list)
    grown: bool = False


def fold_key(alert: Alert, kind: MessageKind) -> str:
    """Return what alerts have in common that go into one letter: names, numbers, paths and UUIDs left out."""
    if kind is not MessageKind.ALERT:
        return str(kind)
    return f"{alert.cause.alert_type}:{hashlib.sha256(cause_text(alert).encode()).hexdigest()[:16]}"


def fold(
    tellings: Iterable[Telling], traffic: Sequence[Traffic], *, now: datetime, settings: CourierSettings
) -> tuple[list[NewLetter], list[Addition]]:
    """Return the letters that are to be put into the outbox, and what is added to those that wait there."""
    piles = _Piles(traffic, now=now, settings=settings)
    for telling in without_echoes(tellings):
        piles.take(telling)
    return piles.new(), piles.additions()


def without_echoes(tellings: Iterable[Telling]) -> list[Telling]:
    """Leave out what says the same of one task to one receiver less gravely: a failure beside failures in a row."""
    chosen: dict[object, Telling] = {}
    for number, telling in enumerate(tellings):
        key = _echo_of(telling) or number
        before = chosen.get(key)
        if before is None or telling.alert.severity.rank < before.alert.severity.rank:
            chosen[key] = telling
    return list(chosen.values())


def _echo_of(telling: Telling) -> object:
    alert, place = telling.alert, (telling.receiver.address, telling.kind)
    if alert.cause.task_id is None or alert.cause.subtype is not None:
        return None
    if telling.kind is MessageKind.ALERT:
        return (*place, alert.cause.task_id, alert.execution_id) if alert.execution_id is not None else None
    return (*place, alert.cause.task_id)


class _Piles:
    """Letters to all receivers, those that went within the last hour too."""

    def __init__(self, traffic: Sequence[Traffic], *, now: datetime, settings: CourierSettings) -> None:
        self._now, self._settings = now, settings
        self._open: dict[tuple[Address, MessageKind, str], _Pile] = {}
        self._full: list[_Pile] = []
        self._latest: dict[tuple[Address, MessageKind, str], datetime] = {}
        self._hours: defaultdict[Address, list[datetime]] = defaultdict(list)
        for letter in sorted(traffic, key=lambda each: each.letter_id):
            self._know(letter)

    def _know(self, letter: Traffic) -> None:
        key = (letter.address, letter.kind, letter.fold_key)
        self._latest[key] = max(letter.at, self._latest.get(key, letter.at))
        if letter.fold_key not in _WAITING:
            self._hours[letter.address].append(letter.at)
        if letter.takes_more:
            self._open[key] = _Pile(
                *key, letter.severity, letter.at, letter_id=letter.letter_id, alert_ids=list(letter.alert_ids)
            )

    def take(self, telling: Telling) -> None:
        """Put it onto the pile where it belongs, a new one where there is none."""
        key, at = self._place(telling)
        pile = self._open.get(key)
        is_full = pile is not None and len(pile.alert_ids) >= MOST_IN_ONE
        if pile is not None and is_full:
            self._full.append(pile)
            at = pile.at
        if pile is None or is_full:
            pile = self._open[key] = _Pile(*key, telling.alert.severity, at)
            if key[2] not in _WAITING:
                self._hours[key[0]].append(at)
        if telling.alert.id not in pile.alert_ids[-2:]:
            pile.alert_ids.append(telling.alert.id)
        pile.severity = min(pile.severity, telling.alert.severity, key=lambda each: each.rank)
        pile.grown = True

    def _all(self) -> list[_Pile]:
        return [*self._full, *self._open.values()]

    def _place(self, telling: Telling) -> tuple[tuple[Address, MessageKind, str], datetime]:
        address, rules, now = telling.receiver.address, telling.receiver.rules, self._now
        if rules.digest_at is not None:
            return (address, MessageKind.DIGEST, DIGEST), next_at(rules.digest_at, now, self._settings.zone)
        is_critical = telling.alert.severity is Severity.CRITICAL
        quiet_until = None if rules.quiet is None or is_critical else rules.quiet.end_of(now, self._settings.zone)
        if quiet_until is not None:
            return (address, MessageKind.DIGEST, QUIET), quiet_until
        key = (address, telling.kind, fold_key(telling.alert, telling.kind))
        if key in self._open:
            return key, now
        # The letter that takes the rest of the hour counts, too.
        if len(self._hours[address]) >= rules.messages_per_hour - 1:
            return (address, MessageKind.DIGEST, OVERFLOW), self._end_of_hour(address)
        latest = self._latest.get(key)
        return key, now if latest is None else max(now, latest + self._settings.fold)

    def _end_of_hour(self, address: Address) -> datetime:
        """Return when one more may go: an hour after the oldest of this hour, and after the last of this kind."""
        lately = [min(self._hours[address], default=self._now - HOUR)]
        if last := self._latest.get((address, MessageKind.DIGEST, OVERFLOW)):
            lately.append(last)
        return max(self._now, max(lately) + HOUR)

    def new(self) -> list[NewLetter]:
        """Return the letters that are not in the outbox yet."""
        return [
            NewLetter(
                address=pile.address,
                kind=pile.kind,
                severity=pile.severity,
                fold_key=pile.fold_key,
                due_at=pile.at,
                alert_ids=tuple(pile.alert_ids),
            )
            for pile in self._all()
            if pile.letter_id is None
        ]

    def additions(self) -> list[Addition]:
        """Return what letters that wait hold from now on, of those that grew."""
        return [
            Addition(letter_id=pile.letter_id, severity=pile.severity, alert_ids=tuple(pile.alert_ids))
            for pile in self._all()
            if pile.letter_id is not None and pile.grown
        ]
