"""One channel's letters: what is sent, tried again, given up and dropped. A real outbox, and a channel that obeys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.alerts.silent_log import SilentLog

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity
from smart_cron.core.delivery import Address, NewLetter
from smart_cron.core.message import DeliveryError, Message, MessageKind, RunFacts
from smart_cron.services.alerts.sender import Sender, read_message, written_message
from smart_cron.services.alerts.writing import Writer
from smart_cron.store.gateway import Store, open_store

LONG_AGO = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


class Broken:
    """A task's facts that nobody can gather."""

    def facts(self, execution_id: int) -> RunFacts | None:
        raise RuntimeError(f"no facts of {execution_id}")

    def last_words(self, execution_id: int, *, limit: int) -> str:
        return f"printed by {execution_id}"[:limit]


@dataclass
class Desk:
    """A sender and its channel; `refusals` are raised one by one before anything is taken."""

    store: Store
    refusals: list[Exception] = field(default_factory=list)
    taken: list[tuple[str, Message]] = field(default_factory=list)
    closed: int = 0

    def send(self, message: Message, *, target: str) -> str:
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append((target, message))
        return "250 ok"

    def close(self) -> None:
        self.closed += 1

    def sender(self, channel: str = "email") -> Sender:
        return Sender(
            channel,
            database=self.store.database,
            outbox=self.store.outbox,
            writer=Writer(outbox=self.store.outbox, finder=Broken(), compose=composed),
            open_channel=lambda _: self,
            log=SilentLog(),
            by="one",
        )

    def post(self, *alert_ids: int, kind: MessageKind = MessageKind.ALERT) -> None:
        letter = NewLetter(
            address=Address("email", "ops@example.com"),
            kind=kind,
            severity=Severity.ERROR,
            fold_key="key",
            due_at=LONG_AGO,
            alert_ids=alert_ids,
        )
        with self.store.database.transaction():
            self.store.tellings.post(letters=[letter], additions=(), told=())

    def ping(self, *, age: timedelta = timedelta()) -> None:
        created_at = self.store.session.dialect.instant(self.store.database.now() - age)
        content = json.dumps({"signal": "exit", "exit_code": 3, "execution_id": 7})
        self.store.session.execute(
            """INSERT INTO smart_cron_deliveries (kind, channel, target, severity, subject, content, created_at)
             VALUES ('ping', 'ping', 'https://hc.example.com/x', 'info', 'ping', %s, %s)""",
            [content, created_at],
        )

    def rows(self) -> list[tuple[object, ...]]:
        return self.store.session.rows("SELECT status, attempts, last_error FROM smart_cron_deliveries ORDER BY id")

    def alert(self, *, execution_id: int | None = None) -> int:
        cause = Cause(alert_type=AlertType.DISK_SPACE, node="one")
        alarm = Alarm(cause=cause, severity=Severity.CRITICAL, message="The disk is full", execution_id=execution_id)
        with self.store.database.transaction():
            (number,) = self.store.alerts.raise_alarms([alarm])
        return number


def composed(kind: MessageKind, alerts: Sequence[Alert], _facts: RunFacts | None) -> Message:
    words = ", ".join(alert.message for alert in alerts)
    facts = {"at": alerts[0].created_at, "ids": [alert.id for alert in alerts]}
    return Message(kind=kind, severity=Severity.CRITICAL, subject=words, text=words, html="", facts=facts)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = open_store(f"sqlite://{tmp_path / 'smart-cron.db'}", alias="sender")
    store.database.migrate()
    yield Desk(store)
    store.database.close()


def test_what_is_due_is_sent_and_the_answer_is_kept(desk: Desk) -> None:
    desk.post(desk.alert())

    assert desk.sender().send_due() == 1
    assert [(target, message.text) for target, message in desk.taken] == [("ops@example.com", "The disk is full")]
    assert desk.store.session.rows("SELECT status, answer FROM smart_cron_deliveries") == [("sent", "250 ok")]
    assert desk.closed == 1


def test_what_is_refused_for_now_is_tried_again_with_the_same_words(desk: Desk) -> None:
    desk.refusals = [DeliveryError("451 later", permanent=False)]
    desk.post(desk.alert())
    desk.sender().send_due()
    assert desk.rows() == [("pending", 1, "451 later")]

    desk.store.session.execute("UPDATE smart_cron_alerts SET message = 'something else'")
    desk.store.session.execute("UPDATE smart_cron_deliveries SET next_attempt_at = '2026-01-01 00:00:00.000000'")
    desk.sender().send_due()

    assert desk.taken[0][1].text == "The disk is full"


def test_what_is_refused_for_good_is_given_up_and_the_next_is_sent(desk: Desk) -> None:
    desk.refusals = [DeliveryError("550 no such user", permanent=True)]
    for _ in range(2):
        desk.post(desk.alert())

    desk.sender().send_due()

    assert desk.rows() == [("failed", 1, "550 no such user"), ("sent", 1, None)]


