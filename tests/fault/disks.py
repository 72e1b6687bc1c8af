"""Small file systems in a name space of their own, which can be filled and made read-only."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Whoever may not mount does so in a user namespace of their own, and goes there by way of a process that lives in it.
MOUNT = """mount -t tmpfs -o size={size},nr_inodes={inodes},mode=750 tmpfs {place} && echo mounted
while read how; do mount -o remount,$how {place} && echo done; done"""


class SmallDisk:
    """One of them. Its paths work in every name space."""

    def __init__(self, holder: subprocess.Popen[bytes], place: Path) -> None:
        self._holder = holder
        self.path = Path(f"/proc/{holder.pid}/root{place}")

    def fill(self) -> None:
        """Take every byte that is left."""
        with (self.path / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                return

    def make_room(self) -> None:
        """Undo `fill`."""
        (self.path / "filler").unlink()

    def take_inodes(self) -> None:
        """Make files until no further one can be made; there is room in those that are there."""
        names = (self.path / "inodes" / str(number) for number in itertools.count())
        (self.path / "inodes").mkdir()
        try:
            for name in names:
                name.touch()
        except OSError:
            return

    def give_inodes(self) -> None:
        """Undo `take_inodes`."""
        shutil.rmtree(self.path / "inodes")

    def folder(self, name: str) -> str:
        """Return a folder on it."""
        path = self.path / name
        path.mkdir(mode=0o750, exist_ok=True)
        return os.fspath(path)

    def remount(self, how: str) -> None:
        """Mount it again, `ro` or `rw`."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.write(f"{how}\n".encode())
        self._holder.stdin.flush()
        answer = self._holder.stdout.readline()
        assert answer == b"done\n", f"it cannot be mounted {how}: {answer!r}"


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Have nobody make, rename or delete anything in a folder, root included, who heeds no permissions."""
    if os.geteuid():
        folder.chmod(0o550)
    else:
        subprocess.run(["chattr", "+i", folder], check=True)
    try:
        yield
    finally:
        if os.geteuid():
            folder.chmod(0o750)
        else:
            subprocess.run(["chattr", "-i", folder], check=True)


@contextmanager
def small_disk(place: Path, *, size: str, inodes: int = 10_000) -> Iterator[SmallDisk]:
    """Have a file system of this size, for so many files, until the end of the block."""
    place.mkdir(mode=0o750)
    command = [
        "unshare",
        "--map-root-user",
        "--mount",
        "/bin/sh",
        "-c",
        MOUNT.format(place=place, size=size, inodes=inodes),
    ]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"mounted\n", "these tests need root, or a machine that allows user namespaces"
    yield SmallDisk(holder, place)
    holder.communicate()
