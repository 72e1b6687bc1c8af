"""The hour that clocks leave out in spring, in the ledger: what had no place in it has one outcome right after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from tests.engine.scripted import Bench

from smart_cron.core.ledger import LedgerRun
from smart_cron.core.task import OnMissed
from smart_cron.services.ledger import counts, entries

MakeBench = Callable[..., Bench]
# In Berlin 02:00 was 03:00 that night, at 01:00Z.
BERLIN = "Europe/Berlin"
THREE_DAYS = timedelta(days=3)
EVE = datetime(2026, 3, 27, 12, tzinfo=UTC)
# What names its times of day within the hour runs once, right after the change; what recurs in it has no slot there:
# cron(8) of Debian. The last two go on around it.
PATTERNS = {
    "30 2 * * *": ["28 01:30", "29 01:00", "30 00:30"],
    "0,20,40 2 * * *": ["28 01:00", "28 01:20", "28 01:40", "29 01:00", "30 00:00", "30 00:20", "30 00:40"],
    "*/20 2 * * *": ["28 01:00", "28 01:20", "28 01:40", "30 00:00", "30 00:20", "30 00:40"],
    "0 3 * * *": ["28 02:00", "29 01:00", "30 01:00"],
    "0 */12 * * *": ["27 23:00", "28 11:00", "28 23:00", "29 10:00", "29 22:00", "30 10:00"],
}


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    bench = make_bench(default_zone=BERLIN)
    bench.clock.wall = EVE
    return bench


def instants(slots: Iterable[datetime | None]) -> list[str]:
    return [f"{slot:%d %H:%M}" for slot in slots if slot is not None]


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS.items())
def test_a_master_at_work_runs_each_slot_around_the_change_once(
    bench: Bench, pattern: str, expected: list[str]
) -> None:
    (task,) = bench.add_planned("report", schedule=pattern, time_zone=None)
    while bench.clock.now() < EVE + THREE_DAYS:
        assert bench.cycle.next_due_at is not None
        bench.clock.advance((bench.cycle.next_due_at - bench.clock.now()).total_seconds())
        bench.turn()
        bench.launcher.end_all()
    bench.turn()

    ledger = list(entries(bench.store.ledger, task.id, until=EVE + THREE_DAYS))

    assert [str(entry.status) for entry in ledger if isinstance(entry, LedgerRun)] == ["success"] * len(expected)
    assert instants(run.scheduled_for for run in ledger if isinstance(run, LedgerRun)) == expected
    assert len(ledger) == len(expected)


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS.items())
def test_an_outage_over_the_change_is_told_slot_by_slot(bench: Bench, pattern: str, expected: list[str]) -> None:
    (task,) = bench.add_planned("report", schedule=pattern, time_zone=None, on_missed=OnMissed.SKIP)
    bench.clock.advance(THREE_DAYS.total_seconds() + 61)
    bench.new_cycle()
    bench.turn()

    ledger = list(entries(bench.store.ledger, task.id))

    assert instants(entry.slot for entry in ledger if not isinstance(entry, LedgerRun)) == expected
    assert counts(bench.store.ledger, task.id) == {"missed": len(expected)}
