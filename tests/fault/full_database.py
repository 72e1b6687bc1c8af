"""A program: the disk under a database fills up while a master is at work. It prints what was found, as JSON.

    unshare --mount python -m tests.fault.full_database FOLDER sqlite|mariadb|postgresql

A program and no test, since SQLite follows paths to what they are in its own name space: all must be in the same one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos_ground import Ground
from benchmarks.databases import open_databases
from tests.fault.conftest import Mishap, said, through
from tests.servers import MariaDb, PostgreSql, Server

LOST = "Failed to connect to database"
# What a new server takes of a disk, and some room to work in.
SERVERS: dict[str, tuple[type[Server], str]] = {"mariadb": (MariaDb, "240m"), "postgresql": (PostgreSql, "120m")}


def main(folder: Path, name: str) -> None:
    with full_disk(folder, name) as (ground, harm):
        verdict = through(ground, Mishap(harm=harm, noticed=lambda: bool(said(ground, LOST))))
        found = {
            "faults": {kind: cases for kind, cases in verdict.faults.items() if cases},
            "runs": verdict.runs,
            "lost": [entry["context"]["reason"] for entry in said(ground, LOST)],
            "back": len(said(ground, "Database is back")),
        }
    print(json.dumps(found))  # noqa: T201 - its output is its product


@contextmanager
def full_disk(folder: Path, name: str) -> Iterator[tuple[Ground, Callable[[], Callable[[], object]]]]:
    """Yield a ground, and what fills the disk of its database and returns what makes room again."""
    if name == "sqlite":
        with open_databases() as databases:
            # Its log may take 4 MB before it is copied back: after the fault there must be room for all of it.
            disk = mounted(folder / "disk", size="12m")
            ground = Ground(databases, database=name, parent=folder, database_folder=disk)
            try:
                yield ground, lambda: filled(disk)
            finally:
                ground.close()
        return
    kind, size = SERVERS[name]
    server = kind()
    mounted(server.folder, size=size)
    with server, open_databases() as databases:
        databases.adopt(name, server)
        ground = Ground(databases, database=name, parent=folder)
        try:
            yield ground, lambda: filled_under(server)
        finally:
            ground.close()


def mounted(place: Path, *, size: str) -> Path:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(place)], check=True)
    return place


def filled_under(server: Server) -> Callable[[], object]:
    make_room = filled(server.folder)

    def mend() -> None:
        make_room()
        # MariaDB and PostgreSQL may give up where they cannot write their log: an administrator starts them again.
        if not server.answers():
            server.stop()
            server.start()

    return mend


def filled(disk: Path) -> Callable[[], object]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return filler.unlink


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
