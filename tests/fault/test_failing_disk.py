"""A disk under the run files that meets an error and turns read-only, while they are open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.processes import wait_until

from .conftest import PATIENCE_SECONDS, GroundMaker, chaos_run, lasting, more_ends, own_starts, said, until
from .disks import FailingDisk

pytestmark = pytest.mark.slow


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[FailingDisk]:
    made = FailingDisk(tmp_path / "image", tmp_path / "disk")
    yield made
    made.close()


def test_a_state_directory_that_turns_read_only_starts_nothing_until_its_disk_was_repaired(
    make_ground: GroundMaker, failing_disk: FailingDisk
) -> None:
    """A disk with an error is mended by a start of the machine: everything ends there, whatever it was about to say."""
    state = failing_disk.path / "x"
    state.mkdir(mode=0o750)
    ground = make_ground(SMART_CRON_STATE_DIR=str(state))
    node = ground.nodes[0]

    def story() -> Iterator[None]:
        yield from until(more_ends(ground))
        failing_disk.fail()
        starts = own_starts(ground)
        yield from until(lasting(3.0, lambda: bool(said(ground, "Heartbeats cannot be remembered"))))
        # What was on its way when the disk failed may have had its file already.
        begun = own_starts(ground) - starts
        yield from until(lasting(2.0))
        assert own_starts(ground) - starts == begun, "a run was started without a file"
        run.reset(node)
        wait_until(lambda: not node.runners() and not node.supervisors(), what="their end", seconds=PATIENCE_SECONDS)
        failing_disk.repair()
        yield from until(more_ends(ground))

    steps, over = story(), object()
    run = chaos_run(ground, enough=lambda: next(steps, over) is over)
    run.play()
    verdict = run.verdict()

    assert next(steps, over) is over, "the story did not come to its end"
    assert {kind: said for kind, said in verdict.faults.items() if said} == {}
    assert len(said(ground, "Heartbeats cannot be remembered")) == 1
