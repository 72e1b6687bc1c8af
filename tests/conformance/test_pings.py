"""The port `PingStore`, on every database: checks, keys, pings, silence, and the alerts for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from smart_cron.core.alert import Alert
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.ping import (
    SILENCE,
    Ping,
    PingCheck,
    PingExistsError,
    PingState,
    PingTerms,
    UnknownPingError,
)
from smart_cron.store.gateway import Store

KEY, OTHER_KEY = "k" * 27, "o" * 27
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TERMS = PingTerms(name="job", period=HOUR, grace=10 * MINUTE, longest_run=5 * MINUTE)
STARTS, ENDS, FAILS = Ping(is_start=True), Ping(exit_code=0, words="done"), Ping(exit_code=3, words="disk full")


@pytest.fixture
def store(store: Store) -> Store:
    store.session.execute("DELETE FROM smart_cron_ping_checks")
    return store


@pytest.fixture
def job(store: Store) -> PingCheck:
    """One check for which a web server listens."""
    check = store.pings.add(TERMS, key=KEY, actor="test")
    store.pings.listening()
    return check


def at(store: Store, ago: timedelta) -> str:
    return store.session.dialect.instant(store.database.now() - ago)


def set_back(store: Store, ago: timedelta, *columns: str) -> None:
    """Let what these columns tell of have happened so long ago."""
    for column in columns:
        store.session.execute(f"UPDATE smart_cron_ping_checks SET {column} = %s", [at(store, ago)])


def opened(store: Store) -> Sequence[Alert]:
    return store.alerts.open_causes()


def subtypes(store: Store) -> list[str | None]:
    return [alert.cause.subtype for alert in opened(store)]


def untold(store: Store) -> list[int]:
    """Return of each resolved alert whether its end is to be told."""
    rows = store.session.rows("SELECT untold FROM smart_cron_alerts WHERE resolved = 1 ORDER BY id")
    return [int(row[0]) for row in rows]


def state(store: Store) -> PingState:
    return store.pings.get("job").state


def test_a_check_comes_back_as_it_was_added(store: Store, job: PingCheck) -> None:
    found = store.pings.get("job")

    assert found.terms == TERMS
    assert (found.state, found.pings, found.key_hint) == (PingState.NEW, 0, "kkkk")
    assert [check.terms.name for check in store.pings.checks()] == ["job"]
    assert job.id == found.id


def test_the_key_itself_is_nowhere_in_the_database(store: Store, job: PingCheck) -> None:
    rows = store.session.rows("SELECT * FROM smart_cron_ping_checks") + store.session.rows(
        "SELECT * FROM smart_cron_audit_log"
    )

    assert job.key_hint == KEY[:4]
    assert KEY not in str(rows)


def test_a_name_is_taken_once_and_bad_terms_are_refused(store: Store, job: PingCheck) -> None:
    with pytest.raises(PingExistsError):
        store.pings.add(TERMS, key=OTHER_KEY, actor="test")
    with pytest.raises(InvalidInputError):
        store.pings.add(PingTerms(name="x y", period=HOUR, grace=HOUR), key=OTHER_KEY, actor="test")

    assert len(store.pings.checks()) == 1
    assert job.terms.name == "job"


def test_an_unknown_key_changes_nothing(store: Store, job: PingCheck) -> None:
    assert not store.pings.record("nobody's", ENDS)
    assert not store.pings.record("", FAILS)
    assert store.pings.get("job").pings == 0
    assert job.pings == 0


def test_start_and_end_are_noted_with_the_time_between(store: Store, job: PingCheck) -> None:
    assert store.pings.record(KEY, STARTS)
    started = store.pings.get("job")
    assert (started.state, started.is_running) == (PingState.STARTED, True)

    assert store.pings.record(KEY, ENDS)

    ended = store.pings.get("job")
    assert (ended.state, ended.is_running, ended.pings) == (PingState.UP, False, 2)
    assert (ended.last_exit_code, ended.last_words) == (0, "done")
    assert ended.last_duration is not None
    assert ended.last_duration >= 0
    assert job.state is PingState.NEW


def test_a_start_right_after_an_end_is_a_start(store: Store, job: PingCheck) -> None:
    for _ in range(5):
        store.pings.record(KEY, ENDS)
        store.pings.record(KEY, STARTS)
        assert store.pings.get("job").is_running


@pytest.mark.parametrize("said", [FAILS, Ping(), Ping(exit_code=255)], ids=["code", "fail", "255"])
def test_a_failure_raises_one_alert_which_counts_and_is_over_with_the_next_success(
    store: Store, job: PingCheck, said: Ping
) -> None:
    store.pings.record(KEY, said)
    store.pings.record(KEY, said)

    (alert,) = opened(store)
    assert (alert.cause.subtype, alert.occurrences, alert.severity) == ("ping:job", 2, "error")
    assert state(store) is PingState.FAILED

    store.pings.record(KEY, STARTS)
    assert len(opened(store)) == 1  # that it runs again does not say that it ends well
    store.pings.record(KEY, ENDS)

    assert not opened(store)


def test_one_that_is_overdue_is_late_and_told_once_however_often_somebody_looks(store: Store, job: PingCheck) -> None:
    assert not store.pings.look()
    set_back(store, 2 * HOUR, "created_at", "back_at")

    assert [check.state for check in store.pings.look()] == [PingState.LATE]
    assert not store.pings.look()

    (alert,) = opened(store)
    assert (alert.cause.subtype, alert.occurrences) == ("ping:job", 1)
    assert "has not reported since it was added" in alert.message
    store.pings.record(KEY, ENDS)
    assert (state(store), len(opened(store))) == (PingState.UP, 0)


def test_one_that_never_ends_is_told(store: Store, job: PingCheck) -> None:
    store.pings.record(KEY, STARTS)
    assert not store.pings.look()
    set_back(store, HOUR, "back_at")
    set_back(store, 6 * MINUTE, "last_start_at")

    assert [check.state for check in store.pings.look()] == [PingState.NEVER_ENDED]
    assert subtypes(store) == ["ping:job"]


@pytest.mark.slow
def test_many_that_look_at_once_tell_once(store: Store, job: PingCheck) -> None:
    set_back(store, 2 * HOUR, "created_at", "back_at")

    together([store.pings.look] * 4, store)

    assert [alert.occurrences for alert in opened(store)] == [1]


@pytest.mark.slow
def test_pings_that_come_at_once_are_all_counted(store: Store, job: PingCheck) -> None:
    together([lambda: store.pings.record(KEY, FAILS)] * 6, store)

    assert store.pings.get("job").pings == 6
    assert [alert.occurrences for alert in opened(store)] == [6]


def test_where_nobody_listens_that_is_told_once_and_no_job_is_blamed(store: Store, job: PingCheck) -> None:
    set_back(store, 2 * HOUR, "created_at", "back_at", "listened_at")

    store.pings.look()
    store.pings.look()

    (alert,) = opened(store)
    assert (alert.cause.subtype, alert.occurrences) == ("ping_listener", 1)
    assert state(store) is PingState.NEW


def test_after_our_own_outage_jobs_have_their_grace_from_our_return_on(store: Store, job: PingCheck) -> None:
    set_back(store, 2 * HOUR, "created_at", "back_at", "listened_at")
    store.pings.look()

    store.pings.listening()

    assert not opened(store)
    assert not store.pings.look()
    back_at = store.pings.get("job").back_at
    assert back_at is not None
    assert store.database.now() - back_at < MINUTE
    set_back(store, 11 * MINUTE, "back_at")
    assert [check.state for check in store.pings.look()] == [PingState.LATE]


def test_listening_on_without_a_gap_gives_no_second_grace(store: Store, job: PingCheck) -> None:
    set_back(store, HOUR, "back_at")
    set_back(store, SILENCE - MINUTE, "listened_at")
    before = store.pings.get("job")

    store.pings.listening()

    after = store.pings.get("job")
    assert after.back_at == before.back_at
    assert heard(after) > heard(before)


def heard(check: PingCheck) -> datetime:
    assert check.listened_at is not None
    return check.listened_at


def test_a_pause_resolves_what_stands_and_what_is_taken_up_again_is_due_a_period_later(
    store: Store, job: PingCheck
) -> None:
    store.pings.record(KEY, ENDS)
    set_back(store, 9 * HOUR, "created_at", "back_at", "last_ping_at")
    store.pings.look()
    assert state(store) is PingState.LATE

    store.pings.change(replace(TERMS, enabled=False), actor="test")
    assert (state(store), len(opened(store))) == (PingState.PAUSED, 0)
    assert untold(store) == [0], "no job came back: nobody is told that it did"
    store.pings.record(KEY, FAILS)
    assert (state(store), len(opened(store))) == (PingState.PAUSED, 0)

    store.pings.record(KEY, ENDS)
    set_back(store, 9 * HOUR, "last_ping_at")
    store.pings.change(TERMS, actor="test")
    assert not store.pings.look()
    assert state(store) is PingState.UP


def test_another_key_takes_the_place_of_the_first(store: Store, job: PingCheck) -> None:
    store.pings.rotate("job", key=OTHER_KEY, actor="test")

    assert not store.pings.record(KEY, ENDS)
    assert store.pings.record(OTHER_KEY, ENDS)


def test_a_job_that_is_back_is_told_and_one_whose_terms_were_changed_is_not(store: Store, job: PingCheck) -> None:
    store.pings.record(KEY, FAILS)
    store.pings.record(KEY, ENDS)
    assert untold(store) == [1]

    set_back(store, 9 * HOUR, "created_at", "back_at", "last_ping_at")
    store.pings.look()
    store.pings.change(replace(TERMS, grace=99 * HOUR), actor="test")
    assert (len(opened(store)), untold(store)) == (0, [1, 0])


def test_a_removed_check_takes_its_alert_along(store: Store, job: PingCheck) -> None:
    store.pings.record(KEY, FAILS)

    store.pings.remove("job", actor="test")

    assert not opened(store)
    assert untold(store) == [0]
    assert not store.pings.record(KEY, ENDS)
    with pytest.raises(UnknownPingError):
        store.pings.get("job")


def test_changes_by_people_are_in_the_audit_log(store: Store, job: PingCheck) -> None:
    store.pings.change(replace(TERMS, grace=HOUR), actor="kim")
    store.pings.rotate("job", key=OTHER_KEY, actor="kim")
    store.pings.remove("job", actor="kim")

    rows = store.session.rows("SELECT actor, action, entity_type, new_values FROM smart_cron_audit_log ORDER BY id")
    assert [(row[0], row[1]) for row in rows] == [
        ("test", "add"),
        ("kim", "edit"),
        ("kim", "rotate key"),
        ("kim", "remove"),
    ]
    assert '"grace_seconds": 3600' in rows[1][3]
    assert {row[2] for row in rows} == {"ping"}


def test_hostile_last_words_fit_into_the_row(store: Store, job: PingCheck) -> None:
    store.pings.record(KEY, Ping(exit_code=1, words="\0 <script> 🎉" + "ü" * 980))

    words = store.pings.get("job").last_words
    assert words is not None
    assert "<script> 🎉" in words


def together(acts: Sequence[Callable[[], object]], store: Store) -> None:
    """Do these at once, each on a connection of its own; raise what any of them raised."""
    gate, faults = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        try:
            gate.wait()
            act()
        except Exception as error:  # noqa: BLE001  raised below
            faults.append(error)
        finally:
            store.database.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults, faults
