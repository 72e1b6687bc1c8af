"""Our directories and the disks below them."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smart_cron.services.diagnosis.finding import Case, Finding, Fix, FixKind, Surroundings, note, ok, wrong
from smart_cron.services.diagnosis.usage import GIGABYTE, MEGABYTE, in_words

# A run file is 16 KB and a run's output 10 MB at most, unless a task says otherwise.
LEAST_BYTES = 100 * MEGABYTE
FEW_BYTES = GIGABYTE
LEAST_FILES = 1000
BLOCK = b"\0" * 4096
# Both say that others' files take the room, or a quota.
_FULL = frozenset({os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A directory as it was found. *fault* says why nothing can be written there; *files_left* None is no bound."""

    name: str
    path: Path
    fault: str | None
    disk: Path
    free_bytes: int
    files_left: int | None


def probe_folders(surroundings: Surroundings) -> list[Finding]:
    """Tell of each directory whether it can be written, on which disk it is, and how much room is there."""
    return [_found(name, path) for name, path in surroundings.folders.items()]


def probe_exposure(surroundings: Surroundings) -> list[Finding]:
    """Tell of each directory in which others than its owner could plant something."""
    return [_exposed(text) for text in surroundings.exposed] + [_closed(path) for path in surroundings.closed_files]


def _exposed(text: str) -> Finding:
    path = _remedy(text).rpartition(" ")[2]
    return wrong(
        "folders",
        f"{_fact(text)}.",
        f"{_remedy(text)}, after a look at what is in it.",
        fix=Fix(kind=FixKind.CLOSE, target=path) if path.startswith("/") else None,
    )


def _closed(path: Path) -> Finding:
    return wrong(
        "files",
        f"{path} can be read or written by every user of this machine.",
        f"chmod 640 {path}",
        fix=Fix(kind=FixKind.CLOSE, target=str(path), mode=0o640),
    )


def _fact(sentence: str) -> str:
    return sentence.partition(": ")[0]


def _remedy(sentence: str) -> str:
    return sentence.partition(": ")[2] or "Take the right away"


def _found(name: str, path: Path) -> Finding:
    if not path.is_dir():
        # Without a home there is nothing to mend: `init` asks what it has to know.
        fix = Fix(kind=FixKind.MAKE, target=str(path)) if path.parent.is_dir() else None
        return wrong(name, f"{path} is not there.", "'smart-cron init' makes it.", fix=fix)
    return judge_place(look_at(name, path))


def look_at(name: str, path: Path) -> Place:
    """Look at a directory that is there; raise OSError where it cannot be looked at."""
    room = os.statvfs(path)
    return Place(
        name=name,
        path=path,
        fault=write_fault(path),
        disk=mount_point(path),
        free_bytes=room.f_bavail * room.f_frsize,
        files_left=room.f_favail if room.f_files else None,
    )


def judge_place(place: Place) -> Finding:
    """Return what is to be said of a directory."""
    where = f"{in_words(place.free_bytes)} free on the disk at {place.disk}"
    if place.fault is not None:
        no_room = is_full(place.fault) or place.free_bytes == 0
        return wrong(
            place.name,
            f"{place.path} cannot be written: {place.fault} ({where}).",
            more_room(place.disk) if no_room else f"Mend its owner: ls -ld {shlex.quote(str(place.path))}",
            case=Case.DISK if no_room else None,
        )
    if place.files_left is not None and place.files_left < LEAST_FILES:
        return wrong(
            place.name,
            f"the disk at {place.disk}, with {place.path}, has room for {place.files_left} more files only.",
            f"Delete files that nobody needs, each run makes one for its output: du --inodes -xd2 {place.disk}",
            case=Case.DISK,
        )
    if place.free_bytes < LEAST_BYTES:
        sentence = f"{place.path} is almost full: {where}."
        return wrong(place.name, sentence, more_room(place.disk), case=Case.DISK)
    if place.free_bytes < FEW_BYTES:
        return note(place.name, f"{place.path} can be written; {where}.", "Make room in time.", case=Case.DISK)
    return ok(place.name, f"{place.path} can be written; {where}.")


def is_full(fault: str) -> bool:
    """Say whether what `write_fault` returned is for want of room."""
    return fault in _FULL


def more_room(disk: Path) -> str:
    """Return what lists the biggest folders of a disk: what fills it is seldom ours, and one look serves them all."""
    return f"Make room there: du -xhd2 {shlex.quote(str(disk))} | sort -h | tail"


def write_fault(path: Path) -> str | None:
    """Return why nothing can be written in a directory, or None: by writing a file without a name, gone afterwards."""
    try:
        descriptor = os.open(path, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except IsADirectoryError:
        return _access_fault(path)  # What a kernel says that knows no such files.
    except OSError as error:
        return _access_fault(path) if error.errno == errno.EOPNOTSUPP else error.strerror
    try:
        os.write(descriptor, BLOCK)
        os.fsync(descriptor)
    except OSError as error:
        return error.strerror
    finally:
        os.close(descriptor)
    return None


def _access_fault(path: Path) -> str | None:
    return None if os.access(path, os.W_OK | os.X_OK) else "Permission denied"


def mount_point(path: Path) -> Path:
    """Return where the disk of *path* is mounted."""
    real = path.resolve()
    if not real.exists() or not real.samefile(path):
        real = path.absolute()  # Links of /proc lead elsewhere than they say.
    return next(parent for parent in _upwards(real) if parent.is_mount() or parent == parent.parent)


def _upwards(path: Path) -> Iterator[Path]:
    yield path
    yield from path.parents
