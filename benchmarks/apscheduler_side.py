"""APScheduler 3 beside us on the same tasks, installed on demand into an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.house import Ground
from benchmarks.raw import Sample

REQUIREMENTS = ("apscheduler>=3.10,<4", "sqlalchemy>=2,<3")
SCRIPT = Path(__file__).parent / "apscheduler_run.py"
VERSION = "import apscheduler; print(apscheduler.version)"


class NotInstallableError(RuntimeError):
    """APScheduler could not be had here; the text says why."""


class ApScheduler:
    """An installed APScheduler."""

    def __init__(self, folder: Path) -> None:
        """Install it into *folder*. Raise NotInstallableError where that fails."""
        self._python = folder / "bin" / "python"
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(self._python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS])
        self.version = _run([str(self._python), "-c", VERSION]).strip()

    def run(self, ground: Ground, program: Path, *, runs: int) -> Sample:
        """Run *program* so often, all due at once."""
        command = [str(self._python), str(SCRIPT), str(ground.empty_folder()), str(runs), str(program)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return Sample(**json.loads(done.stdout))


def _run(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr or error.stdout).strip().splitlines() or ["no reason given"]
        raise NotInstallableError(lines[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallableError(str(error)) from error
