"""The outbox and what is untold, on every database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.alerts.silent_log import SilentLog
from tests.conformance.scene import NOON, Scene

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.delivery import Addition, Address, DeliveryStatus, Letter, NewLetter, Told
from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.message import MessageKind
from smart_cron.core.run import AlertDraft, ErrorType, Status
from smart_cron.core.telling import reminder_marks
from smart_cron.services.alerts.courier import Courier
from smart_cron.services.alerts.quiet_hours import QuietHours
from smart_cron.services.alerts.routing import CourierSettings, Direct, Rules, Wanted
from smart_cron.store.gateway import Store

OPS = Address("email", "ops@example.com")
HOUR = timedelta(hours=1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
FAILS = AlertDraft(alert_type="consecutive_failures", severity="critical", message="Task report failed: Exit code 1")
SETTINGS = CourierSettings(node="one", zone=ZoneInfo("UTC"), email="ops@example.com")


@pytest.fixture(autouse=True)
def emptied_outbox(store: Store) -> Iterator[None]:
    yield
    for table in ("smart_cron_deliveries", "smart_cron_rate_limits"):
        store.session.execute(f"DELETE FROM {table}")


@pytest.fixture
def now(store: Store) -> datetime:
    return store.database.now()


def courier(store: Store, **settings: object) -> Courier:
    known = replace(SETTINGS, **settings)  # type: ignore[arg-type]
    return Courier(database=store.database, tellings=store.tellings, settings=known, log=SilentLog())


def failed(scene: Scene, name: str = "report") -> None:
    scene.ran(
        name,
        status=Status.FAILED,
        success=False,
        exit_code=1,
        error_type=ErrorType.EXIT_CODE,
        slot_failed=True,
        alerts=(replace(FAILS, message=f"Task {name} failed: Exit code 1"),),
    )


def letters(store: Store, columns: str = "kind, status") -> list[tuple[object, ...]]:
    return store.session.rows(f"SELECT {columns} FROM smart_cron_deliveries ORDER BY id")


def post(store: Store, *alert_ids: int, kind: MessageKind = MessageKind.ALERT, to: Address = OPS, **due: object) -> int:
    due_at = due.get("due_at", LONG_AGO)
    assert isinstance(due_at, datetime)
    letter = NewLetter(
        address=to, kind=kind, severity=Severity.ERROR, fold_key="key", due_at=due_at, alert_ids=alert_ids
    )
    with store.database.transaction():
        store.tellings.post(letters=[letter], additions=(), told=())
    row = store.session.row("SELECT MAX(id) FROM smart_cron_deliveries")
    assert row is not None
    return int(row[0])


def lease(store: Store, channel: str = "email", *, by: str = "one", seconds: float = 300) -> Letter | None:
    return store.outbox.lease(channel, by=by, seconds=seconds)


def taken(store: Store, channel: str = "email") -> Letter:
    letter = lease(store, channel)
    assert letter is not None
    return letter


# what is untold --------------------------------------------------------------------------------------------


def test_a_failure_becomes_a_letter_and_is_told(scene: Scene, store: Store) -> None:
    failed(scene)

    assert courier(store).look() == 1
    assert letters(store, "kind, channel, target, status") == [("alert", "email", "ops@example.com", "pending")]
    assert scene.store.session.rows("SELECT untold, told_severity FROM smart_cron_alerts") == [(0, "critical")]
    assert courier(store).look() == 0


def test_the_address_of_the_task_comes_before_the_global_one(scene: Scene, store: Store) -> None:
    scene.add("report", alert_email="owner@example.com", alert_slack_webhook="https://hooks.slack.com/x")
    failed(scene)

    courier(store).look()

    assert sorted(letters(store, "channel, target")) == [
        ("email", "owner@example.com"),
        ("slack", "https://hooks.slack.com/x"),
    ]


def test_many_tasks_with_one_cause_are_one_letter(scene: Scene, store: Store) -> None:
    for number in range(30):
        failed(scene, f"task_{number}")

    courier(store).look()

    assert letters(store, "kind, alert_count") == [("alert", 30)]


def test_what_follows_waits_for_the_end_of_the_fold(scene: Scene, store: Store, now: datetime) -> None:
    failed(scene, "one")
    courier(store).look()
    store.outbox.close(taken(store).letter_id, DeliveryStatus.SENT, words="250 ok")
    for name in ("two", "three"):
        failed(scene, name)
        courier(store).look()

    assert letters(store, "status, alert_count") == [("sent", 1), ("pending", 2)]
    assert lease(store) is None
    assert timedelta(seconds=30) < store.outbox.due_channels()["email"] <= timedelta(seconds=60)


def test_a_recovery_is_told_to_those_who_heard_of_the_failure(scene: Scene, store: Store) -> None:
    failed(scene)
    courier(store).look()
    scene.ran()

    courier(store).look()

    assert letters(store, "kind, target") == [("alert", "ops@example.com"), ("recovery", "ops@example.com")]


def test_what_happens_between_look_and_commit_stays_untold(scene: Scene, store: Store) -> None:
    failed(scene)
    (number,) = store.session.rows("SELECT id FROM smart_cron_alerts")[0]
    told = Told(alert_id=number, severity=Severity.ERROR, occurrences=1, resolved=False, told_at=NOON, reminders=0)
    failed(scene)

    with store.database.transaction():
        store.tellings.post(letters=(), additions=(), told=[told])

    assert store.session.rows("SELECT untold, told_severity FROM smart_cron_alerts") == [(1, "error")]


def test_what_nobody_wants_to_hear_is_looked_at_once(scene: Scene, store: Store, now: datetime) -> None:
    failed(scene)

    assert courier(store, email="").look() == 0
    assert not store.tellings.has_news(reminder_marks(now, HOUR))


def test_reminders_come_by_the_time_of_the_database(scene: Scene, store: Store, now: datetime) -> None:
    failed(scene)
    courier(store).look()
    marks = reminder_marks(now + 3 * HOUR, HOUR)

    assert not store.tellings.has_news(reminder_marks(now, HOUR))
    assert store.tellings.has_news(marks)
    store.session.execute("UPDATE smart_cron_alerts SET acknowledged = 1")
    assert not store.tellings.has_news(marks)


def test_nobody_is_reminded_of_information(scene: Scene, store: Store, now: datetime) -> None:
    failed(scene)
    courier(store).look()
    store.session.execute("UPDATE smart_cron_alerts SET severity = 'info'")

    assert not store.tellings.has_news(reminder_marks(now + 3 * HOUR, HOUR))


def test_the_weekly_digest_is_mailed_to_the_global_address_unless_that_is_switched_off(store: Store) -> None:
    cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="weekly_digest", node="one")
    digest = Alarm(cause=cause, severity=Severity.INFO, message="3 warnings were logged.")
    store.alerts.raise_alarms([digest])
    assert courier(store, mails_digest=False).look() == 0
    store.session.execute("DELETE FROM smart_cron_alerts")
    store.alerts.raise_alarms([digest])

    assert courier(store).look() == 1
    assert letters(store, "kind, channel, target") == [("alert", "email", "ops@example.com")]
    store.session.execute("DELETE FROM smart_cron_alerts")


def test_a_snooze_that_is_over_makes_an_alert_news_once(scene: Scene, store: Store, now: datetime) -> None:
    failed(scene)
    courier(store).look()
    spelled = store.session.dialect.instant
    store.session.execute(
        "UPDATE smart_cron_alerts SET snoozed_until = %s, told_at = %s",
        [spelled(now - HOUR), spelled(now - 2 * HOUR)],
    )

    assert courier(store).look() == 1
    assert courier(store).look() == 0


def test_channels_of_the_settings_choose_by_severity_type_and_group(scene: Scene, store: Store) -> None:
    scene.add("report", group="billing")
    failed(scene)
    channels = (
        Wanted(channel="all"),
        Wanted(channel="critical", min_severity=Severity.CRITICAL),
        Wanted(channel="disk", alert_types=frozenset({"disk_space"})),
        Wanted(channel="billing", groups=frozenset({"billing"})),
        Wanted(channel="shop", groups=frozenset({"shop"})),
        Wanted(channel="report", tasks=frozenset({"report"})),
        Wanted(channel="other", tasks=frozenset({"other"})),
    )

    courier(store, email="", channels=channels).look()

    assert sorted(letters(store, "channel")) == [("all",), ("billing",), ("critical",), ("report",)]


@pytest.mark.parametrize(
    ("least", "told"), [(None, 1), (Severity.CRITICAL, 1), (Severity.ERROR, 2), (Severity.WARNING, 3)]
)
def test_addresses_hear_of_the_usual_cases_or_from_a_severity_on(
    store: Store, least: Severity | None, told: int
) -> None:
    for severity in (Severity.CRITICAL, Severity.ERROR, Severity.WARNING):
        cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=f"probe_{severity}", node="one")
        store.alerts.raise_alarms([Alarm(cause=cause, severity=severity, message=f"{severity} of a probe")])

    courier(store, by_email=Direct(min_severity=least)).look()

    assert sum(count for (count,) in letters(store, "alert_count")) == told


def test_addresses_have_quiet_hours_of_their_own(store: Store) -> None:
    cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="probe", node="one")
    store.alerts.raise_alarms([Alarm(cause=cause, severity=Severity.WARNING, message="a probe")])
    now = store.database.now()
    quiet = QuietHours(start=(now - HOUR).time(), end=(now + HOUR).time())

    courier(store, by_email=Direct(min_severity=Severity.WARNING, rules=Rules(quiet=quiet))).look()

    (due,) = store.session.row("SELECT next_attempt_at FROM smart_cron_deliveries") or (None,)
    at = store.session.dialect.read_instant(due)
    assert at is not None
    assert at > now + HOUR / 2


def test_whoever_is_reminded_of_failures_in_a_row_is_not_of_each_failure(scene: Scene, store: Store) -> None:
    failed(scene)
    (alert,) = store.alerts.open_causes()
    store.alerts.raise_alarms([Alarm(cause=Cause(alert_type=AlertType.TASK_FAILURE, task_id=alert.cause.task_id),
                                     severity=Severity.ERROR, message="Task report failed")])  # fmt: skip
    channels = (Wanted(channel="all"), Wanted(channel="failures", alert_types=frozenset({"task_failure"})))
    courier(store, email="", channels=channels).look()
    long_ago = store.session.dialect.instant(LONG_AGO)
    store.session.execute("UPDATE smart_cron_alerts SET told_at = %s", [long_ago])
    store.session.execute("DELETE FROM smart_cron_deliveries")

    looks = [courier(store, email="", channels=channels).look() for _ in range(2)]

    assert sorted(letters(store, "channel, kind, alert_count")) == [("all", "reminder", 1), ("failures", "reminder", 1)]
    reminded = store.session.rows("SELECT alert_ids FROM smart_cron_deliveries WHERE channel = 'all'")
    assert reminded == [(f"[{alert.id}]",)]
    assert looks == [2, 0]


def test_an_alert_that_was_told_without_the_database_is_entered_as_over(store: Store) -> None:
    cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="database", node="one")
    alarm = Alarm(cause=cause, severity=Severity.CRITICAL, message="The database does not serve")
    with store.database.transaction():
        number = store.tellings.enter_over(alarm, opened_at=NOON, told_at=NOON, by="recovered")

    (found,) = store.outbox.alerts([number])
    assert (found.cause, found.resolved, found.resolved_by, found.created_at) == (cause, True, "recovered", NOON)
    assert courier(store).look() == 0


def test_couriers_of_several_nodes_tell_nobody_twice(scene: Scene, store: Store) -> None:
    for number in range(12):
        failed(scene, f"task_{number}")
    ready = threading.Barrier(3)

    def look() -> int:
        try:
            ready.wait(30)
            return courier(store).look()
        finally:
            store.database.close()

    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(look) for _ in range(3)]

    assert sum(result.result() for result in results) == 1
    assert letters(store, "kind, alert_count") == [("alert", 12)]


# letters on their way --------------------------------------------------------------------------------------


def test_a_letter_is_leased_once(store: Store) -> None:
    number = post(store, 1, 2)

    letter = taken(store)

    assert (letter.letter_id, letter.address, letter.alert_ids, letter.attempts) == (number, OPS, (1, 2), 1)
    assert lease(store, by="two") is None


def test_a_lease_that_ran_out_is_taken_over(store: Store) -> None:
    post(store, 1)
    first = lease(store, seconds=0)
    second = lease(store, by="two")

    assert first is not None
    assert second is not None
    assert (second.letter_id, second.attempts) == (first.letter_id, 2)


def test_what_an_earlier_life_had_taken_is_given_back(store: Store) -> None:
    post(store, 1)
    taken(store)

    assert store.outbox.release("two") == 0
    assert store.outbox.release("one") == 1
    assert lease(store) is not None


def test_nothing_is_added_to_a_letter_that_is_being_sent(store: Store) -> None:
    number = post(store, 1)
    taken(store)
    more = Addition(letter_id=number, severity=Severity.ERROR, alert_ids=(1, 2))

    with pytest.raises(DatabaseConflictError), store.database.transaction():
        store.tellings.post(letters=(), additions=[more], told=())


def test_a_recovery_never_overtakes_its_failure(store: Store) -> None:
    opening = post(store, 1)
    post(store, 1, kind=MessageKind.RECOVERY)
    store.outbox.put_back(taken(store).letter_id, after=HOUR, words="450 later")

    assert lease(store) is None
    store.outbox.close(opening, DeliveryStatus.FAILED, words="550 no such user")
    assert taken(store).kind is MessageKind.RECOVERY


def test_a_recovery_of_something_else_does_not_wait(store: Store) -> None:
    post(store, 1)
    store.outbox.put_back(taken(store).letter_id, after=HOUR, words="450 later")
    post(store, 2, kind=MessageKind.RECOVERY)

    assert taken(store).alert_ids == (2,)


def test_a_letter_waits_for_its_time_and_is_told_when(store: Store, now: datetime) -> None:
    post(store, 1, due_at=now + HOUR)

    assert lease(store) is None
    assert timedelta(minutes=59) < store.outbox.due_channels()["email"] <= HOUR


def test_another_try_sends_the_same(store: Store) -> None:
    post(store, 1)
    letter = taken(store)
    store.outbox.keep_content(letter.letter_id, subject="x" * 300, content='{"text": "ä\x00"}')
    store.outbox.put_back(letter.letter_id, after=timedelta(), words="w" * 2000)

    again = taken(store)

    assert (again.content, again.attempts) == ('{"text": "ä�"}', 2)


def test_counts_tell_what_waits_and_what_was_given_up(store: Store, now: datetime) -> None:
    post(store, 1)
    post(store, 2, due_at=now + HOUR)
    store.outbox.close(post(store, 3), DeliveryStatus.FAILED, words="550 no")

    counts = store.outbox.counts()

    assert (counts.pending, counts.failed_last_day) == (2, 1)
    assert 0 <= counts.oldest_due_seconds < 60


def test_what_was_closed_is_not_closed_again(store: Store) -> None:
    number = post(store, 1)
    store.outbox.close(number, DeliveryStatus.SENT, words="250 ok")
    store.outbox.put_back(number, after=timedelta(), words="late news")
    store.outbox.close(number, DeliveryStatus.FAILED, words="late news")

    assert letters(store, "status, answer, last_error") == [("sent", "250 ok", None)]


# pings -----------------------------------------------------------------------------------------------------


def test_each_end_of_a_pinged_task_is_a_ping_of_its_own(scene: Scene, store: Store) -> None:
    scene.add("report", ping_url="https://hc.example.com/abc")
    scene.ran()
    failed(scene)

    first = taken(store, "ping")

    assert first.address == Address("ping", "https://hc.example.com/abc")
    assert json.loads(first.content or "")["signal"] == "success"
    # In order for one receiver: a success must not overtake a failure.
    assert lease(store, "ping") is None
    store.outbox.close(first.letter_id, DeliveryStatus.SENT, words="200")
    second = json.loads(taken(store, "ping").content or "")
    assert (second["signal"], second["exit_code"], second["task"]) == ("exit", 1, "report")


def test_a_ping_to_another_receiver_does_not_wait(scene: Scene, store: Store) -> None:
    for name in ("one", "two"):
        scene.add(name, ping_url=f"https://hc.example.com/{name}")
        scene.ran(name)

    found = {taken(store, "ping").address.target for _ in range(2)}

    assert found == {"https://hc.example.com/one", "https://hc.example.com/two"}
