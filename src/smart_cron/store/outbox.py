"""The outbox: messages and pings on their way. The port `OutboxStore`.

A letter is leased by comparing and swapping one row, so that no transaction stays open while a server takes its time.
While it is leased `next_attempt_at` is the end of the lease: whoever finds it in the past may take the letter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.alert import Alert, Severity
from smart_cron.core.delivery import PING_CHANNEL, Address, DeliveryStatus, Letter, OutboxCounts
from smart_cron.core.message import MessageKind
from smart_cron.core.run import ErrorType, Settlement
from smart_cron.store import alert_rows
from smart_cron.store.bulk import InsertEach, placeholders, storable
from smart_cron.store.dialects import TEXT
from smart_cron.store.session import Session

_LETTERS = "smart_cron_deliveries"
_CANDIDATES = 50
# So many letters before it are looked at before one may leave.
_OLDER = 2000
_CHUNK = 500
_WORDS = 1000
_ANSWER = 500
_SUBJECT = 255
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
        due = {channel: self._read(at) for channel, at in rows}
        return {name: max(timedelta(), at - now) for name, at in due.items() if at is not None and now is not None}

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
        return None

    def _older(self, channel: str, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return letters that wait before the last of these, where one of these may have to follow another."""
        if all(MessageKind(row[2]) is MessageKind.ALERT for row in rows):
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
            f"""SELECT channel, target, kind, severity, created_at, attempts, content, alert_ids
              FROM {_LETTERS} WHERE id = %s""",
            [letter_id],
        )
        if row is None:
            return None
        created_at = self._read(row[4])
        assert created_at is not None
        return Letter(
            letter_id=letter_id,
            address=Address(row[0], row[1]),
            kind=MessageKind(row[2]),
            severity=Severity(row[3] or Severity.INFO),
            created_at=created_at,
            attempts=row[5],
            content=row[6],
            alert_ids=tuple(json.loads(row[7] or "[]")),
        )

    def release(self, by: str) -> int:
        """Give back what an earlier life of *by* had taken; return how many letters."""
        return self._session.execute(
            f"""UPDATE {_LETTERS} SET leased_until = NULL, next_attempt_at = %s
             WHERE status = 'pending' AND leased_by = %s AND leased_until IS NOT NULL""",
            [self._instant(self._session.now()), by[:100]],
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
        failed = self._session.row(
            f"""SELECT COUNT(*) FROM {_LETTERS}
             WHERE created_at >= %s AND status = '{DeliveryStatus.FAILED}' AND next_attempt_at >= %s""",
            [self._instant(now - timedelta(days=7)), self._instant(now - timedelta(days=1))],
        )
        since = self._read(oldest[0]) if oldest else None
        return OutboxCounts(
            pending=pending[0] if pending else 0,
            oldest_due_seconds=max(0.0, (now - since).total_seconds()) if since else 0.0,
            failed_last_day=failed[0] if failed else 0,
        )


def _must_wait(row: tuple[Any, ...], older: Sequence[tuple[Any, ...]]) -> bool:
    """Whether an older letter to the same receiver has to be there first."""
    number, target, kind, alert_ids = row
    before = [each for each in older if each[0] < number and each[1] == target]
    if kind == MessageKind.PING:
        return bool(before)
    if kind not in _FOLLOWS or not before:
        return False
    ours = set(json.loads(alert_ids or "[]"))
    return any(not ours.isdisjoint(json.loads(each[3] or "[]")) for each in before)


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
