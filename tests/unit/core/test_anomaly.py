"""Successes that differ from their task's past."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_cron.core.anomaly import LEAST_PAST, MEGABYTE, MOST_PAST, Past, Sample, usual

TOLERANCE = 8.0


def sample(duration: float = 60.0, output: int = 100_000, memory: int | None = 200 * MEGABYTE) -> Sample:
    return Sample(duration=duration, output_bytes=output, memory_peak_bytes=memory)


def a_past(count: int = 40, *, seed: int = 1) -> Past:
    """About a minute, 100 KB and 200 MB, give or take a few percent."""
    chance = random.Random(seed)
    return Past.of(
        [
            sample(chance.gauss(60, 2), int(chance.gauss(100_000, 3_000)), int(chance.gauss(200, 5)) * MEGABYTE)
            for _ in range(count)
        ]
    )


def subtypes(past: Past, each: Sample, tolerance: float = TOLERANCE) -> list[str]:
    return [anomaly.subtype for anomaly in past.judge(each, tolerance=tolerance)]


def test_what_is_as_ever_is_no_anomaly() -> None:
    assert subtypes(a_past(), sample()) == []


@pytest.mark.parametrize(
    ("odd", "subtype"),
    [
        (sample(duration=200.0), "anomaly_duration"),
        (sample(duration=1.0), "anomaly_duration"),
        (sample(output=0), "anomaly_output"),
        (sample(memory=900 * MEGABYTE), "anomaly_memory"),
    ],
)
def test_what_is_far_off_is_one(odd: Sample, subtype: str) -> None:
    assert subtypes(a_past(), odd) == [subtype]


def test_more_output_and_less_memory_are_none() -> None:
    assert subtypes(a_past(), sample(output=10_000_000, memory=1)) == []


def test_one_run_may_differ_in_all_ways_at_once() -> None:
    odd = sample(duration=1.0, output=0, memory=900 * MEGABYTE)

    assert subtypes(a_past(), odd) == ["anomaly_duration", "anomaly_output", "anomaly_memory"]


def test_it_is_said_in_words_with_the_figures() -> None:
    (anomaly,) = Past.of([sample()] * 30).judge(sample(duration=301.0), tolerance=TOLERANCE)

    assert anomaly.words == "it took 301 s, its last 30 successes 60.0 s"


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (sample(output=1024), "it printed 1.0 KB, its last 30 successes 97.7 KB"),
        (sample(output=12), "it printed 12 bytes, its last 30 successes 97.7 KB"),
        (sample(memory=3 * 1024 * MEGABYTE), "it used 3.0 GB of memory, its last 30 successes 200.0 MB"),
    ],
)
def test_sizes_are_said_in_fitting_units(odd: Sample, words: str) -> None:
    (anomaly,) = Past.of([sample()] * 30).judge(odd, tolerance=TOLERANCE)

    assert anomaly.words == words


@pytest.mark.parametrize("count", [0, 1, LEAST_PAST - 1])
def test_a_short_past_judges_nothing(count: int) -> None:
    assert subtypes(a_past(count), sample(duration=9_999.0)) == []


def test_twenty_successes_are_enough() -> None:
    assert subtypes(a_past(LEAST_PAST), sample(duration=9_999.0)) == ["anomaly_duration"]


@pytest.mark.parametrize("tolerance", [0.0, -1.0])
def test_without_tolerance_nothing_is_told(tolerance: float) -> None:
    assert subtypes(a_past(), sample(duration=9_999.0), tolerance) == []


def test_a_higher_tolerance_lets_more_pass() -> None:
    past, slower = a_past(), sample(duration=95.0)

    assert subtypes(past, slower, 8.0) == ["anomaly_duration"]
    assert subtypes(past, slower, 100.0) == []


@pytest.mark.parametrize(
    "near",
    [
        sample(duration=0.9, output=501, memory=0),  # within a second
        sample(duration=0.0, output=900, memory=15 * MEGABYTE),
    ],
)
def test_a_history_that_never_varied_does_not_alarm_on_noise(near: Sample) -> None:
    still = Past.of([sample(duration=0.01, output=1000, memory=MEGABYTE)] * 50)

    assert subtypes(still, near) == []


def test_a_history_that_never_varied_alarms_on_a_quarter_more_and_a_half_less() -> None:
    still = Past.of([sample()] * 50)

    assert subtypes(still, sample(duration=74.0)) == []
    assert subtypes(still, sample(duration=76.0)) == ["anomaly_duration"]
    assert subtypes(still, sample(output=51_000)) == []
    assert subtypes(still, sample(output=49_000)) == ["anomaly_output"]
    assert subtypes(still, sample(memory=249 * MEGABYTE)) == []
    assert subtypes(still, sample(memory=251 * MEGABYTE)) == ["anomaly_memory"]


def test_however_much_a_task_varies_a_tenth_of_the_usual_is_far_less() -> None:
    chance = random.Random(3)
    varied = Past.of([sample(chance.uniform(300, 500), chance.randint(5_000, 8_000)) for _ in range(MOST_PAST)])

    assert subtypes(varied, sample(duration=0.1, output=0)) == ["anomaly_duration", "anomaly_output"]
    assert subtypes(varied, sample(duration=100.0, output=2_000)) == []


@pytest.mark.parametrize("usual_bytes", [3, 1_000])
def test_nothing_printed_is_told_where_something_always_was(usual_bytes: int) -> None:
    past = Past.of([sample(output=usual_bytes)] * 50)

    assert subtypes(past, sample(output=0)) == ["anomaly_output"]


def test_what_was_there_more_than_once_in_twenty_times_is_not_far_less() -> None:
    often, once = [sample(400.0)] * 45 + [sample(0.1, 0)] * 5, [sample(400.0)] * 99 + [sample(0.1, 0)]
    chance = random.Random(3)
    lively = [sample(chance.uniform(200, 600), chance.randint(2_000, 9_000)) for _ in range(45)]

    assert subtypes(Past.of(once), sample(0.1, 0)) == ["anomaly_duration", "anomaly_output"]
    assert subtypes(Past.of([*lively, *often[45:]]), sample(0.1, 0)) == []


def test_memory_that_was_never_measured_is_not_judged() -> None:
    blind = Past.of([sample(memory=None)] * 50)

    assert subtypes(blind, sample(memory=9_000 * MEGABYTE)) == []
    assert subtypes(a_past(), sample(memory=None)) == []


def test_one_odd_run_does_not_move_what_is_usual() -> None:
    past = a_past()
    past.learn(sample(duration=100_000.0))

    assert subtypes(past, sample(duration=200.0)) == ["anomaly_duration"]


def test_what_stays_different_becomes_usual() -> None:
    past = Past.of([sample()] * MOST_PAST)
    for _ in range(MOST_PAST):
        past.learn(sample(duration=300.0))

    assert subtypes(past, sample(duration=300.0)) == []


def test_only_the_latest_are_kept() -> None:
    past = a_past(5 * MOST_PAST)

    assert len(past.durations) == len(past.outputs) == len(past.memories) == MOST_PAST


def test_the_deviation_is_that_of_values_spread_normally() -> None:
    chance = random.Random(5)
    found = usual([chance.gauss(100, 10) for _ in range(5_000)])

    assert found.median == pytest.approx(100, rel=0.01)
    assert found.deviation == pytest.approx(10, rel=0.05)


@given(st.lists(st.floats(0, 1e6), min_size=LEAST_PAST, max_size=2 * MOST_PAST), st.floats(0, 1e6))
def test_every_past_judges_every_run(durations: list[float], duration: float) -> None:
    past = Past.of([sample(duration=each) for each in durations])

    assert set(subtypes(past, sample(duration=duration))) <= {"anomaly_duration"}
