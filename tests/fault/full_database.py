"""A program: SQLite's disk fills up under a master at work. It prints what was found, as JSON.

    unshare --mount python -m tests.fault.full_database FOLDER

A program and no test, since SQLite follows paths to what they are in its own name space: all must be in the same one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.chaos_ground import Ground
from benchmarks.databases import open_databases
from tests.fault.conftest import Mishap, said, through

LOST = "Failed to connect to database"


def main(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=750", "tmpfs", str(disk)], check=True)
    with open_databases() as databases:
        ground = Ground(databases, database="sqlite", parent=folder, database_folder=disk)
        try:
            verdict = through(ground, Mishap(harm=lambda: filled(disk), noticed=lambda: bool(said(ground, LOST))))
            found = {
                "faults": {kind: cases for kind, cases in verdict.faults.items() if cases},
                "runs": verdict.runs,
                "lost": [entry["context"]["reason"] for entry in said(ground, LOST)],
                "back": len(said(ground, "Database is back")),
            }
        finally:
            ground.close()
    print(json.dumps(found))  # noqa: T201 - its output is its product


def filled(disk: Path) -> Callable[[], object]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return filler.unlink


if __name__ == "__main__":
    main(Path(sys.argv[1]))
