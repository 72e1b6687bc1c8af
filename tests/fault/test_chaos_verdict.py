"""The verdict on a chaos run: each kind of fault is found, and nothing else is."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from benchmarks.chaos_verdict import Circumstances, judge, printed, read_own

SLOT = "2026-01-05T12:00:00.000000Z"
OUTPUT = printed("r1", 3)
WELL = "S r1 1 - 100 50\nE r1 3 0\n"


def entry(**changed: Any) -> dict[str, Any]:
    usual = {
        "task": "a",
        "scheduled_for": SLOT,
        "attempt": 1,
        "status": "success",
        "reason": None,
        "exit_code": 0,
        "run_id": "r1",
        "output_bytes": len(OUTPUT),
        "output_sha256": hashlib.sha256(OUTPUT).hexdigest(),
        "output_truncated": False,
    }
    return usual | changed


def faults(*entries: dict[str, Any], own: str = WELL, **around: Any) -> set[str]:
    known = Circumstances(**{"owed": [("a", SLOT)], "possible": [], **around})
    return {kind for kind, cases in judge(entries, read_own("a", own), known).faults.items() if cases}


def test_a_slot_that_ran_once_and_was_recorded_is_clean() -> None:
    assert faults(entry()) == set()


@pytest.mark.parametrize(
    ("kind", "entries", "own"),
    [
        ("missing", [], ""),
        ("doubled", [entry(), entry(run_id=None, attempt=None, status="missed")], WELL),
        ("doubled", [entry()], "S r1 1 - 100 50\n" + WELL),
        ("doubled", [entry(), entry(attempt=2, run_id="r2", status="killed")], WELL),
        ("overlapping", [entry()], WELL + "O r1\n"),
        ("phantom", [entry()], ""),
        ("phantom", [entry()], "S r1 1 - 100 50\n"),
        ("unrecorded", [entry()], WELL + "S r9 1 - 101 50\n"),
        ("unrecorded", [entry(status="missed")], WELL),
        ("unasked", [entry(), entry(task="b", run_id=None, status="missed")], WELL),
        ("contradicted", [entry(exit_code=1, status="failed")], WELL),
        ("lost without a cause", [entry(status="lost")], WELL),
        ("lost output", [entry(output_bytes=1)], WELL),
        ("stuck", [entry(status="running")], WELL),
    ],
)
def test_each_kind_of_fault_is_found(kind: str, entries: list[dict[str, Any]], own: str) -> None:
    assert faults(*entries, own=own) == {kind}


def test_a_run_lost_with_its_supervisor_is_no_fault_and_may_be_tried_again_where_the_task_says_so() -> None:
    lost, again = entry(status="lost"), entry(attempt=2, run_id="r2", status="killed")

    assert faults(lost, killed={50}) == set()
    assert faults(lost, again, killed={50}, retry_lost={"a"}) == set()
    assert faults(lost, again, killed={50}) == {"doubled"}


def test_one_that_others_took_for_lost_may_have_been_tried_again_before_its_node_knew_better() -> None:
    known, again = entry(), entry(attempt=2, run_id="r2", status="killed")

    assert faults(known, again, retry_lost={"a"}, corrected={"r1"}) == set()
    assert faults(known, again, corrected={"r1"}) == {"doubled"}
    assert faults(known, again, retry_lost={"a"}) == {"doubled"}


def test_a_line_torn_by_a_kill_is_passed_over() -> None:
    assert read_own("a", "S r1 1\nE r1\n")["r1"].starts == 0
