"""Where the output of a run lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smart_cron.core.run import Status
from smart_cron.taskrunner import runfile


def output_file(runs_dir: Path, row: Mapping[str, Any]) -> Path | None:
    """Return the file of a run's output: the row names it once the run is over, the run file while it goes on.

    It is on the node of the run: it need not be there.
    """
    if row["output_path"]:
        return Path(row["output_path"])
    if not row["run_id"] or Status(row["status"]).is_final:
        return None
    file = runfile.read(runs_dir, row["run_id"])
    named = file.started.get("output_path") if file is not None and file.started else None
    return Path(named) if named else None
