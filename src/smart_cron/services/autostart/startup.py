"""What units and crontab lines have to know of an installation, checked for what their formats cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smart_cron.core.errors import SmartCronError


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """Raises SmartCronError for a path with a line break or another control character, or that is not UTF-8."""

    # The words that call this very program, whatever the path of the caller is: `/srv/venv/bin/smart-cron`.
    program: tuple[str, ...]
    user: str
    # $SMART_CRON_HOME, or None where the settings for everyone rule.
    home: Path | None
    run_dir: Path
    log_dir: Path
    # The folders that the master writes in.
    written: tuple[Path, ...]

    def __post_init__(self) -> None:
        paths = (self.home or "", self.run_dir, self.log_dir, *self.written)
        for text in (*self.program, *map(str, paths)):
            if not text.isprintable():
                raise SmartCronError(
                    f"neither a unit nor a crontab line can hold the path {text!r}.",
                    remedy="Move it to a place whose name has no control characters.",
                )
