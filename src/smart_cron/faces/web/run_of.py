"""One run and its output, for whoever may see it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smart_cron.core.errors import UnknownRunError
from smart_cron.core.people import Person
from smart_cron.core.run import Status
from smart_cron.faces.web.premises import Premises
from smart_cron.services.output.frames import CopyFrames, FileFrames, Frames
from smart_cron.services.output.printed import STREAMS, Printed
from smart_cron.services.output.where import output_file

_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,35}", re.ASCII)
# The places found in an output that somebody reads.
KEPT_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An output and where it is from: `file` here, the `copy` in the row, nowhere yet (`elsewhere`), or `none`."""

    printed: Printed
    origin: str


def run_of(premises: Premises, person: Person, run: str) -> Mapping[str, Any] | None:
    """Return the run by its number or run id; None where it is not there, or none of theirs."""
    if not _RUN.fullmatch(run):
        return None
    try:
        row = premises.store.runs.brief(run)
    except UnknownRunError:
        return None
    return row if person.is_near(row["task_group"]) else None


def path_of(premises: Premises, row: Mapping[str, Any]) -> Path | None:
    """Return the file of the run's output where it is here; never one outside our own folders (SECURITY 24)."""
    config = premises.config
    path = output_file(config.state_dir / "runs", row)
    if path is None or ".." in path.parts or not path.is_file() or path.is_symlink():
        return None
    return path if any(path.is_relative_to(folder) for folder in (config.log_dir, config.state_dir)) else None


def shown_of(premises: Premises, row: Mapping[str, Any], stream: str) -> Shown:
    """Return the output of the run, of one stream or both."""
    is_over, path = Status(row["status"]).is_final, path_of(premises, row)
    if path is not None:
        key = ("printed", str(path), stream, is_over)
        printed = premises.memo.get(
            key, lambda: Printed(FileFrames(path), STREAMS[stream], is_over=is_over), seconds=KEPT_SECONDS
        )
        return Shown(printed=printed, origin="file")
    frames, origin = _copy(premises, row, is_over=is_over)
    return Shown(printed=Printed(frames, STREAMS[stream]), origin=origin)


def _copy(premises: Premises, row: Mapping[str, Any], *, is_over: bool) -> tuple[Frames, str]:
    if not is_over:
        is_here = row["node"] in (None, premises.config.node_name)
        return CopyFrames("", ""), "none" if is_here else "elsewhere"
    whole = premises.store.history.run(str(row["id"]))
    stdout, stderr = whole["stdout_output"] or "", whole["stderr_output"] or ""
    return CopyFrames(stdout, stderr), "copy" if stdout or stderr else "none"
