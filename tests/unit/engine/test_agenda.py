"""When the master looks at the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from smart_cron.engine.agenda import LONGEST_BACKOFF, Agenda

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_it_looks_at_once_at_the_start() -> None:
    agenda = Agenda(100.0)

    assert agenda.probe_is_due(100.0)
    assert agenda.sweep_is_due(100.0)


def test_it_waits_for_the_next_slot_and_no_longer() -> None:
    agenda = Agenda(100.0)
    agenda.swept(100.0)
    agenda.served(next_due_at=NOON + timedelta(milliseconds=300))
    agenda.looked(100.0)

    assert agenda.patience(now=NOON, boottime=100.0) == 0.3
    assert not agenda.probe_is_due(100.0)
    assert not agenda.slot_is_due(NOON)
    assert agenda.slot_is_due(NOON + timedelta(milliseconds=300))


def test_it_never_waits_longer_than_a_second() -> None:
    agenda = Agenda(100.0)
    agenda.swept(100.0)
    agenda.served(next_due_at=NOON + timedelta(days=1))
    agenda.looked(100.0)

    assert agenda.patience(now=NOON, boottime=100.0) == 1.0


def test_a_failing_database_is_given_ever_more_time() -> None:
    agenda = Agenda(100.0)
    waits = []
    now = 100.0
    for _ in range(8):
        agenda.failed(now)
        waits.append(agenda.patience(now=NOON, boottime=now))
        now += waits[-1]

    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_BACKOFF.total_seconds()


def test_while_the_database_is_given_time_it_is_not_tried() -> None:
    agenda = Agenda(100.0)

    agenda.failed(100.0)

    assert not agenda.may_try(100.1)
    assert agenda.may_try(100.25)


def test_success_ends_the_patience_with_the_database() -> None:
    agenda = Agenda(100.0)
    agenda.failed(100.0)
    agenda.failed(101.0)
    agenda.served(next_due_at=None)
    agenda.looked(102.0)

    agenda.failed(103.0)

    assert agenda.may_try(103.25)
