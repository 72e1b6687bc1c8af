"""Can our folders be written by us, and by nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from smart_cron.core.health import CheckStatus, Finding
from smart_cron.services.diagnosis.places import write_fault

NAME = "filesystem"


def look(folders: Mapping[str, Path], exposed: Callable[[], Sequence[str]]) -> Finding:
    """Try each folder. *exposed* returns a sentence for each that others could plant something in."""
    faults = [*_faults(folders), *exposed()]
    if not faults:
        return Finding(
            check=NAME, status=CheckStatus.OK, message="our folders can be written, and by their owner only."
        )
    return Finding(
        check=NAME,
        status=CheckStatus.CRITICAL,
        message=f"{'; '.join(faults)}.",
        remedy="Mend owner and mode of what is named; 'smart-cron init' makes what is missing.",
        measured=float(len(faults)),
        threshold=1.0,
        unit="faults",
    )


def _faults(folders: Mapping[str, Path]) -> Iterator[str]:
    for path in folders.values():
        if not path.is_dir():
            yield f"{path} is not there"
        elif (fault := write_fault(path)) is not None:
            yield f"{path} cannot be written: {fault}"
