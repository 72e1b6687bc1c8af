"""SIGKILL at every named step of a run, of whoever makes that step: nothing is lost, doubled or left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import GroundMaker, armed, chaos_run, crashing

pytestmark = pytest.mark.slow

# Who dies where. The steps: plan, claim, launch, run file, start, output, result, record, file gone.
STEPS = {
    "plan": (
        "master:Plans.save_plans:before",
        "master:Plans.save_plans:precommit",
        "master:Plans.save_plans:commit",
    ),
    "claim": ("master:Claims.claim:before", "master:Claims.claim:precommit", "master:Claims.claim:commit"),
    "launch": (
        "master:RunnerLauncher.launch:before",
        "master:RunnerLauncher.launch:after",
        "runner:Runner._on_launch:before",
        "runner:Seat.send_order:before",
        "runner:Seat.send_order:after",
    ),
    "run file": ("supervisor:supervisor.take:before", "supervisor:supervisor.take:after"),
    "start": (
        "supervisor:Supervisor._write_started:after",
        "supervisor:run.spawn:after",
        "supervisor:Supervisor._announce:after",
        "master:Records.mark_running:commit",
    ),
    "output": ("supervisor:OutputWriter.write:after", "supervisor:OutputWriter.close:after"),
    "result": (
        "supervisor:Run.finish_record:after",
        "supervisor:HeldFile.append_finish:after",
        "supervisor:Supervisor._tell:after",
        "runner:Runner._hear:before",
        "runner:ClientDesk.publish:before",
        "runner:ClientDesk.publish:after",
    ),
    "record": (
        "master:RunnerLauncher.poll:after:20",
        "master:Records.settle:before",
        "master:Records.settle:precommit",
        "master:Records.settle:commit",
    ),
    "file gone": (
        "master:RunnerLauncher.discard:before",
        "master:RunnerLauncher.discard:after",
        "runner:Runner._on_release:before",
        "runner:Runner._on_release:after",
    ),
}


@pytest.mark.parametrize("spec", [spec for specs in STEPS.values() for spec in specs])
def test_a_death_at_any_step_loses_and_doubles_nothing(make_ground: GroundMaker, tmp_path: Path, spec: str) -> None:
    marker = tmp_path / "died"
    run = chaos_run(make_ground(crashing(spec, marker)), enough=armed(marker))

    run.play()
    died = int(marker.read_text())
    run.note_kill(died)
    verdict = run.verdict()

    assert verdict.is_clean, verdict.faults
    assert verdict.runs
    # A supervisor takes its own run with it, and nobody else any.
    assert verdict.statuses["lost"] <= (1 if spec.startswith("supervisor") else 0)
    assert len(run.report.own_ends) == (1 if spec.startswith("master") else 0)
