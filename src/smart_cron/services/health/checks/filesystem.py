"""Can our folders be written by us, and by nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from smart_cron.core.health import CheckStatus, Finding
from smart_cron.services.diagnosis.places import is_full, more_room, mount_point, write_fault
from smart_cron.services.health.checks.words import none_of
from smart_cron.services.patience import outermost, remount, silent_paths

NAME = "filesystem"
MEND = "Mend owner and mode of what is named; 'smart-cron init' makes what is missing."


def look(folders: Mapping[str, Path], exposed: Callable[[], Sequence[str]], *, seconds: float) -> Finding:
    """Try each folder that answers in so many seconds.

    *exposed* returns a sentence for each that others could plant something in.
    """
    silent = silent_paths(folders.values(), seconds=seconds)
    answering = [path for path in folders.values() if path not in silent]
    # What is wrong, and what mends it: several folders on a full disk are mended as one.
    faults = [(f"{path} does not answer: its disk or mount hangs", remount(path)) for path in outermost(silent)]
    faults += [*_faults(answering), *((sentence, MEND) for sentence in exposed())]
    if not faults:
        return none_of("faults", NAME, "our folders can be written, and by their owner only.")
    return Finding(
        check=NAME,
        status=CheckStatus.CRITICAL,
        message=f"{'; '.join(sentence for sentence, _ in faults)}.",
        remedy=" ".join(dict.fromkeys(remedy for _, remedy in faults)),
        measured=float(len(faults)),
        threshold=1.0,
        unit="faults",
    )


def _faults(folders: Sequence[Path]) -> Iterator[tuple[str, str]]:
    for path in folders:
        if not path.is_dir():
            yield f"{path} is not there", MEND
        elif (fault := write_fault(path)) is None:
            continue
        elif is_full(fault):
            disk = mount_point(path)
            yield f"{path} cannot be written, the disk at {disk} is full", f"{more_room(disk)}."
        else:
            yield f"{path} cannot be written: {fault}", MEND
