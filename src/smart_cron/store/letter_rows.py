"""Letters as rows: what stands in their columns, read so that no row of somebody else's stops another one."""

from __future__ import annotations

import json
from datetime import timedelta

from smart_cron.core.alert import Severity
from smart_cron.core.delivery import DeliveryStatus, NewLetter
from smart_cron.core.message import MessageKind
from smart_cron.store.dialects import Dialect
from smart_cron.store.session import Session

LETTERS = "smart_cron_deliveries"
LARGEST_NUMBER = 2**63 - 1
# What was written longer ago than this, and the span that is asked about, has been given up before that span.
_LIVES = timedelta(days=7)


def read_kind(word: str | None) -> MessageKind:
    """Return what a letter is for; a word that is none of ours is told as an alert, rather than not at all."""
    return MessageKind(word) if word in set(MessageKind) else MessageKind.ALERT


def read_severity(word: str | None) -> Severity:
    """Return a letter's severity; a word that is none of ours counts as an error."""
    return Severity(word) if word in set(Severity) else Severity.ERROR


def read_numbers(text: str | None) -> tuple[int, ...]:
    """Return the alerts of a letter; what cannot be read counts as none."""
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return ()
    known = found if isinstance(found, list) else []
    return tuple(number for number in known if type(number) is int and 0 < number <= LARGEST_NUMBER)


def letter_row(letter: NewLetter, dialect: Dialect) -> dict[str, object]:
    """Return the columns of a letter that is put in."""
    return {
        "kind": str(letter.kind),
        "channel": letter.address.channel,
        "target": letter.address.target,
        "severity": str(letter.severity),
        "fold_key": letter.fold_key,
        "subject": "",
        "alert_ids": json.dumps(letter.alert_ids),
        "alert_count": len(letter.alert_ids),
        "next_attempt_at": dialect.instant(letter.due_at),
    }


def given_up(session: Session, *, within: timedelta) -> int:
    """Return how many letters were given up for good within this span, whenever they were written."""
    now, instant = session.now(), session.dialect.instant
    row = session.row(
        f"""SELECT COUNT(*) FROM {LETTERS} WHERE created_at >= %s AND status = '{DeliveryStatus.FAILED}'
         AND COALESCE(next_attempt_at, created_at) >= %s""",
        [instant(now - within - _LIVES), instant(now - within)],
    )
    return int(row[0]) if row else 0


def last_refusal(session: Session, *, within: timedelta) -> tuple[str, str] | None:
    """Return the channel and the words of the newest letter that is not taken, given up within this span or waiting."""
    now, instant = session.now(), session.dialect.instant
    return session.row(
        f"""SELECT channel, last_error FROM {LETTERS} WHERE created_at >= %s AND last_error IS NOT NULL
             AND (status = '{DeliveryStatus.PENDING}' OR (status = '{DeliveryStatus.FAILED}'
                  AND COALESCE(next_attempt_at, created_at) >= %s)) ORDER BY id DESC LIMIT 1""",
        [instant(now - within - _LIVES), instant(now - within)],
    )
