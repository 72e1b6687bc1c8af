"""The README is tried as it is printed: its shell blocks in a new home, its settings and its crontab line as such."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import warm
from tests.task_runners import end_task_runners

from smart_cron.config import load_config
from smart_cron.services.crontab import read_crontab

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEADLINE_SECONDS = 120.0
# What installs, or is what runs these tests: not to be run by them.
NOT_RUN_HERE = ("python3 -m venv", "./check")

# A stand-in for crontab(1), which not every machine has and which must not touch a real crontab.
CRONTAB = """#!/bin/sh
case $1 in -l) cat "$HOME/crontab" ;; *) cp "$1" "$HOME/crontab" ;; esac
"""
LINES = "MAILTO=ops@example.org\n*/10 * * * * /bin/true\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A home with a crontab, and a PATH on which `smart-cron` is this source tree."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    _program(bin_folder / "smart-cron", f'#!/bin/sh\nexec {warm.program()} "$@"\n')
    _program(bin_folder / "crontab", CRONTAB)
    (tmp_path / "crontab").write_text(LINES)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMART_CRON_")}
    yield {
        **kept,
        "HOME": str(tmp_path),
        "SMART_CRON_HOME": str(tmp_path / "smart-cron"),
        "PATH": f"{bin_folder}:{kept['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
    }
    end_task_runners(tmp_path / "smart-cron")


@pytest.mark.slow
def test_every_shell_block_runs_from_top_to_bottom(environment: dict[str, str]) -> None:
    script = "\n".join(block for block in blocks("sh") if not block.startswith(NOT_RUN_HERE))

    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", f"umask 022\n{script}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("packing /srv", "Task completed successfully: backup", "became task 'true'"):
        assert words in done.stdout
    assert "#smart-cron# */10" in Path(environment["HOME"], "crontab").read_text()


def test_the_blocks_that_are_not_run_here_are_the_two_that_install() -> None:
    assert sum(block.startswith(NOT_RUN_HERE) for block in blocks("sh")) == len(NOT_RUN_HERE)


@pytest.mark.parametrize("block", blocks("toml"))
def test_settings_are_settings(block: str, tmp_path: Path) -> None:
    file = tmp_path / "smart-cron.toml"
    file.write_text(block)
    file.chmod(0o640)

    config = load_config({"SMART_CRON_HOME": str(tmp_path)})
    assert config.database_url.startswith("mysql://") or config.smtp.host == "mail.example.org"


@pytest.mark.parametrize("block", blocks("crontab"))
def test_the_crontab_line_is_one_that_cron_reads(block: str) -> None:
    reading = read_crontab(block.encode(), system=False, source="README", user="ann")

    assert [job.schedule for job in reading.jobs] == ["* * * * *"]
    assert not reading.faults


def test_every_page_that_is_linked_is_there() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", README)

    assert linked
    assert [page for page in linked if not (ROOT / page).exists()] == []
