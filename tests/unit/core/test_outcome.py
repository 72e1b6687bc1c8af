"""What the end of a run means: the table of outcomes, retries and alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smart_cron.core.alert_rules import read_severities
from smart_cron.core.outcome import failures_in_a_row, settle, signal_name
from smart_cron.core.run import EndCause, ErrorType, OpenRun, RunEnd, Settlement, Status, Trigger

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def run(**changes: Any) -> OpenRun:
    facts: dict[str, Any] = {
        "execution_id": 7,
        "run_id": "r7",
        "task_id": 1,
        "task_name": "report",
        "attempt": 1,
        "scheduled_for": NOON,
        "triggered_by": Trigger.CRON,
        "priority": 5,
        "cancel_reason": None,
    }
    return OpenRun(**(facts | changes))


def ended(cause: EndCause = EndCause.EXITED, **facts: Any) -> RunEnd:
    return RunEnd(run_id="r7", execution_id=7, cause=cause, completed_at=NOON, **facts)


def decide(of: OpenRun, end: RunEnd, stderr: str | None = None) -> Settlement:
    return settle(of, end, now=NOON, jitter=0.0, stdout_copy=None, stderr_copy=stderr)


def summary(settled: Settlement) -> tuple[Status, bool, int | None, ErrorType | None]:
    return settled.status, settled.success, settled.exit_code, settled.error_type


def alert_types(settled: Settlement) -> list[tuple[str, str]]:
    return [(alert.alert_type, alert.severity) for alert in settled.alerts]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (ended(exit_code=0), (Status.SUCCESS, True, 0, None)),
        (ended(exit_code=3), (Status.FAILED, False, 3, ErrorType.EXIT_CODE)),
        (ended(exit_code=124), (Status.FAILED, False, 124, ErrorType.EXIT_CODE)),
        (ended(exit_code=127), (Status.FAILED, False, 127, ErrorType.EXIT_CODE)),
        (ended(exit_code=137), (Status.FAILED, False, 137, ErrorType.EXIT_CODE)),
        (ended(), (Status.FAILED, False, None, ErrorType.EXIT_CODE)),
        (ended(term_signal=9), (Status.FAILED, False, 137, ErrorType.SIGNAL)),
        (ended(term_signal=15), (Status.FAILED, False, 143, ErrorType.SIGNAL)),
        (ended(EndCause.TIMEOUT, term_signal=15), (Status.TIMEOUT, False, 124, ErrorType.TIMEOUT)),
        (ended(EndCause.TIMEOUT, exit_code=0), (Status.TIMEOUT, False, 124, ErrorType.TIMEOUT)),
        (ended(EndCause.OOM, term_signal=9), (Status.OOM, False, 137, ErrorType.OOM)),
        (ended(EndCause.START_FAILED), (Status.START_FAILED, False, None, ErrorType.START_FAILED)),
        (ended(EndCause.LOST), (Status.LOST, False, None, ErrorType.LOST)),
        (ended(EndCause.KILLED, term_signal=15), (Status.KILLED, False, 143, ErrorType.STOPPED)),
        (ended(EndCause.KILLED, exit_code=0), (Status.KILLED, False, 0, ErrorType.STOPPED)),
        (ended(EndCause.NEVER_STARTED), (Status.MISSED, False, None, None)),
    ],
)
def test_each_end_has_its_row(end: RunEnd, expected: tuple[Status, bool, int | None, ErrorType | None]) -> None:
    assert summary(decide(run(), end)) == expected


def test_every_cause_has_an_answer() -> None:
    assert all(decide(run(), ended(cause)).status.is_final for cause in EndCause)


def test_success_exit_codes_replace_zero() -> None:
    odd = run(success_exit_codes=(3, 4))

    assert decide(odd, ended(exit_code=3)).success
    assert not decide(odd, ended(exit_code=0)).success


def test_a_signal_is_no_exit_code_even_where_its_number_is_a_success() -> None:
    assert not decide(run(success_exit_codes=(0, 137)), ended(term_signal=9)).success


@pytest.mark.parametrize("reason", [ErrorType.CANCELLED, ErrorType.REPLACED, ErrorType.STOPPED])
def test_a_kill_says_who_wanted_it(reason: ErrorType) -> None:
    settled = decide(run(cancel_reason=reason), ended(EndCause.KILLED, term_signal=15))

    assert settled.error_type is reason
    assert settled.error_message


def test_what_the_supervisor_remarks_does_not_hide_who_ended_a_run() -> None:
    remark = "its output could not be kept whole: no room left"
    stopped = decide(run(cancel_reason=ErrorType.CANCELLED), ended(EndCause.KILLED, reason=remark))

    assert stopped.error_message == f"Cancelled on request; {remark}"


def test_a_run_that_ended_by_itself_before_its_kill_keeps_its_own_end() -> None:
    assert decide(run(cancel_reason=ErrorType.CANCELLED), ended(exit_code=0)).success


def test_what_never_started_counts_in_no_total() -> None:
    settled = decide(run(max_retries=3), ended(EndCause.NEVER_STARTED))

    assert (settled.counts, settled.slot_failed, settled.retry_at, settled.alerts) == (False, False, None, ())


def test_what_was_cancelled_before_it_started_is_killed_and_not_missed() -> None:
    settled = decide(run(cancel_reason=ErrorType.CANCELLED), ended(EndCause.NEVER_STARTED))

    assert (settled.status, settled.error_type, settled.counts) == (Status.KILLED, ErrorType.CANCELLED, False)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (ErrorType.STOPPED, "Stopped by 'stop-all' of cli:ann: the disk burns"),
        (ErrorType.CANCELLED, "Cancelled on request of cli:ann: the disk burns"),
        (ErrorType.REPLACED, "Ended to make room for the next run of this task"),
    ],
)
def test_a_kill_says_who_asked_for_it_and_why(reason: ErrorType, told: str) -> None:
    asked = run(cancel_reason=reason, cancelled_by="cli:ann", cancel_note="the disk burns")

    assert decide(asked, ended(EndCause.KILLED)).error_message == told


@pytest.mark.parametrize("cause", [EndCause.LOST, EndCause.STUCK])
def test_what_was_to_be_ended_and_is_gone_is_killed_though_nobody_saw_how(cause: EndCause) -> None:
    end = ended(cause, started_at=NOON, reason="its supervisor was killed")
    settled = decide(run(cancel_reason=ErrorType.STOPPED, retry_lost=True, max_retries=1), end)

    assert summary(settled) == (Status.KILLED, False, None, ErrorType.STOPPED)
    assert "its supervisor was killed" in (settled.error_message or "")
    assert (settled.retry_at, settled.slot_failed) == (None, False)


def test_what_was_to_be_ended_on_a_node_that_fell_silent_is_lost_and_not_begun_again() -> None:
    settled = decide(run(cancel_reason=ErrorType.STOPPED, retry_lost=True, max_retries=1), ended(EndCause.LOST))

    assert (settled.status, settled.retry_at) == (Status.LOST, None)


class TestRetry:
    @pytest.mark.parametrize(
        ("cause", "is_retried"),
        [
            (EndCause.EXITED, True),
            (EndCause.TIMEOUT, True),
            (EndCause.OOM, True),
            (EndCause.START_FAILED, True),
            (EndCause.LOST, False),
            (EndCause.KILLED, False),
            (EndCause.NEVER_STARTED, False),
        ],
    )
    def test_follows_failures_but_not_kills_and_losses(self, cause: EndCause, is_retried: bool) -> None:
        settled = decide(run(max_retries=1), ended(cause, exit_code=1))

        assert (settled.retry_at is not None) is is_retried

    def test_never_follows_an_end_that_somebody_wished_for(self) -> None:
        settled = decide(run(max_retries=1, cancel_reason=ErrorType.CANCELLED), ended(exit_code=1))

        assert (settled.status, settled.retry_at) == (Status.FAILED, None)

    def test_never_follows_a_success(self) -> None:
        assert decide(run(max_retries=9), ended(exit_code=0)).retry_at is None

    def test_follows_a_loss_where_the_task_says_so(self) -> None:
        assert decide(run(max_retries=1, retry_lost=True), ended(EndCause.LOST)).retry_at is not None

    def test_comes_later_with_each_attempt_until_they_are_spent(self) -> None:
        found = [decide(run(max_retries=2, attempt=n), ended(exit_code=1)).retry_at for n in (1, 2, 3)]

        assert found == [NOON + timedelta(seconds=60), NOON + timedelta(seconds=120), None]

    def test_a_slot_fails_with_its_last_attempt_only(self) -> None:
        failed = [decide(run(max_retries=1, attempt=n), ended(exit_code=1)).slot_failed for n in (1, 2)]

        assert failed == [False, True]

    def test_a_manual_run_is_retried_as_well(self) -> None:
        manual = run(max_retries=1, triggered_by=Trigger.MANUAL, scheduled_for=None)

        assert decide(manual, ended(exit_code=1)).retry_at is not None

    def test_a_deleted_task_is_neither_retried_nor_alerted_on(self) -> None:
        settled = decide(run(max_retries=1, task_exists=False), ended(exit_code=1))

        assert (settled.retry_at, settled.alerts, settled.status) == (None, (), Status.FAILED)


class TestAlerts:
    def test_a_failed_slot_is_told(self) -> None:
        assert alert_types(decide(run(), ended(exit_code=1))) == [("task_failure", "error")]

    def test_an_attempt_that_will_be_repeated_is_not(self) -> None:
        assert alert_types(decide(run(max_retries=1), ended(exit_code=1))) == []

    def test_a_timeout_is_told_at_once_and_once(self) -> None:
        assert alert_types(decide(run(max_retries=1), ended(EndCause.TIMEOUT))) == [("task_timeout", "error")]
        assert alert_types(decide(run(), ended(EndCause.TIMEOUT))) == [("task_timeout", "error")]

    def test_the_threshold_of_failures_in_a_row_is_critical(self) -> None:
        below = decide(run(failure_threshold=3, consecutive_failures=1), ended(exit_code=1))
        reached = decide(run(failure_threshold=3, consecutive_failures=2), ended(exit_code=1))

        assert alert_types(below) == [("task_failure", "error")]
        assert alert_types(reached) == [("task_failure", "error"), ("consecutive_failures", "critical")]
        assert "3 times in a row" in reached.alerts[1].message

    @pytest.mark.parametrize("cause", [EndCause.KILLED, EndCause.NEVER_STARTED])
    def test_a_kill_is_no_failure(self, cause: EndCause) -> None:
        settled = decide(run(failure_threshold=1), ended(cause))

        assert (settled.alerts, settled.slot_failed) == ((), False)

    def test_the_first_failure_is_in_a_row_where_one_is_the_threshold(self) -> None:
        settled = decide(run(failure_threshold=1), ended(exit_code=1))

        assert alert_types(settled) == [("task_failure", "error"), ("consecutive_failures", "critical")]
        assert settled.alerts[1].message == "Task report failed: Exit code 1"

    def test_a_stuck_run_is_told_as_such_and_as_the_failure_of_its_slot(self) -> None:
        settled = decide(run(), ended(EndCause.STUCK, reason="it was still there"))

        assert alert_types(settled) == [("stuck_task", "error"), ("task_failure", "error")]
        assert settled.alerts[0].message == "Task report was stuck: it was still there"

    def test_a_lost_run_is_a_failure_once_its_slot_has_failed(self) -> None:
        again = decide(run(max_retries=1, retry_lost=True), ended(EndCause.LOST))

        assert alert_types(decide(run(), ended(EndCause.LOST))) == [("task_failure", "error")]
        assert alert_types(again) == []

    def test_each_type_is_as_grave_as_the_settings_say(self) -> None:
        chosen = read_severities({"task_failure": "info", "consecutive_failures": "error"})
        end = ended(exit_code=1)
        settled = settle(
            run(failure_threshold=1), end, now=NOON, jitter=0.0, stdout_copy=None, stderr_copy=None, severities=chosen
        )

        assert alert_types(settled) == [("task_failure", "info"), ("consecutive_failures", "error")]

    @pytest.mark.parametrize(
        ("end", "before", "after"),
        [
            (ended(exit_code=0), 4, 0),
            (ended(exit_code=1), 4, 5),
            (ended(EndCause.KILLED), 4, 4),
            (ended(EndCause.NEVER_STARTED), 4, 4),
        ],
    )
    def test_failures_in_a_row_go_on_from_one_run_to_the_next(self, end: RunEnd, before: int, after: int) -> None:
        assert failures_in_a_row(decide(run(consecutive_failures=before), end)) == after

    def test_none_where_the_task_wants_none(self) -> None:
        assert decide(run(alert_on_failure=False, failure_threshold=1), ended(EndCause.TIMEOUT)).alerts == ()


class TestMessages:
    @pytest.mark.parametrize(
        ("end", "stderr", "message"),
        [
            (ended(exit_code=3), "warming up\ndisk is full\n\n", "Exit code 3: disk is full"),
            (ended(exit_code=3), None, "Exit code 3"),
            (ended(term_signal=9), None, "Ended by signal 9 (SIGKILL)"),
            (ended(EndCause.TIMEOUT, reason="Ran longer than 300 s and was ended"), None,
             "Ran longer than 300 s and was ended"),
            (ended(EndCause.TIMEOUT, duration=301.2), None, "Ran longer than its timeout and was ended after 301 s"),
            (ended(EndCause.START_FAILED, reason="No such file or directory"), None,
             "Could not be started: No such file or directory"),
            (ended(EndCause.LOST), None, "Nobody saw how it ended"),
            (ended(exit_code=0), "only a warning", None),
        ],
    )  # fmt: skip
    def test_is_a_sentence_for_a_person(self, end: RunEnd, stderr: str | None, message: str | None) -> None:
        assert decide(run(), end, stderr).error_message == message

    def test_names_what_could_not_be_killed(self) -> None:
        settled = decide(run(), ended(exit_code=1, unkillable=("123 sleep", "124 nfs")))

        assert settled.error_message == "Exit code 1; these processes could not be killed: 123 sleep, 124 nfs"

    def test_fits_its_column_whole_however_long_the_last_line_is(self) -> None:
        message = decide(run(), ended(exit_code=1), "é" * 5000).error_message

        assert message is not None
        assert len(message) == 1000
        assert message.endswith("é…")

    def test_has_no_line_breaks_or_nul(self) -> None:
        message = decide(run(), ended(exit_code=1), "a\0b\tc\rd").error_message

        assert message == "Exit code 1: a\ufffdb c d"


def test_signals_without_a_name_keep_their_number() -> None:
    assert (signal_name(15), signal_name(200)) == ("15 (SIGTERM)", "200")
