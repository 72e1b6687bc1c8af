"""Traces made after the fact, taken by a real HTTP collector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.metrics.collector import Collector

from smart_cron.core.errors import SmartCronError
from smart_cron.core.traced import MOST_KEPT, RecordedRuns, TracedRun
from smart_cron.services.metrics.traces import EXPORT_RUNS, TraceExport, open_exporter, stretches

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RUN = TracedRun(
    execution_id=7,
    run_id="00000000-0000-7000-8000-000000000007",
    task_name="report",
    status="success",
    attempt=1,
    triggered_by="cron",
    node="one",
    exit_code=0,
    error_type=None,
    scheduled_for=NOON,
    due_at=NOON,
    claimed_at=NOON + SECOND,
    started_at=NOON + 2 * SECOND,
    completed_at=NOON + 5 * SECOND,
)


class Runs:
    """A store of runs by number."""

    def traced(self, execution_ids: Sequence[int]) -> list[TracedRun]:
        return [replace(RUN, execution_id=number, run_id=f"run-{number}") for number in execution_ids]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def exporting(collector: Collector, recorded: RecordedRuns) -> TraceExport:
    return TraceExport(store=Runs(), recorded=recorded, exporter=open_exporter(collector.url), node="one")


def parts(run: TracedRun, recorded_at: datetime = NOON + 6 * SECOND) -> list[tuple[str, int, int]]:
    """Return names, and seconds from noon of begin and end."""
    return [
        (each.name, round((each.begin - NOON).total_seconds()), round((each.end - NOON).total_seconds()))
        for each in stretches(run, recorded_at=recorded_at)
    ]


def test_a_run_is_its_way_from_slot_to_record() -> None:
    assert parts(RUN) == [
        ("task report", 0, 6),
        ("wait", 0, 1),
        ("claim", 1, 2),
        ("run", 2, 5),
        ("record", 5, 6),
    ]


def test_what_never_happened_has_no_part() -> None:
    never = replace(RUN, started_at=None, completed_at=None)

    assert parts(never) == [("task report", 0, 1), ("wait", 0, 1)]


def test_a_clock_that_was_set_back_makes_no_part_end_before_it_begins() -> None:
    odd = replace(RUN, started_at=NOON - 60 * SECOND)

    assert all(begin <= end for _, begin, end in parts(odd, recorded_at=NOON - 100 * SECOND))


def test_a_collector_gets_a_trace_a_run(collector: Collector) -> None:
    recorded = RecordedRuns()
    recorded.add([1, 2], NOON + 6 * SECOND)

    assert exporting(collector, recorded).export() == 2

    traces = collector.traces()
    assert [sorted(span.name for span in spans) for spans in traces.values()] == [
        ["claim", "record", "run", "task report", "wait"]
    ] * 2
    for spans in traces.values():
        (root,) = [span for span in spans if not span.parent_span_id]
        assert {span.parent_span_id for span in spans if span is not root} == {root.span_id}
        assert root.end_time_unix_nano - root.start_time_unix_nano == 6_000_000_000
        told = {pair.key: pair.value.string_value or pair.value.int_value for pair in root.attributes}
        assert told["smart_cron.task"] == "report"
        assert told["smart_cron.status"] == "success"


def test_many_runs_go_in_portions_and_none_twice(collector: Collector) -> None:
    recorded = RecordedRuns()
    recorded.add(range(EXPORT_RUNS + 1), NOON)
    ours = exporting(collector, recorded)

    assert (ours.export(), ours.export()) == (EXPORT_RUNS + 1, 0)
    assert len(collector.traces()) == EXPORT_RUNS + 1
    assert collector.requests == 2


def test_a_collector_that_refuses_is_told_in_a_sentence(collector: Collector) -> None:
    collector.answer = 400
    recorded = RecordedRuns()
    recorded.add([1], NOON)

    with pytest.raises(SmartCronError, match="were not taken"):
        exporting(collector, recorded).export()


def test_a_collector_that_is_away_for_a_moment_loses_nothing(collector: Collector) -> None:
    recorded = RecordedRuns()
    recorded.add([1, 2], NOON)
    ours = exporting(collector, recorded)
    collector.answer = 400
    with pytest.raises(SmartCronError):
        ours.export()

    collector.answer = 200
    assert ours.export() == 2
    assert len(collector.traces()) == 2


def test_what_is_put_back_does_not_grow_and_keeps_nothing_else_back() -> None:
    recorded = RecordedRuns()
    recorded.add(range(10), NOON)
    refused = recorded.take(5)
    recorded.put_back(refused)

    assert list(recorded.take(5)) == [5, 6, 7, 8, 9]
    recorded.add(range(10, MOST_KEPT + 10), NOON)
    recorded.put_back(refused)
    assert len(recorded.take(MOST_KEPT * 2)) == MOST_KEPT


def test_what_nobody_fetches_does_not_grow() -> None:
    recorded = RecordedRuns()
    recorded.add(range(MOST_KEPT + 5), NOON)

    taken = recorded.take(MOST_KEPT * 2)

    assert len(taken) == MOST_KEPT
    assert min(taken) == 5
