"""The outbox: messages and pings on their way. The port `OutboxStore`.

A letter is leased by comparing and swapping one row, so that no transaction stays open while a server takes its time.
While it is leased `next_attempt_at` is the end of the lease: whoever finds it in the past may take the letter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from smart_cron.core.alert import Alert, Severity
from smart_cron.core.delivery import (
    PING_CHANNEL,
    Address,
    Delivered,
    DeliveryStatus,
    Letter,
    NewLetter,
    OutboxCounts,
)
from smart_cron.core.message import MessageKind
from smart_cron.core.run import ErrorType, Settlement
from smart_cron.core.telling import next_try_after
from smart_cron.store import alert_rows
from smart_cron.store.bulk import InsertEach, placeholders, storable
from smart_cron.store.dialects import TEXT
from smart_cron.store.letter_rows import LETTERS, given_up, letter_row, read_kind, read_numbers, read_severity
from smart_cron.store.session import Session

_LETTERS = LETTERS
_CANDIDATES = 50
# So many letters before it are looked at before one may leave.
_OLDER = 2000
_CHUNK = 500
_WORDS = 1000
_ANSWER = 500
_SUBJECT = 255
_ABOUT_ONE = 100
_CUT_SHORT = "whoever was sending it ended before it was taken."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOLLOWS = frozenset({MessageKind.RECOVERY, MessageKind.REMINDER, MessageKind.DIGEST})
# Without a time of its own: a node's clock may differ, and it may leave at once.
_ADD_PINGS = InsertEach(
    table=_LETTERS,
    columns=(("kind", TEXT), ("channel", TEXT), ("target", TEXT), ("severity", TEXT), ("subject", TEXT),
             ("content", TEXT)),
)  # fmt: skip


class Outbox:
    """Messages, each to one receiver, until they are sent or given up."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def add_pings(self, settlements: Sequence[Settlement], *, now: datetime) -> None:  # noqa: ARG002 - see above
        """Put a ping for each of these ends into the outbox, in the caller's transaction."""
        _ADD_PINGS.run(self._session, [_ping(settlement) for settlement in settlements])

    # taking ------------------------------------------------------------------------------------------------

    def due_channels(self) -> Mapping[str, timedelta]:
        """Return in how long the next letter of each channel may leave; zero where one may now."""
        rows = self._session.rows(
            f"""SELECT channel, MIN(COALESCE(next_attempt_at, created_at))
              FROM {_LETTERS}{self._pending} WHERE status = 'pending' GROUP BY channel"""
        )
        now = self._session.now() if rows else None
        # A date that is none, which SQL by hand can write on MariaDB, lies in the past.
        due = {channel: self._read(at) or _EPOCH for channel, at in rows}
        return {name: max(timedelta(), at - now) for name, at in due.items() if now is not None}

    @property
    def _pending(self) -> str:
        return self._session.dialect.force_index("smart_cron_deliveries_pending")

    def lease(self, channel: str, *, by: str, seconds: float) -> Letter | None:
        """Take one letter whose time has come, for so long; None where there is none that may leave."""
        now = self._session.now()
        rows = self._session.rows(
            f"""SELECT id, target, kind, alert_ids FROM {_LETTERS}{self._pending}
             WHERE status = 'pending' AND channel = %s AND (next_attempt_at IS NULL OR next_attempt_at <= %s)
             ORDER BY id LIMIT {_CANDIDATES}""",
            [channel, self._instant(now)],
        )
        older = self._older(channel, rows)
        for row in rows:
            if not _must_wait(row, older) and self._swap(row[0], by=by, now=now, seconds=seconds):
                return self._letter(row[0])
        # All of these may wait for one receiver, and others be behind them.
        for number in self._first_pings(now) if channel == PING_CHANNEL and len(rows) == _CANDIDATES else ():
            if self._swap(number, by=by, now=now, seconds=seconds):
                return self._letter(number)
        return None

    def _first_pings(self, now: datetime) -> Sequence[int]:
        """Return the oldest ping of each receiver, where its time has come."""
        rows = self._session.rows(
            f"""SELECT d.id FROM {_LETTERS} d JOIN
                (SELECT MIN(id) AS id FROM {_LETTERS}{self._pending} WHERE status = 'pending' AND channel = %s
                  GROUP BY target) AS oldest ON oldest.id = d.id
             WHERE d.next_attempt_at IS NULL OR d.next_attempt_at <= %s ORDER BY d.id LIMIT {_CANDIDATES}""",
            [PING_CHANNEL, self._instant(now)],
        )
        return [row[0] for row in rows]

    def _older(self, channel: str, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return letters that wait before the last of these, where one of these may have to follow another."""
        if all(read_kind(row[2]) is MessageKind.ALERT for row in rows):
            return []
        return self._session.rows(
            f"""SELECT id, target, kind, alert_ids FROM {_LETTERS}{self._pending}
             WHERE status = 'pending' AND channel = %s AND id < %s ORDER BY id LIMIT {_OLDER}""",
            [channel, rows[-1][0]],
        )

    def _swap(self, letter_id: int, *, by: str, now: datetime, seconds: float) -> bool:
        until = self._instant(now + timedelta(seconds=seconds))
        taken = self._session.execute(
            f"""UPDATE {_LETTERS} SET leased_until = %s, next_attempt_at = %s, leased_by = %s, attempts = attempts + 1
             WHERE id = %s AND status = 'pending' AND (next_attempt_at IS NULL OR next_attempt_at <= %s)""",
            [until, until, by[:100], letter_id, self._instant(now)],
        )
        return bool(taken)

    def _letter(self, letter_id: int) -> Letter | None:
        row = self._session.row(
            f"""SELECT channel, target, kind, severity, created_at, attempts, content, alert_ids, last_error
              FROM {_LETTERS} WHERE id = %s""",
            [letter_id],
        )
        if row is None:
            return None
        return Letter(
            letter_id=letter_id,
            address=Address(row[0], row[1]),
            kind=read_kind(row[2]),
            severity=read_severity(row[3]),
            created_at=self._read(row[4]) or _EPOCH,
            attempts=row[5],
            content=row[6],
            alert_ids=read_numbers(row[7]),
            last_error=row[8],
        )

    def post_taken(self, letter: NewLetter, *, by: str, seconds: float) -> Letter:
        """Put a letter in that its writer sends at once: nobody else takes it for so long, and whoever does after."""
        until = self._instant(self._session.now() + timedelta(seconds=seconds))
        values = letter_row(letter, self._session.dialect) | {
            "next_attempt_at": until, "leased_until": until, "leased_by": by[:100], "attempts": 1,
        }  # fmt: skip
        marks = ", ".join(["%s"] * len(values))
        number = self._session.insert(
            f"INSERT INTO {_LETTERS} ({', '.join(values)}) VALUES ({marks})", list(values.values())
        )
        found = self._letter(number)
        assert found is not None
        return found

    def release(self, by: str) -> int:
        """Give back what an earlier life of *by* had taken; return how many letters.

        The first time it may leave at once. What ends its sender again and again, such as a receiver that hangs for
        longer than a pass, waits ever longer, or no other letter of its channel would ever leave.
        """
        now = self._session.now()
        rows = self._session.rows(
            f"""SELECT id, attempts FROM {_LETTERS}{self._pending}
             WHERE status = 'pending' AND leased_by = %s AND leased_until IS NOT NULL ORDER BY id""",
            [by[:100]],
        )
        return sum(self._give_back(number, now + _pause_after(attempts), by=by) for number, attempts in rows)

    def _give_back(self, letter_id: int, at: datetime, *, by: str) -> int:
        return self._session.execute(
            f"""UPDATE {_LETTERS} SET leased_until = NULL, next_attempt_at = %s, last_error = %s
             WHERE id = %s AND status = 'pending' AND leased_by = %s AND leased_until IS NOT NULL""",
            [self._instant(at), _CUT_SHORT, letter_id, by[:100]],
        )

    # writing and closing -----------------------------------------------------------------------------------

    def alerts(self, numbers: Sequence[int]) -> list[Alert]:
        """Return those of these alerts that there are, in the order of their numbers."""
        found = []
        for begin in range(0, len(numbers), _CHUNK):
            some = numbers[begin : begin + _CHUNK]
            found += self._session.rows(
                f"""SELECT {", ".join(alert_rows.COLUMNS)} FROM smart_cron_alerts
                 WHERE id IN ({placeholders(some)}) ORDER BY id""",
                some,
            )
        return [alert_rows.alert(row, self._session.dialect) for row in found]

    def keep_content(self, letter_id: int, *, subject: str, content: str) -> None:
        """Keep the message as it is sent, so that another try sends the same."""
        self._session.execute(
            f"UPDATE {_LETTERS} SET subject = %s, content = %s WHERE id = %s",
            [_cut(subject, _SUBJECT), storable(content), letter_id],
        )

    def close(self, letter_id: int, status: DeliveryStatus, *, words: str) -> None:
        """Note that a letter was sent (`words` is the answer), or why it never will be."""
        now = self._instant(self._session.now())
        sent = status is DeliveryStatus.SENT
        words_column, limit = ("answer", _ANSWER) if sent else ("last_error", _WORDS)
        self._session.execute(
            f"""UPDATE {_LETTERS} SET status = %s, {words_column} = %s, sent_at = %s, next_attempt_at = %s,
                leased_until = NULL WHERE id = %s AND status = 'pending'""",
            [str(status), _cut(words, limit), now if sent else None, now, letter_id],
        )

    def put_back(self, letter_id: int, *, after: timedelta, words: str) -> None:
        """Try this letter again in so long; *words* is what went wrong."""
        self._session.execute(
            f"""UPDATE {_LETTERS} SET last_error = %s, next_attempt_at = %s, leased_until = NULL
             WHERE id = %s AND status = 'pending'""",
            [_cut(words, _WORDS), self._instant(self._session.now() + after), letter_id],
        )

    def counts(self) -> OutboxCounts:
        """Return how the outbox stands."""
        now = self._session.now()
        pending = self._session.row(f"SELECT COUNT(*) FROM {_LETTERS}{self._pending} WHERE status = 'pending'")
        # One that was tried waits for its next try, but it has been due since it was written.
        oldest = self._session.row(
            f"""SELECT MIN(created_at) FROM {_LETTERS}{self._pending}
             WHERE status = 'pending' AND (attempts > 0 OR next_attempt_at IS NULL OR next_attempt_at <= %s)""",
            [self._instant(now)],
        )
        since = self._read(oldest[0]) if oldest else None
        return OutboxCounts(
            pending=pending[0] if pending else 0,
            oldest_due_seconds=max(0.0, (now - since).total_seconds()) if since else 0.0,
            failed_last_day=given_up(self._session, within=timedelta(days=1)),
        )

    def letters_about(self, alert_id: int, *, since: datetime) -> list[Delivered]:
        """Return who was told of an alert, oldest first: the last hundred letters about it that were written since."""
        rows = self._session.rows(
            f"""SELECT channel, target, kind, status, COALESCE(sent_at, created_at), last_error, answer, alert_ids
             FROM {_LETTERS} WHERE created_at >= %s AND alert_ids LIKE %s ORDER BY id DESC""",
            [self._instant(since), f"%{alert_id}%"],
        )
        found = [row for row in rows if alert_id in read_numbers(row[-1])][:_ABOUT_ONE]
        return [self._delivered(row) for row in reversed(found)]

    def _delivered(self, row: tuple[Any, ...]) -> Delivered:
        channel, target, kind, status, at, last_error, answer, _ = row
        known = DeliveryStatus(status) if status in set(DeliveryStatus) else DeliveryStatus.FAILED
        return Delivered(
            address=Address(channel, target),
            kind=read_kind(kind),
            status=known,
            at=self._read(at) or _EPOCH,
            last_error=None if known is DeliveryStatus.SENT else last_error,
            answer=answer,
        )


def _must_wait(row: tuple[Any, ...], older: Sequence[tuple[Any, ...]]) -> bool:
    """Whether an older letter to the same receiver has to be there first."""
    number, target, kind, alert_ids = row
    before = [each for each in older if each[0] < number and each[1] == target]
    if kind == MessageKind.PING:
        return bool(before)
    if kind not in _FOLLOWS or not before:
        return False
    ours = set(read_numbers(alert_ids))
    return any(not ours.isdisjoint(read_numbers(each[3])) for each in before)


def _pause_after(attempts: int) -> timedelta:
    return next_try_after(attempts - 1) if attempts > 1 else timedelta()


def _ping(settlement: Settlement) -> dict[str, object]:
    run = settlement.run
    content = {
        "signal": _signal(settlement),
        "exit_code": settlement.exit_code,
        "run_id": run.run_id,
        "task": run.task_name,
        "execution_id": run.execution_id,
    }
    return {
        "kind": str(MessageKind.PING),
        "channel": PING_CHANNEL,
        "target": run.ping_url,
        "severity": str(Severity.INFO),
        "subject": _cut(f"ping of {run.task_name}", _SUBJECT),
        "content": json.dumps(content),
    }


def _signal(settlement: Settlement) -> str:
    if settlement.success:
        return "success"
    # Only what the program itself said is an exit code; a timeout or a signal is a plain failure.
    return "exit" if settlement.error_type is ErrorType.EXIT_CODE and settlement.exit_code else "fail"


def _cut(text: str, limit: int) -> str:
    return str(storable(text))[:limit]
