"""The demo's scripts do what the example crontab says of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from smart_cron.services.crontab import read_crontab, to_definitions

pytestmark = pytest.mark.slow  # each starts real programs

EXAMPLES = Path(str(files("smart_cron") / "examples"))


def run(command: str, work: Path, *, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command],
        env={"PATH": os.environ["PATH"], "EXAMPLES": str(EXAMPLES), "WORK": str(work), **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_the_example_crontab_becomes_six_tasks_without_a_fault() -> None:
    text = f"EXAMPLES={EXAMPLES}\nWORK=/tmp/work\n".encode() + (EXAMPLES / "crontab").read_bytes()
    reading = read_crontab(text, system=False, source="examples/crontab", user=None)

    assert reading.faults == ()
    assert [task.definition.name for task in to_definitions(reading)] == [
        "backup", "report", "stock-sync", "invoices", "supplier-feed", "image-worker",
    ]  # fmt: skip


def test_the_backup_is_an_archive_that_opens_and_only_five_are_kept(tmp_path: Path) -> None:
    for _ in range(7):
        done = run('sh "$EXAMPLES/backup.sh"', tmp_path)

    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "backups").iterdir())) == 5
    assert "orders.csv" in subprocess.check_output(["tar", "-tzf", next((tmp_path / "backups").iterdir())], text=True)


def test_the_report_reads_its_cities_from_standard_input(tmp_path: Path) -> None:
    assert run('python3 "$EXAMPLES/report.py"', tmp_path, stdin="Auckland\n").stdout.count("orders") == 1
    assert run('python3 "$EXAMPLES/report.py"', tmp_path).returncode == 1


@pytest.mark.parametrize("with_php", [True, False])
def test_the_stock_is_the_same_with_and_without_php(tmp_path: Path, with_php: bool) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "mkdir", "dirname", "sort", "awk", "mv", "wc", *(["php"] if with_php else [])):
        (tools / name).symlink_to(Path(str(shutil.which(name))).resolve())
    done = run('sh "$EXAMPLES/stock-sync.sh"', tmp_path / "work", PATH=str(tools))

    assert done.stderr == "out of stock: coffee\n"
    assert ("PHP" in done.stdout) == with_php
    assert (tmp_path / "work/stock.csv").read_text() == "bread,31\ncoffee,0\nhoney,7\ntea,12\n"


def test_invoices_fail_at_the_first_attempt_alone(tmp_path: Path) -> None:
    outcomes = [run('sh "$EXAMPLES/invoices.sh"', tmp_path, SMART_CRON_ATTEMPT=attempt).returncode for attempt in "123"]

    assert outcomes == [75, 0, 0]
