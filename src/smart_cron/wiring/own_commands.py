"""Commands of ours as processes of their own, for what takes long and much: their memory and their end are theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import smart_cron
from smart_cron.config import Config
from smart_cron.wiring.mastering import TOLD_TO_TASKS

MOST_WORDS = 4096


def own_command(config: Config, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Call `smart-cron` with these words, wait for its end and return what it said. No shell reads them."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "smart_cron", *words],
        env=own_environment(config),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def own_environment(config: Config) -> Mapping[str, str]:
    """Return ours, with paths that hold in the root directory, without what a task was told of itself."""
    kept = {name: value for name, value in os.environ.items() if name not in TOLD_TO_TASKS}
    if "SMART_CRON_HOME" in kept:
        kept["SMART_CRON_HOME"] = str(config.home.absolute())
    return {**kept, "PYTHONPATH": str(Path(smart_cron.__file__).absolute().parents[1])}


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command complained of, in one line."""
    lines = [line for line in done.stderr[-MOST_WORDS:].splitlines() if line.strip()]
    return lines[-1].removeprefix("smart-cron: ") if lines else f"it ended with exit code {done.returncode}"
