"""The chaos run itself: clean on the product as it is, and red as soon as a fault is planted in it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from benchmarks.chaos_faults import schedule
from benchmarks.chaos_ground import Ground
from benchmarks.chaos_run import ChaosRun, Plan
from benchmarks.chaos_tasks import own_runs, plan_tasks
from benchmarks.chaos_verdict import Verdict

from benchmarks import chaos, chaos_run

from .conftest import PATIENCE_SECONDS, GroundMaker

pytestmark = pytest.mark.slow

PLANTED = Path(__file__).with_name("planted.py")
SEED = 1
SECONDS = 4.0


def played(ground: Ground, *, kills: int, enough: Callable[[], bool], on_server: bool = False) -> Verdict:
    """Return the verdict on a short chaos: it goes on until there was *enough* to see."""
    tasks = plan_tasks(40, seed=SEED, now=datetime.now(UTC))
    ground.insert(tasks)
    plan = Plan(
        seed=SEED,
        seconds=PATIENCE_SECONDS,
        tasks=tasks,
        faults=schedule(seed=SEED, seconds=SECONDS, kills=kills, on_server=on_server),
        slots_per_second=40,
        enough=enough,
    )
    run = ChaosRun(ground, plan, say=lambda _: None)
    run.play()
    return run.verdict()


def runs_seen(ground: Ground, count: int) -> bool:
    """Whether so many runs have come to their end by themselves, some of them badly."""
    codes = [run.code for run in own_runs(ground.records).values() if run.code is not None]
    return len(codes) >= count and any(codes)


def overlap_seen(ground: Ground) -> bool:
    return any(run.met_another for run in own_runs(ground.records).values())


def faults_of(verdict: Verdict) -> set[str]:
    return {kind for kind, found in verdict.faults.items() if found}


def test_the_product_comes_through_some_seconds_of_chaos(make_ground: GroundMaker) -> None:
    ground = make_ground([sys.executable, str(PLANTED), "none"])
    ends_at = time.monotonic() + SECONDS

    verdict = played(ground, kills=8, enough=lambda: time.monotonic() > ends_at and runs_seen(ground, 40))

    assert verdict.is_clean, verdict.faults


@pytest.mark.parametrize("database", ["mariadb", "postgresql"])
def test_three_masters_on_one_server_come_through_it_together(make_ground: GroundMaker, database: str) -> None:
    ground = make_ground(database=database, masters=3)
    ends_at = time.monotonic() + SECONDS

    verdict = played(
        ground, kills=8, enough=lambda: time.monotonic() > ends_at and runs_seen(ground, 40), on_server=True
    )

    assert verdict.is_clean, verdict.faults


def test_the_command_ends_red_with_1_where_a_fault_is_planted_and_clean_with_0_where_none_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--minutes", "0.05", "--kills", "0", "--tasks", "20", "--rate", "20", "--folder", str(tmp_path)]

    assert chaos.main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "clean"
    planted = partial(Ground, command=[sys.executable, str(PLANTED), "other_output"])
    monkeypatch.setattr(chaos, "Ground", planted)
    monkeypatch.setattr(chaos_run, "QUIET_SECONDS", 1.0)
    assert chaos.main(words) == 1
    said = capsys.readouterr().out
    assert "RED" in said
    assert "everything is left in" in said


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("told_twice", "doubled"),
        ("ends_out_of_the_air", "phantom"),
        ("started_twice", "unrecorded"),
        ("forgotten_slots", "missing"),
        ("results_as_one_likes_them", "contradicted"),
        ("results_are_dropped", "stuck"),
        ("other_output", "lost output"),
        ("overlapping_runs", "overlapping"),
    ],
)
def test_a_planted_fault_makes_the_verdict_red(
    make_ground: GroundMaker, monkeypatch: pytest.MonkeyPatch, fault: str, kind: str
) -> None:
    # What is stuck stays so: no need to wait long for it.
    monkeypatch.setattr(chaos_run, "QUIET_SECONDS", 1.0)
    ground = make_ground([sys.executable, str(PLANTED), fault])
    seen = (lambda: overlap_seen(ground)) if kind == "overlapping" else (lambda: runs_seen(ground, 40))

    verdict = played(ground, kills=0, enough=seen)

    assert kind in faults_of(verdict), verdict


def test_a_seed_gives_the_same_faults_and_another_one_others() -> None:
    first, again, other = (schedule(seed=seed, seconds=60, kills=50, on_server=True, nodes=3) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert sum(fault.kind in ("kill master", "kill task runner", "kill supervisor") for fault in first) == 50


def test_an_outage_that_was_asked_for_lies_amid_the_run() -> None:
    (outage,) = [
        fault
        for fault in schedule(seed=1, seconds=900, kills=0, on_server=True, outage_seconds=600)
        if fault.seconds > 100
    ]

    assert (outage.kind, outage.at, outage.seconds) == ("kill server", 150, 600)
