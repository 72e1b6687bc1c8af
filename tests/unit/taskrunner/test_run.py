"""A run's last states, without a process."""

from __future__ import annotations

import select
from pathlib import Path

import pytest

from smart_cron.taskrunner import run
from smart_cron.taskrunner.tree import Process

STUCK = Process(4711, "stuck", "D", 1, 4711, 5)


def test_what_cannot_be_killed_is_named_and_its_supervisor_has_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run, "hurry", lambda: None)
    monkeypatch.setattr(run, "kill_children", lambda: None)
    monkeypatch.setattr(run, "kill_tree", lambda: [STUCK])
    monkeypatch.setattr(run, "KILL_PATIENCE_SECONDS", -1.0)
    monkeypatch.setattr(run.Run, "_nothing_is_left", lambda _: False)
    order = {
        "run_id": "r", "execution_id": 1, "limits": {"output_bytes": 10}, "timeout_seconds": 1,
        "output_path": str(tmp_path / "o"),
    }  # fmt: skip
    stuck = run.Run(order, select.poll(), -1, -1)
    stuck._status = 0

    stuck._kill()

    assert stuck.finish_record()["unkillable"] == ["4711:stuck"]
    assert stuck.state is run.State.OVER
    assert stuck.has_children
