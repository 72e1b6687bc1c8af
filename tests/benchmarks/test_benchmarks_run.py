"""The whole of `python -m benchmarks`, as small as it can be: its shape, never its figures."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SIZE = ("--quick", "--repeats", "1", "--runs", "50", "--database", "sqlite")
DEADLINE_SECONDS = 900


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter: as root one row runs its tasks as one of them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def run(folder: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, "--folder", str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def rows(printed: str) -> list[str]:
    """Return the rows of all sections, once each section has turned out to be a heading and columns of one kind."""
    first, *sections = printed.strip().split("\n\n")
    assert first.startswith("Smart Cron ")
    found: list[str] = []
    for section in sections:
        title, line, headings, *body = section.splitlines()
        assert set(line) == {"-"}
        assert len(line) == len(title)
        assert headings.split() == ["what", "figure", "median", "min", "..", "max", "unit", "target", "reached"]
        assert body
        found += body
    return found


@pytest.mark.slow
def test_every_part_ends_with_figures_and_leaves_nothing_behind(folder: Path) -> None:
    found = rows(run(folder, "all", *SIZE))

    for subject in ("task runner alone", "whole product, sqlite", "APScheduler", "quiet", "plan and claim", "record"):
        assert any(row.startswith(subject) for row in found), subject
    for quantity in (
        "idle CPU",
        "PSS of both",
        "private memory",
        "next new start after the restart",
        "task_performance",
    ):
        assert any(quantity in row for row in found), quantity
    # Figures are not judged here, but that each start happened once and in order is no matter of speed.
    counted = [row for row in found if "lost or twice" in row or "out of order" in row]
    assert len(counted) == 4
    assert all(row.endswith("yes") for row in counted)
    assert list(folder.iterdir()) == []
