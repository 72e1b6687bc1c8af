"""Small file systems: in a name space of their own, to be filled; on a loop device, to fail and turn read-only."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Whoever may not mount does so in a user namespace of their own, and goes there by way of a process that lives in it.
MOUNT = """mount -t tmpfs -o size={size},nr_inodes={inodes},mode=750 tmpfs {place} && echo mounted
cat"""
DISK_BYTES = 32_000_000


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


class FailingDisk:
    """An ext4 on a loop device, which turns read-only under open files when it meets an error, as Debian mounts it.

    It is mounted in a name space of its own: those that other tests make meanwhile would else hold it mounted.
    """

    def __init__(self, image: Path, place: Path) -> None:
        self._image, self._place = image, place
        with image.open("wb") as file:
            file.truncate(DISK_BYTES)
        place.mkdir(mode=0o750)
        _run("mkfs.ext4", "-q", "-F", image)
        self._holder = subprocess.Popen(["unshare", "--mount", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()
        self._mount()
        self.path = Path(f"/proc/{self._holder.pid}/root{place}")

    def _answer(self) -> None:
        """Wait until the holder lives in its name space."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.write(b"there\n")
        self._holder.stdin.flush()
        assert self._holder.stdout.readline() == b"there\n", "these tests need root"

    def _there(self, *words: str | Path) -> str:
        return _run("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", *words)

    def _mount(self) -> None:
        self._there("mount", "-o", "loop,errors=remount-ro", self._image, self._place)

    def fail(self) -> None:
        """Have the kernel find an error on it."""
        device = Path(self._there("findmnt", "-n", "-o", "SOURCE", self._place).strip())
        Path(f"/sys/fs/ext4/{device.name}/trigger_fs_error").write_text("1\n", encoding="ascii")

    def repair(self) -> None:
        """Check it and mount it anew, as a start of the machine does; nobody may use it any more."""
        self._there("umount", self._place)
        # 1 says that errors were found and mended.
        _run("fsck.ext4", "-p", self._image, fine=(0, 1))
        self._mount()

    def close(self) -> None:
        """Take it away, whoever uses it."""
        self._there("umount", "--lazy", self._place)
        self._holder.communicate()


def _run(*words: str | Path, fine: Sequence[int] = (0,)) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, check=False, text=True)
    assert done.returncode in fine, f"{words[0]}: {done.stderr}"
    return done.stdout
