"""What is thought of jobs that report by ping, from instants alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.ping import (
    SILENCE,
    PingCheck,
    PingState,
    PingTerms,
    alarm_of,
    cleaned_words,
    is_unheard,
    judged,
    next_due_at,
    require_sound,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


def check(**changes: Any) -> PingCheck:
    """A job that is to report each hour, ten minutes late at most; added at noon."""
    terms = {"name": "job", "period": HOUR, "grace": 10 * MINUTE, **changes.pop("terms", {})}
    return PingCheck(id=1, terms=PingTerms(**terms), key_hint="abcd", created_at=NOON, **changes)


def test_one_that_never_reported_is_new_until_its_first_report_is_due_and_late_then() -> None:
    silent = check()

    assert judged(silent, now=NOON + HOUR + 10 * MINUTE) is PingState.NEW
    assert judged(silent, now=NOON + HOUR + 10 * MINUTE + SECOND) is PingState.LATE


def test_one_is_up_until_period_and_grace_have_passed_since_its_last_report() -> None:
    up = check(last_ping_at=NOON, last_exit_code=0)

    assert judged(up, now=NOON + 70 * MINUTE) is PingState.UP
    assert judged(up, now=NOON + 70 * MINUTE + SECOND) is PingState.LATE


@pytest.mark.parametrize("code", [None, 1, 255])
def test_an_end_with_another_code_than_0_is_a_failure_and_so_is_one_without(code: int | None) -> None:
    failed = check(last_ping_at=NOON, last_exit_code=code)

    assert judged(failed, now=NOON + MINUTE) is PingState.FAILED
    assert judged(failed, now=NOON + 2 * HOUR) is PingState.LATE


def test_a_start_is_a_sign_of_life_and_its_end_is_what_is_waited_for() -> None:
    started = check(last_ping_at=NOON, last_exit_code=0, last_start_at=NOON + 65 * MINUTE)

    assert judged(started, now=NOON + 2 * HOUR) is PingState.STARTED
    assert judged(started, now=NOON + 65 * MINUTE + 70 * MINUTE + SECOND) is PingState.NEVER_ENDED


def test_the_longest_run_bounds_the_wait_for_an_end() -> None:
    started = check(last_start_at=NOON, terms={"longest_run": 5 * MINUTE})

    assert judged(started, now=NOON + 5 * MINUTE) is PingState.STARTED
    assert judged(started, now=NOON + 5 * MINUTE + SECOND) is PingState.NEVER_ENDED


def test_who_was_due_while_nobody_listened_has_its_grace_from_our_return_on() -> None:
    back = NOON + 3 * HOUR
    overdue = check(last_ping_at=NOON, last_exit_code=0, back_at=back)

    assert judged(overdue, now=back + 10 * MINUTE) is PingState.UP
    assert judged(overdue, now=back + 10 * MINUTE + SECOND) is PingState.LATE


def test_an_end_that_may_have_been_lost_in_an_outage_has_its_grace_from_our_return_on() -> None:
    back = NOON + 3 * HOUR
    started = check(last_start_at=NOON, back_at=back, terms={"longest_run": MINUTE})

    assert judged(started, now=back + 10 * MINUTE) is PingState.STARTED
    assert judged(started, now=back + 10 * MINUTE + SECOND) is PingState.NEVER_ENDED


def test_an_outage_before_the_report_was_due_changes_nothing() -> None:
    up = check(last_ping_at=NOON, last_exit_code=0, back_at=NOON + 30 * MINUTE)

    assert judged(up, now=NOON + 70 * MINUTE + SECOND) is PingState.LATE


def test_a_paused_one_is_paused_whatever_happens() -> None:
    assert judged(check(terms={"enabled": False}), now=NOON + 99 * HOUR) is PingState.PAUSED


def test_silence_says_nothing_where_nobody_has_listened_for_minutes() -> None:
    heard = check(listened_at=NOON + HOUR)

    assert not is_unheard(heard, now=NOON + HOUR + SILENCE)
    assert is_unheard(heard, now=NOON + HOUR + SILENCE + SECOND)
    assert not is_unheard(check(), now=NOON + SILENCE)
    assert not is_unheard(check(terms={"enabled": False}), now=NOON + 9 * HOUR)


def test_alarms_say_what_is_wrong_and_are_one_cause_for_each_check() -> None:
    late = check(last_ping_at=NOON, last_exit_code=0, last_words="bye")
    alarm = alarm_of(late, PingState.LATE, now=NOON + 2 * HOUR)

    assert alarm.cause.subtype == "ping:job"
    assert "is late: a report was due 1 h ago" in alarm.message
    assert alarm.details["last_words"] == "bye"
    failed = check(last_ping_at=NOON, last_exit_code=3)
    assert alarm_of(failed, PingState.FAILED, now=NOON).message.endswith("failed with exit code 3.")
    assert alarm_of(failed, PingState.FAILED, now=NOON).cause == alarm.cause


def test_what_is_due_next_of_a_job_that_runs_is_its_end() -> None:
    running = check(last_start_at=NOON + MINUTE, terms={"longest_run": 5 * MINUTE})

    assert next_due_at(check(last_ping_at=NOON, last_exit_code=0)) == NOON + HOUR
    assert next_due_at(running) == NOON + 6 * MINUTE


def test_all_faults_of_terms_come_at_once() -> None:
    terms = PingTerms(name="a b", period=timedelta(seconds=1), grace=-SECOND, alert_email="x@y\nBcc: z@z")

    with pytest.raises(InvalidInputError) as caught:
        require_sound(terms)

    assert len(caught.value.problems) == 4


def test_last_words_are_harmless_and_end_where_the_job_ended() -> None:
    words = cleaned_words(b"\x1b[31mred\x1b[0m\r\n\x00\x07" + "\u202egnp".encode() + b"\xff" + b"x" * 5000 + b"end")

    assert words is not None
    assert len(words) == 1000
    assert words.startswith("…")
    assert words.endswith("end")
    assert cleaned_words(b"\x1b[31mred\x1b[0m\x00\r\nok") == "red\ufffd\nok"
    assert cleaned_words("\u202etxt\x9b".encode()) == "\ufffdtxt\ufffd"
    assert cleaned_words(b" \n ") is None
