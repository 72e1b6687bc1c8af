"""How many letters: one cause, quiet hours, digests and the bound of an hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from smart_cron.core.alert import Alert, AlertType, Cause, Severity
from smart_cron.core.delivery import Addition, Address, NewLetter, Traffic
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.message import MessageKind
from smart_cron.services.alerts.folding import DIGEST, MOST_IN_ONE, OVERFLOW, QUIET, Telling, fold, fold_key
from smart_cron.services.alerts.quiet_hours import QuietHours, next_at, read_quiet_hours, read_time
from smart_cron.services.alerts.routing import CourierSettings, Receiver, Rules

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SETTINGS = CourierSettings(node="one", zone=ZoneInfo("UTC"))
OPS = Address("email", "ops@example.com")


def alert(number: int = 1, **changes: Any) -> Alert:
    known = Alert(
        id=number,
        cause=Cause(alert_type=AlertType.CONSECUTIVE_FAILURES, task_id=number),
        severity=Severity.CRITICAL,
        message=f"Task task_{number} failed 1 times in a row, most recently: Exit code 1: no host db{number}",
        task_name=f"task_{number}",
        execution_id=1000 + number,
        details={},
        occurrences=1,
        created_at=NOON,
        last_occurred_at=NOON,
    )
    return replace(known, **changes)


def telling(of: Alert, kind: MessageKind = MessageKind.ALERT, *, rules: Rules | None = None) -> Telling:
    return Telling(of, kind, Receiver(OPS, rules or Rules()))


def folded(
    *tellings: Telling, traffic: tuple[Traffic, ...] = (), now: datetime = NOON
) -> tuple[list[NewLetter], list[Addition]]:
    return fold(tellings, traffic, now=now, settings=SETTINGS)


def sent(number: int, at: datetime, *, key: str = "other", kind: MessageKind = MessageKind.ALERT) -> Traffic:
    return Traffic(letter_id=number, address=OPS, kind=kind, fold_key=key, severity=Severity.ERROR, at=at)


def test_what_has_one_cause_is_one_letter_and_leaves_at_once() -> None:
    letters, additions = folded(*(telling(alert(number)) for number in range(1, 200)))

    assert [letter.due_at for letter in letters] == [NOON]
    assert letters[0].alert_ids == tuple(range(1, 200))
    assert additions == []


def test_a_letter_that_is_full_is_followed_by_another_and_forgets_nothing() -> None:
    key = fold_key(alert(), MessageKind.ALERT)
    waiting = replace(sent(7, NOON, key=key), takes_more=True, alert_ids=tuple(range(10, 10 + MOST_IN_ONE - 1)))

    letters, additions = folded(telling(alert(1)), telling(alert(2)), telling(alert(3)), traffic=(waiting,))

    assert [(each.letter_id, each.alert_ids[-1], len(each.alert_ids)) for each in additions] == [(7, 1, MOST_IN_ONE)]
    assert [(each.alert_ids, each.due_at) for each in letters] == [((2, 3), NOON)]


def test_names_numbers_paths_and_ids_make_no_other_cause() -> None:
    one = alert(
        message="Task a failed: cannot open /var/x/1.txt of 9f0c2b1e-0000-7000-8000-000000000001", task_name="a"
    )
    two = alert(message="Task b failed: cannot open /etc/y of 12345678-1111-7000-8000-0000000000ff", task_name="b")

    assert fold_key(one, MessageKind.ALERT) == fold_key(two, MessageKind.ALERT)


def test_other_words_make_another_cause() -> None:
    letters, _ = folded(telling(alert(1)), telling(alert(2, message="Task task_2 failed: disk full")))

    assert len(letters) == 2


def test_what_follows_within_the_fold_waits_for_its_end() -> None:
    key = fold_key(alert(), MessageKind.ALERT)

    letters, _ = folded(telling(alert(2)), traffic=(sent(1, NOON - 20 * MINUTE / 60, key=key),))

    assert letters[0].due_at == NOON + 40 * MINUTE / 60


def test_what_waits_takes_more() -> None:
    waiting = Traffic(
        letter_id=5,
        address=OPS,
        kind=MessageKind.ALERT,
        fold_key=fold_key(alert(), MessageKind.ALERT),
        severity=Severity.ERROR,
        at=NOON + MINUTE,
        alert_ids=(1, 2),
        takes_more=True,
    )

    assert folded(telling(alert(3)), traffic=(waiting,)) == (
        [],
        [Addition(letter_id=5, severity=Severity.CRITICAL, alert_ids=(1, 2, 3))],
    )


def test_a_minute_of_one_cause_is_few_letters() -> None:
    """As the courier does it: looks twice a second, each letter sent when it is due."""
    traffic: dict[int, Traffic] = {}
    now, number, sent_letters = NOON, 0, 0
    for _ in range(2 * 120):
        now += timedelta(seconds=0.5)
        crowd = range(number + 1, number + 84) if now < NOON + MINUTE else ()
        number += len(crowd)
        letters, additions = fold(
            [telling(alert(each)) for each in crowd], list(traffic.values()), now=now, settings=SETTINGS
        )
        for addition in additions:
            traffic[addition.letter_id] = replace(traffic[addition.letter_id], alert_ids=addition.alert_ids)
        for letter in letters:
            traffic[len(traffic) + 1] = Traffic(
                letter_id=len(traffic) + 1,
                address=letter.address,
                kind=letter.kind,
                fold_key=letter.fold_key,
                severity=letter.severity,
                at=letter.due_at,
                alert_ids=letter.alert_ids,
                takes_more=True,
            )
        for key, each in traffic.items():
            if each.takes_more and each.at <= now:
                traffic[key] = replace(each, takes_more=False)
                sent_letters += 1

    assert number > 9_000
    assert sent_letters <= 3
    assert sum(len(each.alert_ids) for each in traffic.values()) == number


def test_the_graver_of_two_words_on_one_run_is_told() -> None:
    failure = alert(2, cause=Cause(alert_type=AlertType.TASK_FAILURE, task_id=1), severity=Severity.ERROR)
    row = alert(1)
    both = [replace(each, execution_id=9) for each in (failure, row)]

    letters, _ = folded(*(telling(each) for each in both))

    assert [letter.alert_ids for letter in letters] == [(1,)]


def test_quiet_hours_hold_back_what_is_not_critical() -> None:
    quiet = Rules(quiet=QuietHours(start=time(11), end=time(13)))
    error = alert(2, severity=Severity.ERROR)

    letters, _ = folded(telling(alert(1), rules=quiet), telling(error, rules=quiet))

    assert [(letter.fold_key == QUIET, letter.due_at) for letter in letters] == [(False, NOON), (True, NOON + HOUR)]


def test_a_digest_collects_everything_until_its_time() -> None:
    daily = Rules(digest_at=time(8))

    letters, _ = folded(telling(alert(1), rules=daily), telling(alert(2), MessageKind.RECOVERY, rules=daily))

    assert [(letter.kind, letter.fold_key, letter.alert_ids) for letter in letters] == [
        (MessageKind.DIGEST, DIGEST, (1, 2))
    ]
    assert letters[0].due_at == NOON + 20 * HOUR


def test_what_is_too_much_for_an_hour_becomes_one_letter_at_its_end() -> None:
    rules = Rules(messages_per_hour=3)
    traffic = (sent(1, NOON - 50 * MINUTE), sent(2, NOON - MINUTE))
    crowd = [telling(alert(number, message=word), rules=rules) for number, word in enumerate("abcdef", start=1)]

    letters, _ = folded(*crowd, traffic=traffic)

    assert [(letter.fold_key, letter.due_at) for letter in letters] == [(OVERFLOW, NOON + 10 * MINUTE)]
    assert letters[0].alert_ids == (1, 2, 3, 4, 5, 6)


def test_the_bound_of_an_hour_holds_within_one_look() -> None:
    rules = Rules(messages_per_hour=3)
    crowd = [telling(alert(number, message=word), rules=rules) for number, word in enumerate("abcdef", start=1)]

    letters, _ = folded(*crowd)

    assert len(letters) == 3


@pytest.mark.parametrize(
    ("at", "ends_at"),
    [
        (datetime(2026, 3, 1, 21, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 1, 22, 0, tzinfo=UTC), datetime(2026, 3, 2, 6, 0, tzinfo=UTC)),
        (datetime(2026, 3, 2, 5, 59, tzinfo=UTC), datetime(2026, 3, 2, 6, 0, tzinfo=UTC)),
        (datetime(2026, 3, 2, 6, 0, tzinfo=UTC), None),
    ],
)
def test_quiet_hours_reach_over_midnight(at: datetime, ends_at: datetime | None) -> None:
    quiet = read_quiet_hours("22:00-06:00")
    assert quiet is not None

    assert quiet.end_of(at, ZoneInfo("UTC")) == ends_at


def test_quiet_hours_are_local_and_outlast_a_change_of_the_clock() -> None:
    quiet = read_quiet_hours("22:00-06:00")
    assert quiet is not None
    night_of_the_change = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)  # clocks in Berlin go forward at 01:00 UTC

    assert quiet.end_of(night_of_the_change, ZoneInfo("Europe/Berlin")) == datetime(2026, 3, 29, 4, 0, tzinfo=UTC)


def test_the_next_time_of_day_is_never_now() -> None:
    assert next_at(time(12), NOON, ZoneInfo("UTC")) == NOON + 24 * HOUR


@pytest.mark.parametrize("text", ["22-06", "22:00", "25:00-06:00", "22:00-22:00", "a-b", "22:00-06:00-07:00"])
def test_what_are_no_quiet_hours_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInputError, match="write"):
        read_quiet_hours(text)


def test_no_quiet_hours_are_none() -> None:
    assert read_quiet_hours(" ") is None
    assert read_time(" 8:05 ") == time(8, 5)
