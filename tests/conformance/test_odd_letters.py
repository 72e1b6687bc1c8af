"""Letters and alerts that are large, old, or written by SQL: none of them keeps another one back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.alerts.silent_log import SilentLog
from tests.conformance.conftest import emptied
from tests.conformance.scene import Scene
from tests.servers import Server

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.delivery import DeliveryStatus, Letter
from smart_cron.core.message import MessageKind
from smart_cron.services.alerts.courier import Courier
from smart_cron.services.alerts.folding import MOST_IN_ONE
from smart_cron.services.alerts.routing import CourierSettings
from smart_cron.store import alert_rows
from smart_cron.store.gateway import Store

SETTINGS = CourierSettings(node="one", zone=ZoneInfo("UTC"), email="ops@example.com")
HOUR = timedelta(hours=1)
DISK = Alarm(
    cause=Cause(alert_type=AlertType.DISK_SPACE, node="one"), severity=Severity.CRITICAL, message="The disk is full"
)


def look(store: Store) -> int:
    return Courier(database=store.database, tellings=store.tellings, settings=SETTINGS, log=SilentLog()).look()


def lease(store: Store, channel: str = "email") -> Letter | None:
    return store.outbox.lease(channel, by="one", seconds=300)


def taken(store: Store, channel: str = "email") -> Letter:
    letter = lease(store, channel)
    assert letter is not None
    return letter


def write(store: Store, **columns: object) -> int:
    """Write a letter as SQL by hand can; instants are given as their age."""
    now, instant = store.database.now(), store.session.dialect.instant
    known: dict[str, object] = {"kind": "alert", "channel": "email", "target": "ops@example.com", "subject": ""}
    for name, value in (known | columns).items():
        known[name] = instant(now - value) if isinstance(value, timedelta) else value
    marks = ", ".join(["%s"] * len(known))
    return store.session.insert(
        f"INSERT INTO smart_cron_deliveries ({', '.join(known)}) VALUES ({marks})", list(known.values())
    )


# large -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_crowd_that_one_letter_cannot_hold_is_told_whole(store: Store) -> None:
    first, count = 10**15, MOST_IN_ONE + 300
    with store.database.transaction():
        store.session.execute_each(
            """INSERT INTO smart_cron_alerts (id, task_name, alert_type, severity, message)
             VALUES (%s, 'report', 'disk_space', 'critical', 'The disk is full')""",
            [[first + number] for number in range(count)],
        )

    look(store)

    found = [taken(store).alert_ids for _ in range(2)]
    assert sorted(number for each in found for number in each) == list(range(first, first + count))
    assert store.session.rows("SELECT COUNT(*) FROM smart_cron_alerts WHERE untold = 1") == [(0,)]
    assert look(store) == 0


def test_a_long_letter_beyond_ascii_is_kept_whole(store: Store) -> None:
    number = write(store, alert_ids="[1]")
    content = "数据库连接失败💥" * 10_000

    store.outbox.keep_content(number, subject="x", content=content)

    assert taken(store).content == content


# old -------------------------------------------------------------------------------------------------------


def test_what_was_given_up_counts_from_then_on_however_old_it_is(store: Store) -> None:
    number = write(store, alert_ids="[1]", created_at=timedelta(hours=73), attempts=75)
    write(store, alert_ids="[2]", created_at=timedelta(hours=73), next_attempt_at=25 * HOUR, status="failed")
    store.outbox.close(number, DeliveryStatus.FAILED, words="connection refused")

    assert store.outbox.counts().failed_last_day == 1
    assert store.health_facts.undelivered(waiting_for=HOUR, failed_within=24 * HOUR).failed == 1
    assert store.figures.figures(named=0).deliveries_failed == 1


def test_a_digest_that_waits_for_its_hour_is_not_undelivered(store: Store) -> None:
    write(store, kind="digest", created_at=9 * HOUR, next_attempt_at=-HOUR)
    write(store, created_at=8 * HOUR, next_attempt_at=-HOUR, attempts=9)

    found = store.health_facts.undelivered(waiting_for=HOUR, failed_within=HOUR)

    assert found.pending == 1
    assert 8 * HOUR <= found.oldest < 9 * HOUR


def test_what_ends_its_sender_again_and_again_lets_others_go_first(store: Store) -> None:
    hanging = write(store, alert_ids="[1]")
    assert taken(store).letter_id == hanging
    store.outbox.release("one")
    again = taken(store)
    assert (again.letter_id, again.last_error) == (hanging, "whoever was sending it ended before it was taken.")

    assert store.outbox.release("one") == 1
    other = write(store, alert_ids="[2]")

    assert taken(store).letter_id == other
    assert lease(store) is None


def test_a_receiver_that_is_dead_keeps_no_ping_from_another(store: Store) -> None:
    write(store, kind="ping", channel="ping", target="https://dead.example/a", attempts=1, next_attempt_at=-HOUR)
    for _ in range(60):
        write(store, kind="ping", channel="ping", target="https://dead.example/a")
    alive = [write(store, kind="ping", channel="ping", target="https://alive.example/b") for _ in range(2)]

    assert taken(store, "ping").letter_id == alive[0]
    # In order for one receiver.
    assert lease(store, "ping") is None


# counted ---------------------------------------------------------------------------------------------------


def test_nothing_is_counted_on_an_alert_that_a_person_resolves_meanwhile(
    server_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, opened_among = server_store, alert_rows.opened_among
    (first,) = store.alerts.raise_alarms([DISK])
    looks = []

    def resolve() -> None:
        store.alerts.resolve(first, actor="ann")
        store.database.close()

    def slow(*arguments: object) -> object:
        found = opened_among(*arguments)  # type: ignore[arg-type]
        looks.append(found)
        if len(looks) == 1:
            person = threading.Thread(target=resolve)
            person.start()
            person.join(60)
        return found

    monkeypatch.setattr(alert_rows, "opened_among", slow)
    (second,) = store.alerts.raise_alarms([DISK])

    assert second != first
    assert store.session.rows("SELECT resolved, occurrences, untold FROM smart_cron_alerts ORDER BY id") == [
        (1, 1, 0),
        (0, 1, 1),
    ]


# written by SQL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        {"kind": "note"},
        {"severity": "HIGH"},
        {"alert_ids": "[1, 2"},
        {"alert_ids": '{"a": [1]}'},
        {"alert_ids": '[[1], null, -1, "2", 1e9, 99999999999999999999999]'},
        {"kind": "recovery", "alert_ids": "nonsense"},
    ],
    ids=str,
)
def test_a_letter_that_sql_wrote_oddly_stops_no_other(scene: Scene, store: Store, odd: dict[str, object]) -> None:
    strange = write(store, **odd)
    store.alerts.raise_alarms([DISK])

    assert look(store) == 1

    first, second = taken(store), taken(store)
    assert first.letter_id == strange
    assert (second.kind, len(second.alert_ids)) == (MessageKind.ALERT, 1)


@pytest.mark.parametrize(
    "odd",
    [
        {"alert_type": "weather", "severity": "HIGH"},
        {"details": '{"alert_email": '},
        {"details": "[" * 20_000},
        {"told_severity": "HIGH", "reminders": -3, "told_at": "2026-01-01 00:00:00.000000"},
        {"told_severity": "error", "reminders": 2_000_000_000, "told_at": "2026-01-01 00:00:00.000000"},
    ],
    ids=["words", "torn details", "deep details", "negative reminders", "many reminders"],
)
def test_an_alert_that_sql_wrote_oddly_stops_no_other(scene: Scene, store: Store, odd: dict[str, object]) -> None:
    columns = {"alert_type": "memory", "severity": "critical", "message": "odd"} | odd
    scene.sql(
        f"INSERT INTO smart_cron_alerts ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
        list(columns.values()),
    )
    (number,) = store.alerts.raise_alarms([DISK])

    look(store)

    told = store.session.rows("SELECT untold FROM smart_cron_alerts WHERE id = %s", [number])
    assert (told, look(store)) == ([(0,)], 0)


class Noted(SilentLog):
    """Keeps errors."""

    def __init__(self) -> None:
        self.errors: list[object] = []

    def error(self, event: str, **fields: object) -> None:
        self.errors.append((event, fields["alert"]))


def test_an_alert_that_nobody_can_judge_is_set_aside_with_one_line(opened: Callable[[str], Store]) -> None:
    store, log = emptied(opened("sqlite")), Noted()
    number = store.session.insert(
        """INSERT INTO smart_cron_alerts (alert_type, severity, message, told_severity, told_at)
         VALUES ('memory', 'error', 'odd', 'error', '9999-12-31 23:00:00.000000')"""
    )
    store.alerts.raise_alarms([DISK])
    courier = Courier(database=store.database, tellings=store.tellings, settings=SETTINGS, log=log)

    assert (courier.look(), courier.look()) == (1, 0)
    assert log.errors == [("Alert cannot be told and is set aside", number)]


def test_a_date_that_is_none_stops_no_other(mariadb_store: Store, mariadb: Server) -> None:
    store, lenient = mariadb_store, "SET sql_mode = ''; SET time_zone = '+00:00'; "
    mariadb.run_sql(
        f"""{lenient}INSERT INTO smart_cron_alerts (alert_type, severity, message, created_at, last_occurred_at)
         VALUES ('memory', 'critical', 'odd', '0000-00-00', '0000-00-00');
         INSERT INTO smart_cron_deliveries (kind, channel, subject, created_at, next_attempt_at)
         VALUES ('alert', 'chat', '', '0000-00-00', '0000-00-00')""",
        "smart_cron",
    )
    store.alerts.raise_alarms([DISK])

    assert look(store) == 2
    assert set(store.outbox.due_channels().values()) == {timedelta()}
    assert {taken(store).alert_ids, taken(store).alert_ids, taken(store, "chat").alert_ids} > {()}
    assert store.outbox.counts().pending == 3
