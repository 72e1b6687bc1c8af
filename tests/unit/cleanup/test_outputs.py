"""Output files go by their age, after their rows and by the budget; those of runs that are not over stay."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from smart_cron.config.retention import RetentionConfig
from smart_cron.core.ports.cleanup import KnownRun
from smart_cron.services.cleanup import outputs
from smart_cron.services.cleanup.outputs import Outputs
from smart_cron.services.cleanup.report import Done

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Disk:
    """A folder of outputs, and what a database knows of the runs in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.runs, self.sheltered = root, dict[str, KnownRun](), list[str]()

    def known_runs(self, run_ids: Sequence[str]) -> Mapping[str, KnownRun]:
        return {run_id: self.runs[run_id] for run_id in run_ids if run_id in self.runs}

    def printed(
        self, *, days_ago: float, size: int = 100, final: bool | None = True, segments: Sequence[str] = ()
    ) -> str:
        """Make the files of a run; *final* None is one without a row."""
        run_id, at = str(uuid4()), NOON - days_ago * DAY
        folder = self.root / f"{at:%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in ("", *segments):
            path = folder / f"{run_id}.out{suffix}"
            path.write_bytes(b"x" * size)
            os.utime(path, (at.timestamp(), at.timestamp()))
        if final is not None:
            self.runs[run_id] = KnownRun(id=len(self.runs) + 1, is_final=final)
        return run_id

    def clean(self, *, dry_run: bool = False, **settings: Any) -> Done:
        found = Outputs(
            root=self.root,
            store=self,  # type: ignore[arg-type]  # of the port nothing else is asked
            retention=RetentionConfig(**settings).policy(),
            now=lambda: NOON,
            sheltered=lambda: self.sheltered,
            dry_run=dry_run,
        )
        return found.clean(lambda _: None)

    def left(self) -> set[str]:
        return {path.name.partition(".")[0] for path in self.root.glob("*/*")}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "output")


def test_a_home_without_output_has_nothing_to_clean(disk: Disk) -> None:
    assert disk.clean() == Done()


def test_old_output_goes_with_its_segments_and_its_empty_folder(disk: Disk) -> None:
    disk.printed(days_ago=31, segments=(".o4", ".o5", ".e12"))
    young = disk.printed(days_ago=29)

    done = disk.clean()

    assert (done.count, done.freed_bytes, done.faults) == (4, 400, ())
    assert disk.left() == {young}
    assert [path.name for path in disk.root.iterdir()] == ["2026-03-02"]


def test_output_without_a_row_goes_once_it_is_a_day_old(disk: Disk) -> None:
    disk.printed(days_ago=1.1, final=None)
    fresh = disk.printed(days_ago=0.9, final=None)

    assert disk.clean().count == 1
    assert disk.left() == {fresh}


def test_output_of_runs_that_are_not_over_stays_whatever_its_age_and_size(disk: Disk) -> None:
    running = disk.printed(days_ago=300, final=False)
    unsettled, orphan = disk.printed(days_ago=300), disk.printed(days_ago=300, final=None)
    disk.sheltered = [unsettled, orphan]

    assert disk.clean(output_budget=1) == Done()
    assert disk.left() == {running, unsettled, orphan}


def test_the_oldest_finished_output_goes_where_all_takes_too_much_room(disk: Disk) -> None:
    oldest = [disk.printed(days_ago=20), disk.printed(days_ago=10.2)]
    running = disk.printed(days_ago=10.1, final=False)
    newer = [disk.printed(days_ago=10), disk.printed(days_ago=0.1)]

    done = disk.clean(output_budget=300)

    assert (done.count, done.freed_bytes) == (2, 200)
    assert disk.left() == {running, *newer}
    assert not disk.left() & set(oldest)


def test_a_budget_that_is_kept_costs_nothing(disk: Disk) -> None:
    disk.printed(days_ago=2)

    assert disk.clean(output_budget=100).count == 0


def test_a_dry_run_counts_age_and_budget_together(disk: Disk) -> None:
    for days_ago in (40, 35, 20, 10, 5):
        disk.printed(days_ago=days_ago)
    before = disk.left()

    would = disk.clean(dry_run=True, output_budget=150)

    assert disk.left() == before
    assert disk.clean(output_budget=150) == would == replace(Done(), count=4, freed_bytes=400)


def test_output_that_is_kept_for_ever_stays_while_its_row_does(disk: Disk) -> None:
    old = disk.printed(days_ago=4000)
    disk.printed(days_ago=4000, final=None)

    disk.clean(output_days=0, executions_days=0, output_budget=0)

    assert disk.left() == {old}


def test_what_is_not_ours_stays(disk: Disk) -> None:
    disk.printed(days_ago=40)
    for name in ("notes.out", "x.txt", f"{uuid4()}.out.bak", f"{uuid4()}.log"):
        path = disk.root / "2026-02-19" / name
        path.write_text("mine")
        os.utime(path, (0, 0))
    (disk.root / "2026-2-1").mkdir()
    (disk.root / "archive").mkdir()
    (disk.root / "archive" / f"{uuid4()}.out").write_text("mine")

    assert disk.clean(output_budget=1).count == 1
    assert len(list(disk.root.glob("*/*"))) == 5
    assert (disk.root / "2026-2-1").is_dir()


def test_the_folder_of_a_run_that_may_just_begin_stays(disk: Disk) -> None:
    (disk.root / "2026-03-30").mkdir(parents=True)
    (disk.root / "2026-03-28").mkdir()

    disk.clean()

    assert [path.name for path in disk.root.iterdir()] == ["2026-03-30"]


def test_more_runs_than_are_asked_for_at_once_are_all_looked_at(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_PORTION", 10)
    for _ in range(25):
        disk.printed(days_ago=40, size=1)

    assert disk.clean().count == 25


def test_a_file_that_cannot_be_deleted_keeps_no_other(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = disk.printed(days_ago=40)
    disk.printed(days_ago=41)
    unlink = os.unlink

    def refuse(name: str, **how: Any) -> None:
        if name.startswith(stuck):
            raise PermissionError(1, "Operation not permitted")
        unlink(name, **how)

    monkeypatch.setattr(os, "unlink", refuse)
    done = disk.clean()
    monkeypatch.undo()

    assert done.count == 1
    assert done.faults == (f"2026-02-19/{stuck}.out could not be deleted: Operation not permitted.",)