def test_what_is_tried_for_three_days_is_given_up(desk: Desk) -> None:
    desk.refusals = [DeliveryError("451 later", permanent=False)]
    desk.post(desk.alert())
    desk.store.session.execute("UPDATE smart_cron_deliveries SET created_at = '2026-01-01 00:00:00.000000'")

    desk.sender().send_due()

    assert desk.rows() == [("failed", 1, "451 later")]


def test_a_channel_that_breaks_stops_no_other_letter(desk: Desk) -> None:
    desk.refusals = [RuntimeError("a bug")]
    for _ in range(2):
        desk.post(desk.alert())

    desk.sender().send_due()

    assert desk.rows() == [("pending", 1, "RuntimeError: a bug"), ("sent", 1, None)]


def test_a_letter_that_cannot_be_written_stops_no_other(desk: Desk) -> None:
    desk.post(desk.alert(execution_id=7))
    desk.store.session.execute("UPDATE smart_cron_alerts SET node = 'two'")
    desk.post(desk.alert())

    desk.sender().send_due()

    assert desk.rows() == [("pending", 1, "RuntimeError: no facts of 7"), ("sent", 1, None)]


def test_what_was_tried_for_three_days_is_a_failure_and_says_what_it_was(desk: Desk) -> None:
    desk.post(desk.alert())
    desk.store.session.execute(
        """UPDATE smart_cron_deliveries SET attempts = 75, last_error = 'connection refused',
         created_at = '2026-01-01 00:00:00.000000'"""
    )

    desk.sender().send_due()

    assert desk.taken == []
    assert desk.rows() == [("failed", 76, "tried for three days, at last: connection refused")]


def test_what_the_database_does_not_keep_is_sent_all_the_same(desk: Desk) -> None:
    refuse = "BEGIN SELECT RAISE(ABORT, 'Data too long for column content'); END"
    desk.store.session.execute(f"CREATE TRIGGER full BEFORE UPDATE OF content ON smart_cron_deliveries {refuse}")
    desk.post(desk.alert())

    desk.sender().send_due()

    assert [message.text for _, message in desk.taken] == ["The disk is full"]
    assert desk.rows() == [("sent", 1, None)]


def test_a_message_that_sql_made_unreadable_is_written_anew(desk: Desk) -> None:
    for content in ("{}", "[1", "null", '{"kind": "no"}'):
        desk.post(desk.alert())
        desk.store.session.execute("UPDATE smart_cron_deliveries SET content = %s WHERE status = 'pending'", [content])
        desk.sender().send_due()

    assert [message.text for _, message in desk.taken] == ["The disk is full"] * 4


def test_a_ping_that_sql_made_unreadable_is_given_up_and_guesses_nothing(desk: Desk) -> None:
    for content in ("{}", "[1", None):
        desk.ping()
        desk.store.session.execute("UPDATE smart_cron_deliveries SET content = %s WHERE status = 'pending'", [content])
        desk.sender("ping").send_due()

    assert desk.taken == []
    assert desk.rows() == [("failed", 1, "what this ping is to say cannot be read.")] * 3


def test_a_letter_of_alerts_that_are_gone_is_given_up_with_words(desk: Desk) -> None:
    desk.post(4711)

    desk.sender().send_due()

    assert desk.rows() == [("failed", 1, "nothing is known any more of what it is about.")]


def test_a_ping_brings_the_end_of_the_output(desk: Desk) -> None:
    desk.ping()

    desk.sender("ping").send_due()

    (target, message) = desk.taken[0]
    assert (target, message.text, message.facts["exit_code"]) == ("https://hc.example.com/x", "printed by 7", 3)


def test_a_ping_of_yesterday_is_dropped_with_words(desk: Desk) -> None:
    desk.ping(age=timedelta(hours=2))

    desk.sender("ping").send_due()

    assert desk.taken == []
    assert desk.rows() == [("dropped", 1, "it is older than an hour and of no use any more")]


def test_a_message_is_read_back_as_it_was_written() -> None:
    message = Message(
        kind=MessageKind.DIGEST, severity=Severity.INFO, subject="ä", text="b\n", html="<p>", facts={"ids": [1]}
    )

    assert read_message(written_message(message)) == message


def test_nobody_is_reminded_of_what_is_over_or_acknowledged_by_then(desk: Desk) -> None:
    number = desk.alert()
    desk.post(number, kind=MessageKind.REMINDER)
    desk.store.alerts.acknowledge(number, user_id=None, actor="anna")

    assert desk.sender().send_due() == 1

    assert desk.taken == []
    [(status, _, _)] = desk.rows()
    assert status == "dropped"
