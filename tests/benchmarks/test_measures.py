"""The arithmetic of the benchmarks, where a mistake would flatter."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from benchmarks.databases import instant, written
from benchmarks.lateness import miscounted, out_of_order, overtaking, quantile, read_stamps
from benchmarks.processes import TICKS, cpu_seconds, is_alive, tree_cpu_seconds, wait_until
from benchmarks.programs import build_programs
from benchmarks.raw import Sample, mean, run_raw


def test_a_quantile_is_a_measured_value_and_the_largest_of_its_share() -> None:
    hundred = [float(number) for number in range(1, 101)]

    assert [quantile(hundred, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert quantile([7.0], 0.5) == 7


def test_lost_and_doubled_starts_are_both_counted() -> None:
    assert miscounted(["a", "b"], ["a", "b"]) == 0
    assert miscounted(["a", "a", "b"], ["a", "b", "c"]) == 2


def test_launches_are_in_order_while_no_more_urgent_one_follows() -> None:
    assert out_of_order([1, 1, 2, 10]) == 0
    assert out_of_order([1, 3, 2, 3, 1]) == 2


def test_overtaking_is_by_how_much_the_least_patient_run_jumped_its_queue() -> None:
    def after(milliseconds: int) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)

    assert overtaking([(1, after(3)), (1, after(0)), (2, after(3)), (10, after(9))]) == timedelta()
    assert overtaking([(1, after(8)), (2, after(9)), (5, after(2)), (9, after(7))]) == timedelta(milliseconds=7)


def test_stamps_are_read_as_instants(tmp_path: Path) -> None:
    (tmp_path / "stamps").write_text("task_1 1767225600000001000\n")

    assert read_stamps(tmp_path / "stamps") == [("task_1", datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC))]


def test_instants_survive_the_way_through_text() -> None:
    moment = datetime(2026, 1, 1, 12, 30, 15, 40, tzinfo=UTC)

    assert instant(written(moment)) == moment
    assert instant(moment.replace(tzinfo=None)) == moment


def test_neighbouring_samples_count_as_one() -> None:
    slow = Sample(runs=100, wall_seconds=2.0, cpu_seconds=0.2)
    fast = Sample(runs=100, wall_seconds=1.0, cpu_seconds=0.1)

    both = mean([slow, None, fast])

    assert both is not None
    assert both.rate == pytest.approx(200 / 3)
    assert both.cpu_per_run == pytest.approx(1.5)
    assert mean([None]) is None


def test_cpu_time_of_ended_children_is_not_forgotten() -> None:
    burn = "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass"
    before = tree_cpu_seconds(os.getpid())
    subprocess.run(["/usr/bin/env", "python3", "-c", burn], check=True)

    assert tree_cpu_seconds(os.getpid()) - before >= 0.1 - 2 / TICKS


def test_a_process_that_is_gone_cost_nothing() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()

    assert cpu_seconds([child.pid]) == 0
    assert not is_alive(child.pid)


def test_waiting_ends_with_the_reason_when_nothing_comes() -> None:
    began = time.monotonic()

    with pytest.raises(TimeoutError, match="for the impossible"):
        wait_until(lambda: False, what="the impossible", seconds=0.02, pause=0.005)
    assert time.monotonic() - began < 1


@pytest.mark.slow
def test_the_raw_loop_starts_as_many_as_it_is_asked(tmp_path: Path) -> None:
    programs = build_programs(tmp_path / "programs")

    sample = run_raw(programs.raw, programs.chatter, runs=11)

    assert sample is None if programs.raw is None else sample is not None and sample.runs == 11
    assert run_raw(None, programs.chatter, runs=11) is None


@pytest.mark.slow
def test_a_stamp_is_one_line_with_the_name_of_the_task(tmp_path: Path) -> None:
    programs, stamps = build_programs(tmp_path / "programs"), tmp_path / "stamps"
    began = datetime.now(UTC)

    for name in ("one", "two"):
        subprocess.run([programs.stamp, stamps], env={"SMART_CRON_TASK": name}, check=True)

    (first, first_at), (second, second_at) = read_stamps(stamps)
    assert (first, second) == ("one", "two")
    assert began <= first_at <= second_at <= datetime.now(UTC)
