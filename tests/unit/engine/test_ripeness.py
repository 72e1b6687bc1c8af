"""When news is worth a transaction."""

from __future__ import annotations

from math import inf

from smart_cron.engine.ripeness import (
    END_PATIENCE_SECONDS,
    MOST_UNRECORDED,
    RECORD_PATIENCE_SECONDS,
    START_PATIENCE_SECONDS,
    Ripeness,
)

NOW = 100.0


def heard(*, starts: int = 0, ends: int = 0, going: int = 10) -> Ripeness:
    ripeness = Ripeness()
    ripeness.heard(starts=starts, ends=ends, going=going, boottime=NOW)
    return ripeness


def test_without_news_nothing_is_ripe() -> None:
    assert heard().at == inf


def test_one_end_of_many_waits_for_others_but_not_for_long() -> None:
    assert heard(ends=1).at == NOW + END_PATIENCE_SECONDS


def test_the_end_of_most_of_what_runs_is_acted_on_at_once() -> None:
    assert heard(ends=7, going=3).at == NOW


def test_a_start_is_told_later_than_an_end() -> None:
    assert heard(starts=1).at == NOW + START_PATIENCE_SECONDS > NOW + END_PATIENCE_SECONDS


def test_a_later_end_does_not_put_off_an_earlier_one() -> None:
    ripeness = heard(ends=1)

    ripeness.heard(starts=0, ends=1, going=9, boottime=NOW + 0.005)

    assert ripeness.at == NOW + END_PATIENCE_SECONDS


def test_once_places_are_refilled_recording_waits_for_its_own_deadline() -> None:
    ripeness = heard(ends=7, going=3)
    assert ripeness.may_be_put_off(unrecorded=7, boottime=NOW)

    ripeness.refilled()

    assert ripeness.at == NOW + RECORD_PATIENCE_SECONDS
    assert not ripeness.may_be_put_off(unrecorded=7, boottime=ripeness.at)


def test_ends_whose_places_are_refilled_do_not_make_the_next_ones_ripe() -> None:
    ripeness = heard(ends=7, going=3)
    ripeness.refilled()

    ripeness.heard(starts=0, ends=1, going=9, boottime=NOW + 0.001)

    assert ripeness.at == NOW + 0.001 + END_PATIENCE_SECONDS


def test_many_results_are_not_put_off() -> None:
    assert not heard(ends=7, going=3).may_be_put_off(unrecorded=MOST_UNRECORDED, boottime=NOW)


def test_what_must_be_done_at_once_is_not_put_off() -> None:
    ripeness = heard(ends=1)

    ripeness.at_once(NOW)

    assert ripeness.at == NOW
    assert not ripeness.may_be_put_off(unrecorded=1, boottime=NOW)


def test_what_is_recorded_is_forgotten() -> None:
    ripeness = heard(ends=7, going=3)

    ripeness.recorded()

    assert ripeness.at == inf
